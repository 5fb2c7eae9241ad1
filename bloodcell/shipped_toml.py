"""TOML files of which some come with bloodcell, read by name or path and held to what they must be.

Needs pydantic, which training and importing bring.
"""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from bloodcell.errors import InputError
from bloodcell.toml import read_toml

Content = TypeVar("Content")


def shipped_names(folder: Path) -> list[str]:
    """Names of the files in ``folder``, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read_shipped(
    what: str, folder: Path, name_or_file: str | Path, content: type[Content]
) -> tuple[Path, Content]:
    """The file that is meant, one of ``folder`` or the user's, and what it holds.

    ``what`` it is, for messages. Raises InputError naming the file and every entry that is missing,
    unknown or out of range.
    """
    path, names = Path(name_or_file), shipped_names(folder)
    if str(name_or_file) in names:
        path = folder / f"{name_or_file}.toml"
    elif not path.is_file():
        raise InputError(
            f"unknown {what} {str(name_or_file)!r}: neither a file nor one of {', '.join(names)}"
        )
    table = read_toml(path, InputError)
    try:
        return path, TypeAdapter(content).validate_python(table)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise InputError(f"{path}: {'; '.join(faults)}") from None
