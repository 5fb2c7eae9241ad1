"""Names of files: bytes on the disk, text in tables, and one name spelled in several ways."""

import os
import re
import unicodedata
from functools import lru_cache

from bloodcell.errors import InputError

_ESCAPED = re.compile(rb"\\x(5c|[89a-f][0-9a-f])")
_FOLDERS_KEPT = 64


def text_of(name: str | bytes | os.PathLike[str]) -> str:
    r"""A file's name as text, of which ``bytes_of`` makes the same name again.

    A byte that is not UTF-8 becomes ``\xfc``, and a backslash that would be taken for the
    beginning of one becomes ``\x5c``; any other name in UTF-8 stays as it is.
    """
    raw = os.fsencode(name)
    return _ESCAPED.sub(rb"\\x5cx\1", raw).decode("utf-8", "backslashreplace")


def bytes_of(text: str) -> bytes:
    """The name that ``text_of`` made ``text`` of."""
    return _ESCAPED.sub(lambda escaped: bytes.fromhex(escaped[1].decode()), text.encode())


def spelling(text: str) -> str:
    r"""What is equal for all spellings of a name: letters composed (NFC), ``/`` for ``\``."""
    if text.isascii():
        return text.replace("\\", "/")
    return unicodedata.normalize("NFC", text.replace("\\", "/"))


class Spellings:
    """Finds files below ``root`` whose names are spelled otherwise on the disk than in a table."""

    def __init__(self, root: bytes) -> None:
        self._root = os.path.abspath(root)  # noqa: PTH100 - bytes
        # As long as the run reads: what is remembered for longer may no longer be true.
        self._names_by_key = lru_cache(_FOLDERS_KEPT)(_names_by_key)

    def on_disk(self, text: str) -> bytes | None:
        r"""The file that ``text`` means, where there is none of just that name; else None.

        Letters may be composed there or not (NFC, NFD), or be Latin-1, and ``\`` may stand for
        ``/``. InputError if several files could be meant.
        """
        if text.isascii() and "\\" not in text:
            return None
        spelled = (bytes_of(text), text.encode(), text.replace("\\", "/").encode())
        places = (self._find(name) for name in dict.fromkeys(spelled))
        return next((place for place in places if place is not None), None)

    def _find(self, name: bytes) -> bytes | None:
        place = b"/" if name.startswith(b"/") else self._root
        for part in filter(None, name.split(b"/")):
            below = os.path.join(place, part)  # noqa: PTH118 - bytes
            if not os.path.lexists(below):
                alike = self._alike(place, part)
                if len(alike) > 1:
                    raise InputError(
                        f"{name.decode()} could be {' or '.join(map(text_of, alike))} in "
                        f"{text_of(place)}: list one of them letter by letter, or rename one"
                    )
                if not alike:
                    return None
                below = os.path.join(place, alike[0])  # noqa: PTH118 - bytes
            place = below
        return place

    def _alike(self, folder: bytes, name: bytes) -> list[bytes]:
        try:
            return self._names_by_key(folder).get(_key(name), [])
        except OSError:
            return []


def _names_by_key(folder: bytes) -> dict[str, list[bytes]]:
    names: dict[str, list[bytes]] = {}
    for name in os.listdir(folder):  # noqa: PTH208 - bytes
        names.setdefault(_key(name), []).append(name)
    return names


def _key(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = name.decode("latin-1")
    return unicodedata.normalize("NFC", text)
