"""The report for people: one page of plain HTML, rendered from the run's own tables."""

from pathlib import Path
from typing import Any

import jinja2

from bloodcell import repeated_images, unstained
from bloodcell.files import write_whole, writing
from bloodcell.report.readings import readings
from bloodcell.run import Run
from bloodcell.scheme import Scheme

_LEUKOCYTE = ("blast", "leukocyte")
_DENOMINATORS = {"blood": "leukocytes", "marrow": "nucleated cells, erythroid ones included"}


def write_report(run: Run) -> None:
    """Write ``report/index.html`` of ``run``; DiskError if it cannot be written."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = Path(__file__).with_name("index.html.jinja").read_text("utf-8")
    page = environment.from_string(text).render(_content(run))
    folder = run.folder / "report"
    with writing(folder):
        folder.mkdir(exist_ok=True)
    write_whole(folder / "index.html", lambda path: path.write_text(page, "utf-8"))


def _content(run: Run) -> dict[str, Any]:
    record, job = run.record, run.record.job
    scheme = run.scheme.counted_as(job.profile, job.blast_equivalents)
    return {
        "record": record,
        "counts": run.counts,
        "job": job,
        "patients": [_row(patient, scheme) for patient in run.patients.to_pylist()],
        "leukocytes": [c for c in scheme.classes if c.role in _LEUKOCYTE],
        "outside": [c for c in scheme.classes if c.role not in _LEUKOCYTE],
        "denominator": _DENOMINATORS[job.profile],
        "rests_on": None if record.why_not_adjusted else record.error_model,
        "bands": readings(job.profile),
        "repeated": [*repeated_images.told(record.repeated_images, most=100)],
        "unstained": [*unstained.told(record.unstained, most=100)],
    }


def _row(patient: dict[str, Any], scheme: Scheme) -> dict[str, Any]:
    counts = {code: patient[f"n_{code}"] for code in scheme.codes}
    leukocytes = sum(counts[c.code] for c in scheme.classes if c.role in _LEUKOCYTE)
    return patient | {"counts": counts, "leukocytes": leukocytes}
