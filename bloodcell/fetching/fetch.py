"""A whole data set: what is there already, what is to come, and whether it is what it should be."""

import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from bloodcell.errors import DiskError, InputError
from bloodcell.fetching.data_sets import DataFile, DataSet
from bloodcell.fetching.download import Progress, download, forget_part, part_of
from bloodcell.files import sha256_of, write_whole, writing

SUMS = "SHA256SUMS"
"""Digests of the files of a folder, in the form that ``sha256sum -c`` takes."""
_GB = 10**9

State: TypeAlias = Literal["there", "to be fetched", "begun", "to be fetched by hand"]


@dataclass(frozen=True)
class Fetched:
    """A file of a data set, in a folder."""

    file: DataFile
    path: Path
    state: State
    sha256: str | None
    """What it is held against, or if it was held against nothing before, what it has."""
    known_by: str
    """Where that digest is from."""


def plan(data_set: DataSet, folder: Path) -> list[Fetched]:
    """What ``fetch`` would find and do; nothing is read but names, sizes and ``SHA256SUMS``."""
    sums = _read_sums(folder / SUMS)
    return [_fetched(file, folder, sums) for file in data_set.files]


def fetch(
    data_set: DataSet,
    folder: Path,
    progress: Callable[[str], Progress],
    stop: threading.Event,
) -> list[Fetched]:
    """Bring what is not there of ``data_set`` to ``folder``, and hold all against digests.

    Those that come by hand are left out, and said to be so in what is returned. A digest that
    nobody states is taken of the first file that comes and kept in ``SHA256SUMS``. ``progress``: of
    a file's name, what is told of it. Raises InputError for a file that is another than it should
    be, and whatever ``download`` raises.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for one in plan(data_set, folder):
        if one.file.address is not None and one.state != "there":
            _check_space(one, folder)
            part = download(one.file.address, one.path, progress(one.file.name), stop)
            _accept(part, one)
        elif one.state == "there":
            _hold(one, one.path, sha256_of(one.path))
    return plan(data_set, folder)


def _fetched(file: DataFile, folder: Path, sums: dict[str, str]) -> Fetched:
    path = folder / file.name
    if path.is_file():
        state: State = "there"
    elif file.address is None:
        state = "to be fetched by hand"
    else:
        state = "begun" if part_of(path).is_file() else "to be fetched"
    if file.sha256 is not None:
        return Fetched(file, path, state, file.sha256, "stated")
    if file.name in sums:
        return Fetched(file, path, state, sums[file.name], f"taken of the first one, {SUMS}")
    return Fetched(file, path, state, None, "unknown: taken of the first one that comes")


def _check_space(one: Fetched, folder: Path) -> None:
    begun = part_of(one.path).stat().st_size if one.state == "begun" else 0
    needed, free = int(one.file.about_gb * _GB) - begun, shutil.disk_usage(folder).free
    if free < needed:
        raise DiskError(
            f"{folder} has {free / _GB:.1f} GB free, {one.file.name} needs about "
            f"{needed / _GB:.1f}: free some, or choose another --to"
        )


def _accept(part: Path, one: Fetched) -> None:
    """Give a whole part its name, if it is the file that it should be."""
    digest = sha256_of(part)
    if one.sha256 not in (None, digest):
        refused = one.path.with_name(f"{one.path.name}.refused")
        part.replace(refused)
        forget_part(part)
        raise InputError(
            f"{one.file.address} is not the file that it should be: SHA-256 {digest}, "
            f"{one.sha256} is {one.known_by}. It lies in {refused}; fetch it again, and if it "
            "stays so, ask its publisher"
        )
    with writing(one.path):
        part.replace(one.path)
    forget_part(part)
    _hold(one, one.path, digest)


def _hold(one: Fetched, path: Path, digest: str) -> None:
    """Hold a file against its digest, or keep the digest if there is none."""
    if one.sha256 not in (None, digest):
        raise InputError(
            f"{path} is not the file that it should be: SHA-256 {digest}, {one.sha256} is "
            f"{one.known_by}. Remove it and fetch it again"
        )
    sums_path = path.with_name(SUMS)
    sums = _read_sums(sums_path) | {path.name: digest}
    text = "".join(f"{value}  {name}\n" for name, value in sorted(sums.items()))
    if not sums_path.is_file() or sums_path.read_text(encoding="utf-8") != text:
        write_whole(sums_path, lambda beside: beside.write_text(text, "utf-8"))


def _read_sums(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = re.findall(r"^([0-9a-f]{64})  (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: digest for digest, name in lines}
