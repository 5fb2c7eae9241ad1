"""What the paths that a user gives must lead to; light, so that a slip is answered at once."""

import errno
import os
import re
from pathlib import Path

from bloodcell.errors import IS_EMPTY, InputError, ModelError, RunError

DEFAULT_MODEL = "jhu18-differential-160"

_MODELS = Path(__file__).parent / "models"

_LEADS_NOWHERE = (errno.ENOENT, errno.ENOTDIR)
_LONGEST_SHOWN = 100


def check_paths(source: Path | None, out: Path, model: str | Path | None) -> None:
    """What ``score`` is given, before anything is read; InputError, RunError or ModelError.

    ``source``: None where it is in no file system.
    """
    if source is not None:
        refuse_unusable(source)
    if source is not None and not source.exists():
        raise InputError(f"{source} does not exist: a folder, .tar, .csv or .parquet is expected")
    model_folder(model)
    check_out(out)
    if source is None:
        return
    inside, outside = out.resolve(), source.resolve()
    if source.is_dir() and inside.is_relative_to(outside):
        raise InputError(
            f"the run folder {out} lies inside the input {source}: its files would be taken for "
            "cells. Choose an --out elsewhere"
        )
    if outside.is_relative_to(inside):
        raise InputError(
            f"the input {source} lies inside the run folder {out}: choose another --out"
        )


def refuse_unusable(path: Path) -> None:
    """InputError for a path that the system refuses to look up; one may be there or not."""
    try:
        path.stat()
    except ValueError as error:  # a NUL, or what no file system's alphabet has
        raise InputError(f"{str(path)[:_LONGEST_SHOWN]!r} is no path: {error}") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(
                f"{path} goes by a link that leads to itself: remove that link, or give another "
                "path"
            ) from error
        if error.errno not in _LEADS_NOWHERE:
            name = str(path)
            shown = name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..."
            raise InputError(
                f"cannot look up {shown} ({len(os.fsencode(name))} bytes): {error.strerror}"
            ) from error


def check_out(out: Path) -> None:
    """RunError or InputError if ``out`` cannot be a run folder."""
    refuse_unusable(out)
    for place in (out, *out.parents):
        if place.exists() and not place.is_dir():
            raise RunError(f"{place} is a file: --out names a folder")
        if place.is_symlink() and not place.exists():
            raise InputError(
                f"{place} is a link that leads nowhere, to {place.readlink()}: make that folder, "
                "or choose another --out"
            )
    name = os.fsencode(out.resolve())
    try:
        name.decode()
    except UnicodeDecodeError as error:  # Arrow takes no such path
        raise InputError(
            f"the run folder {str(name)[2:-1]} has a name that is not UTF-8: choose another --out"
        ) from error


def model_name_of(out: Path) -> str:
    """What the model that is written to ``out`` is called; InputError if no model can be."""
    name = out.resolve().name
    if not name.isprintable() or not name:
        raise InputError(
            f"{str(out)!r} names the model {name!r}: printable signs are expected, choose another "
            "--out"
        )
    return name


def check_run(folder: Path) -> None:
    """RunError if ``folder`` holds no run."""
    if not (folder / "run.json").is_file():
        raise RunError(f"{folder} is not a run folder: it has no run.json")


def check_labels(labels_csv: Path) -> None:
    """InputError if there is no such file."""
    _check_file("labels", labels_csv)


def check_answers(path: Path) -> None:
    """InputError if there is no such file."""
    _check_file("answers", path)


def _check_file(what: str, path: Path) -> None:
    if path.is_dir():
        raise InputError(f"cannot read {what} {path}: it is a folder")
    if not path.exists():
        raise InputError(f"cannot read {what} {path}: there is no such file")
    if not path.is_file():
        raise InputError(f"cannot read {what} {path}: it is a pipe or device, not a file")


def check_data(folder: Path) -> None:
    """InputError if there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist: a folder with labelled cells is expected")


def model_names() -> list[str]:
    """Names of the models that come with bloodcell, sorted."""
    return sorted(path.parent.name for path in _MODELS.glob("*/card.toml"))


def model_folder(name_or_folder: str | Path | None) -> Path:
    """Where a model is, None being the default one.

    ModelError if it is unknown, InputError for what is no path.
    """
    if name_or_folder is None:
        return _MODELS / DEFAULT_MODEL
    if name_or_folder == "":
        raise InputError(f"the model's name {IS_EMPTY}")
    if str(name_or_folder) in model_names():
        return _MODELS / str(name_or_folder)
    folder = Path(name_or_folder)
    refuse_unusable(folder)
    if not folder.is_dir():
        raise ModelError(
            f"unknown model {str(name_or_folder)!r}: neither a folder nor one of "
            f"{', '.join(model_names()) or 'no shipped models'}"
        )
    return folder


def readable_name(name: str) -> str:
    """What a patient or a reviewer is called as part of a file's name; two may share one."""
    return re.sub(r"[^\w.-]+", "_", name)[:48]
