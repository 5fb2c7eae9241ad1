"""A workbook: a sheet of patients, and one that says what run and model they are of."""

import io
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from bloodcell.errors import RunError
from bloodcell.export.results import RESEARCH_USE
from bloodcell.export.tables import exported_patients
from bloodcell.run import Run

_WIDEST_PX = 400
"""Of a column; longer texts run on."""


def content(run: Run) -> bytes:
    """The file, in which numbers are numbers and no text is computed.

    RunError if there is more than a workbook holds.
    """
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        heading = workbook.add_format({"bold": True})
        # The spreadsheet's own mark for a text that stays one, also when its cell is edited.
        text = workbook.add_format({"quote_prefix": True})
        table = exported_patients(run)
        sheet = workbook.add_worksheet("patients")
        _write_row(sheet, 0, table.column_names, heading)
        for number, row in enumerate(table.to_pylist(), start=1):
            _write_row(sheet, number, list(row.values()), text)
        sheet.freeze_panes(1, 1)
        sheet.autofit(_WIDEST_PX)
        about = workbook.add_worksheet("about")
        for number, row in enumerate(_about(run).items()):
            _write_row(about, number, list(row), text)
        about.autofit()
    return file.getvalue()


def _write_row(sheet: Worksheet, row: int, values: list[Any], text: Format) -> None:
    for column, value in enumerate(values):
        status = 0
        if isinstance(value, str):
            status = sheet.write_string(row, column, value, text)
        elif isinstance(value, bool):
            status = sheet.write_boolean(row, column, value)
        elif value is not None:
            status = sheet.write_number(row, column, value)
        if status:
            raise RunError(
                f"row {row + 1} has a text too long for a workbook, or is one row too many: "
                "export as csv"
            )


def _about(run: Run) -> dict[str, str]:
    job = run.record.job
    return {
        "use": RESEARCH_USE,
        "model": f"{job.model} {job.model_version}",
        "model SHA-256": job.model_sha256,
        "model card SHA-256": job.card_sha256,
        "scheme": run.record.scheme,
        "profile": job.profile,
        "blast equivalents": job.blast_equivalents,
        "backend": f"{job.backend} on {job.device}",
        "scored": str(run.record.finished),
        **job.versions,
    }
