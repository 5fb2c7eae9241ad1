"""Patients' names that people could not tell apart."""

import logging
import unicodedata
from collections.abc import Callable, Iterable

from bloodcell.engine.object_store import Place
from bloodcell.errors import InputError

_LOG = logging.getLogger(__name__)

_NOT_SEEN = frozenset(
    chr(point)
    for point in (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    )
)
"""Joiners, fillers and selectors of variants, which are of categories that are seen otherwise."""


def refuse_alike_patients(source: str | Place, patients: Iterable[str]) -> None:
    """InputError for two names that are one to the eye, or one that shows nothing.

    Names that differ in the case of letters alone are warned of: they can be told apart, and a
    Linux disk may hold both.
    """
    names = list(patients)
    if blank := [name for name in names if not _as_seen(name)]:
        raise InputError(
            f"{source} has the patient {blank[0]!a}, a name of nothing that can be seen: each "
            "patient needs a name"
        )
    if alike := _two_alike(names, lambda name: unicodedata.normalize("NFC", name)):
        raise InputError(
            f"{source} has the patient {unicodedata.normalize('NFC', alike[0])} in two spellings "
            "(letters composed or not), which nobody could tell apart: rename one, or make them "
            "one patient"
        )
    if alike := _two_alike(names, _as_seen):
        raise InputError(
            f"{source} has the patients {alike[0]!a} and {alike[1]!a}, which differ in "
            "blanks or in letters that are not seen, and nobody could tell apart: rename one, or "
            "make them one patient"
        )
    if alike := _two_alike(names, lambda name: _as_seen(name).lower()):
        _LOG.warning(
            "%s has patients whose names differ in the case of letters alone (%s, %s): if they are "
            "one, give them one name, and choose a new --out",
            source, *alike,
        )  # fmt: skip


def _two_alike(names: list[str], key: Callable[[str], str]) -> tuple[str, str] | None:
    """The first two of ``names`` that have one ``key``."""
    first: dict[str, str] = {}
    for name in names:
        earlier = first.setdefault(key(name), name)
        if earlier is not name:
            return earlier, name
    return None


def _as_seen(name: str) -> str:
    """``name`` without what nobody sees: each gap is one blank, and none is at the ends."""
    if name.isascii() and name.isprintable() and " " not in name:
        return name
    seen = "".join(letter for letter in name if letter.isspace() or _is_seen(letter))
    return unicodedata.normalize("NFC", " ".join(seen.split()))


def _is_seen(letter: str) -> bool:
    return letter not in _NOT_SEEN and unicodedata.category(letter) not in ("Cf", "Cc")
