"""The report for people: one page of plain HTML, rendered from the run's own tables."""

from pathlib import Path
from typing import Any

import jinja2

from bloodcell.files import write_whole
from bloodcell.run import Run
from bloodcell.scheme import Scheme, load_scheme


def write_report(run: Run) -> None:
    """Write ``report/index.html`` of ``run``; RunError if it cannot be written."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = Path(__file__).with_name("index.html.jinja").read_text("utf-8")
    page = environment.from_string(text).render(_content(run))
    folder = run.folder / "report"
    folder.mkdir(exist_ok=True)
    write_whole(folder / "index.html", lambda path: path.write_text(page, "utf-8"))


def _content(run: Run) -> dict[str, Any]:
    scheme = load_scheme(run.about["scheme"])
    return {
        "about": run.about,
        "patients": [_row(patient, scheme) for patient in run.patients.to_pylist()],
        "leukocytes": [c for c in scheme.classes if c.role in ("blast", "leukocyte")],
        "outside": [c for c in scheme.classes if c.role not in ("blast", "leukocyte")],
    }


def _row(patient: dict[str, Any], scheme: Scheme) -> dict[str, Any]:
    return patient | {"counts": {code: patient[f"n_{code}"] for code in scheme.codes}}
