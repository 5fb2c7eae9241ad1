"""Writes drawn patients as a folder that can be scored."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bloodcell.errors import InputError
from bloodcell.files import writing
from bloodcell.phantom.encode import suffix
from bloodcell.phantom.plan import Cell, Patient, Plan

_README = """\
The images in this folder are drawn by a program. They show no real cells and no real patients.

They were written by `bloodcell phantom` (seed {seed}) for demos, tests and load. Whatever is
measured on them says nothing about how well real cells are recognised. Do not show them as real.

labels.csv names the class that each image was drawn as. The same seed gives the same files.
{reuse}"""
_REUSED = """
For load, no more than {distinct} images were drawn and used again and again{linked}.
"""
_LINKED = """; such files
are hard links to one another: a change to one of them changes all"""


@dataclass(frozen=True)
class PhantomSummary:
    """What was written."""

    out: Path
    patients: int
    cells: int
    """Of all patients together."""
    drawn: int
    """Images drawn and encoded; fewer than ``cells`` when drawings were used again."""
    image_bytes: int
    """Sizes of all image files together, as if none were linked."""
    classes: Mapping[str, int]
    """Number of cells of each class that occurs."""


def write_phantoms(
    out: Path,
    *,
    patients: int,
    cells: int,
    image_format: str = "jpeg",
    seed: int = 1,
    blast_share: float | Sequence[float] | None = None,
    distinct: int | None = None,
    link: bool = False,
    progress: Callable[[int], None] | None = None,
) -> PhantomSummary:
    """Draw patients and write them: a folder each, labels.csv, README.txt.

    Args:
        out: A folder that is new or empty.
        patients: Number of patients.
        cells: Number of cells of each patient.
        image_format: jpeg, tiff, png, bmp, or mixed: every variant within each patient.
        seed: The same seed gives the same bytes, file by file.
        blast_share: Expected share of blasts, 0 to 1, one for all or one for each patient in
            turn; None gives some patients 0, some 5, 12, 30 and 60 percent.
        distinct: For load: draw no more images than this, but at least one a class in each variant
            of the format, and use them again in every patient; None draws each cell anew.
        link: Make files with the same bytes hard links to one another, where the file system
            can: no space is used, but a change to one changes all.
        progress: Called after each patient with the number of cells written since the last call.

    Raises:
        InputError: ``out`` is in use, or an option is out of range.
        DiskError: ``out`` cannot be written.
    """
    plan = Plan(patients, cells, image_format, seed, blast_share, distinct)
    out = Path(out)
    writer = _Writer(out, link)
    with writing(out):
        _make_folder(out)
        (out / "README.txt").write_text(_readme(plan, link), encoding="utf-8")
        with (out / "labels.csv").open("w", newline="", encoding="utf-8") as labels:
            rows = csv.writer(labels, lineterminator="\n")
            rows.writerow(["path", "patient", "class"])
            for index in range(patients):
                rows.writerows(writer.write(plan.patient(index)))
                if progress is not None:
                    progress(cells)
    return PhantomSummary(
        out, patients, patients * cells, writer.drawn, writer.image_bytes, dict(writer.classes)
    )


def _make_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder that is new or empty")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; name a new folder, or delete this one first")
    out.mkdir(parents=True, exist_ok=True)


def _readme(plan: Plan, link: bool) -> str:
    reuse = ""
    if plan.distinct is not None:
        drawn = max(plan.distinct, plan.kinds)
        reuse = _REUSED.format(distinct=drawn, linked=_LINKED if link else "")
    return _README.format(seed=plan.seed, reuse=reuse)


@dataclass
class _Writer:
    """Writes patients one after the other; memory does not grow with their number."""

    out: Path
    link: bool
    drawn: int = 0
    image_bytes: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    _first: dict[tuple[int, int, str], tuple[Path, int]] = field(default_factory=dict)
    """Where the bytes of a drawing that is used again were first written, and how many."""

    def write(self, patient: Patient) -> list[tuple[str, str, str]]:
        """Write one patient's files; returns its rows of labels.csv."""
        folder = self.out / patient.name
        folder.mkdir()
        rows = []
        for index in range(patient.plan.cells):
            cell = patient.cell(index)
            path = folder / f"cell_{index:05d}{suffix(cell.variant)}"
            self.image_bytes += self._write_cell(cell, path)
            self.classes[cell.cell_class] += 1
            rows.append((f"{patient.name}/{path.name}", patient.name, cell.cell_class))
        return rows

    def _write_cell(self, cell: Cell, path: Path) -> int:
        """Write one file and return its size in bytes."""
        if cell.reused_as in self._first:
            first, size = self._first[cell.reused_as]
            self._repeat(first, path)
            return size
        encoded = cell.encoded()
        path.write_bytes(encoded)
        self.drawn += 1
        if cell.reused_as is not None:
            self._first[cell.reused_as] = path, len(encoded)
        return len(encoded)

    def _repeat(self, first: Path, path: Path) -> None:
        if self.link:
            # There may be no links here, or as many to this file as the file system allows.
            with suppress(OSError):
                os.link(first, path)
        if not path.exists():
            shutil.copyfile(first, path)
