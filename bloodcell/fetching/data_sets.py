"""The public data sets, as ``data_sets.toml`` or a user's copy of it describes them."""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bloodcell.errors import InputError
from bloodcell.toml import is_number, read_toml

SHIPPED = Path(__file__).parent / "data_sets.toml"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[\w-][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class DataFile:
    """One file of a data set; it has an ``address``, or words how it comes ``by_hand``."""

    name: str
    about_gb: float
    """What to expect, in 10^9 bytes."""
    address: str | None = None
    by_hand: str | None = None
    sha256: str | None = None
    """As its publisher states it; None if that is not known."""


@dataclass(frozen=True)
class DataSet:
    """A public data set and what its users must know."""

    name: str
    title: str
    page: str
    cite: str
    licence: str
    then: str
    """What to do with the files."""
    files: tuple[DataFile, ...]


def read_data_set(name: str, addresses: Path | None = None) -> DataSet:
    """The data set ``name`` of ``addresses``, by default of the list that comes with bloodcell.

    Raises InputError naming the file and its fault, or the sets that it knows.
    """
    path = addresses or SHIPPED
    table = read_toml(path, InputError)
    if name not in table:
        raise InputError(f"{path} has no data set {name!r}, but {', '.join(sorted(table))}")
    try:
        entry = dict(table[name])
        files = tuple(_file(one) for one in entry.pop("file"))
        return DataSet(name=name, files=files, **_texts(entry))
    except (KeyError, TypeError, ValueError) as fault:
        raise InputError(f"{path}, data set {name!r}: {_said(fault)}") from fault


def _texts(entry: dict[str, Any]) -> dict[str, str]:
    expected = {field.name for field in fields(DataSet)} - {"name", "files"}
    if entry.keys() != expected or not all(isinstance(text, str) for text in entry.values()):
        raise ValueError(f"{sorted(expected)} are expected as texts, it has {sorted(entry)}")
    return entry


def _file(entry: dict[str, Any]) -> DataFile:
    file = DataFile(**entry)
    if not _FILE_NAME.fullmatch(file.name):
        raise ValueError(f"{file.name!r} is no plain file name")
    if not (is_number(file.about_gb) and file.about_gb > 0):
        raise ValueError(f"about_gb of {file.name} is {file.about_gb!r}, not a size")
    if (file.address is None) == (file.by_hand is None):
        raise ValueError(f"{file.name} has either an address or by_hand")
    if file.address is not None and not file.address.startswith(("http://", "https://")):
        raise ValueError(f"the address of {file.name} begins with neither http:// nor https://")
    if file.sha256 is not None and not _SHA256.fullmatch(file.sha256):
        raise ValueError(f"sha256 of {file.name} is not 64 hexadecimal digits, in small letters")
    return file


def _said(fault: Exception) -> str:
    return f"it lacks {fault}" if isinstance(fault, KeyError) else str(fault)
