"""Which LOINC code each result has: a TOML file that a site may replace."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from bloodcell.errors import InputError
from bloodcell.scheme import Scheme, Specimen
from bloodcell.toml import read_toml

SHIPPED = Path(__file__).with_name("loinc.toml")

_MANUAL_COUNTS = frozenset(
    {"709-6", "747-6", "26445-7", "33840-0", "13599-6", "783-1", "749-2", "740-1", "764-1"}
    | {"769-0", "737-7", "744-3", "714-6", "707-0", "18309-5"}
)
"""LOINC codes whose method is a person counting cell by cell."""


@dataclass(frozen=True)
class Codes:
    """Of one specimen and scheme."""

    report: str | None
    """LOINC code of the report and its differential."""
    results: dict[str, str]
    """LOINC code by result: ``blast_percent``, and ``n_<class>``; others have none."""
    fhir_system: str
    """What names bloodcell's own codes in FHIR: a URI."""
    hl7_system: str
    """The same in HL7 v2."""


def read_codes(path: Path, specimen: Specimen, scheme: Scheme) -> Codes:
    """Read a map; InputError naming the entry that is not what is expected."""
    table = read_toml(path, InputError)
    try:
        of_specimen, local = table[specimen], table["local"]
        classes = _classes(path, of_specimen["classes"], scheme)
        share = of_specimen.get("blast_percent")
        codes = Codes(
            report=of_specimen.get("report"),
            results=classes | ({"blast_percent": share} if share else {}),
            fhir_system=str(local["fhir_system"]),
            hl7_system=str(local["hl7_system"]),
        )
    except (KeyError, AttributeError, TypeError) as wrong:
        raise InputError(
            f"{path} lacks or has a wrong entry: {wrong}. It needs [local], [{specimen}] and "
            f"[{specimen}.classes] as in {SHIPPED}"
        ) from wrong
    _check_keys(path, "the top", table, {"local", *get_args(Specimen)})
    _check_keys(path, f"[{specimen}]", of_specimen, {"report", "blast_percent", "classes"})
    for code in (codes.report, *codes.results.values()):
        if code is not None:
            _check(path, code)
    return codes


def _classes(path: Path, table: dict[str, Any], scheme: Scheme) -> dict[str, Any]:
    """The entries ``scheme/class`` of one scheme, by result; InputError for a class it has not."""
    own = {
        name.removeprefix(f"{scheme.name}/"): code
        for name, code in table.items()
        if name.startswith(f"{scheme.name}/")
    }
    if unknown := sorted(own.keys() - set(scheme.codes)):
        raise InputError(f"{path}: {unknown} are no classes of {scheme.name}: {scheme.codes}")
    return {f"n_{name}": code for name, code in own.items()}


def _check_keys(path: Path, where: str, table: dict[str, Any], known: set[str]) -> None:
    """What is misspelt would be exported without its code, and nobody would be told."""
    if unknown := sorted(table.keys() - known):
        raise InputError(f"{path}: unknown entries {unknown} at {where}; known: {sorted(known)}")


def _check(path: Path, code: Any) -> None:
    if not isinstance(code, str) or not _is_loinc(code):
        raise InputError(f"{path}: {code!r} is no LOINC code (its check digit does not fit)")
    if code in _MANUAL_COUNTS:
        raise InputError(f"{path}: {code} is of a manual count, and nobody counted these cells")


def _is_loinc(code: str) -> bool:
    """Whether the check digit is that of the number before it (mod 10, as of credit cards)."""
    if not re.fullmatch(r"[1-9][0-9]{0,6}-[0-9]", code):
        return False
    digits = [int(digit) for digit in code.replace("-", "")]
    doubled = [digit * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(sum(divmod(number, 10)) for number in doubled) % 10 == 0
