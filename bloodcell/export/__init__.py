"""A run's results for other programs, in their formats.

``results.py`` is what each patient's results are, ``fhir.py`` and ``hl7.py`` write them a file a
patient, with codes of ``codes.py``; ``tables.py`` is the table that CSV and ``xlsx.py`` hold.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias

from bloodcell.errors import InputError
from bloodcell.export import fhir, hl7, xlsx
from bloodcell.export.codes import SHIPPED, read_codes
from bloodcell.export.results import results_of
from bloodcell.export.tables import exported_patients
from bloodcell.files import path_beside, write_whole, writing
from bloodcell.paths import readable_name
from bloodcell.patients import as_csv
from bloodcell.run import Run

Format: TypeAlias = Literal["fhir", "hl7", "csv", "xlsx"]

_A_FILE_A_PATIENT = {"fhir": fhir, "hl7": hl7}


def export(run: Run, to: Format, out: Path | None = None, loinc: Path | None = None) -> Path:
    """Write the results of all patients of ``run``; returns the file or folder.

    ``out`` None: below ``RUN/export``, in place of what an earlier export left there. ``loinc``: a
    map of codes in place of the shipped one.

    Raises InputError if ``out`` exists or the map is none, RunError if the run's tables or
    parts are gone or damaged, DiskError if the disk refuses; nothing is left half written.
    """
    run.refuse_if_not_whole()
    if out is not None and out.exists():
        raise InputError(f"{out} exists: --out names what is to be made")
    codes = read_codes(loinc or SHIPPED, run.record.job.profile, run.scheme)
    target = out or run.folder / "export" / (to if to in _A_FILE_A_PATIENT else f"patients.{to}")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    if to in _A_FILE_A_PATIENT:
        module = _A_FILE_A_PATIENT[to]
        files = ((one.patient, module.content(run, codes, one)) for one in results_of(run))
        _write_folder(target, module.SUFFIX, files)
    else:
        content = xlsx.content(run) if to == "xlsx" else as_csv(exported_patients(run))
        write_whole(target, lambda path: path.write_bytes(content))
    return target


def _write_folder(target: Path, suffix: str, files: Iterable[tuple[str, bytes]]) -> None:
    """A file for each name and content, in a folder that is there whole or not at all."""
    beside, before = path_beside(target), path_beside(target)
    try:
        with writing(target):
            beside.mkdir()
            for number, (name, content) in enumerate(files, start=1):
                # The number tells apart what is alike once a file may be called so.
                (beside / f"{number:05d}-{readable_name(name)}{suffix}").write_bytes(content)
            if target.exists():
                target.rename(before)
            try:
                beside.rename(target)
            except OSError:
                if before.exists():
                    before.rename(target)
                raise
    finally:
        for left in (beside, before):
            shutil.rmtree(left, ignore_errors=True)
