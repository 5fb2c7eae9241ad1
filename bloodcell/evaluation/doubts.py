"""Labels that a run contradicts, listed and shown, for a reader to settle."""

import base64
from collections.abc import Mapping
from pathlib import Path

import jinja2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell.errors import InputError
from bloodcell.evaluation.join import AS_THEY_ARE, labels_by_row
from bloodcell.files import write_whole, writing
from bloodcell.label_doubts import label_doubts
from bloodcell.patients import as_csv
from bloodcell.report.images import images_of
from bloodcell.report.packs import cells_of, images_root
from bloodcell.run import Run

COLUMNS = ("path", "patient", "label", "called", "doubt", "label_probability", "called_probability")

_SHOWN = 200


def write_doubts(
    run: Run, labels_csv: Path, label_map: Mapping[str, str] = AS_THEY_ARE
) -> pa.Table:
    """Write ``doubts.csv`` and ``doubts.html`` to ``evaluation/`` of ``run``; returns the table.

    One row a label that is doubted (see ``label_doubts``), the most doubted first, in ``COLUMNS``;
    the page shows the first 200 cells, as far as their images are what was scored. The labels are
    to be none the network learnt from. Raises InputError if labels and run do not match or the
    labels are of another scheme, DiskError if the folder cannot be written.
    """
    table = _doubted(run, labels_csv, label_map)
    folder = run.folder / "evaluation"
    with writing(folder):
        folder.mkdir(exist_ok=True)
    listed = table.select(COLUMNS)
    write_whole(folder / "doubts.csv", lambda path: path.write_bytes(as_csv(listed)))
    page = _page(run, table.slice(0, _SHOWN), table.num_rows)
    write_whole(folder / "doubts.html", lambda path: path.write_text(page, "utf-8"))
    return listed


def _doubted(run: Run, labels_csv: Path, label_map: Mapping[str, str]) -> pa.Table:
    scheme = run.scheme
    truth = labels_by_row(run, labels_csv, label_map)
    if unknown := sorted(set(truth.values()) - set(scheme.codes)):
        raise InputError(
            f"{labels_csv} has the classes {unknown}, which the run's scheme {scheme.name!r} does "
            "not know: doubts need labels of that scheme"
        )
    cells = run.cells(["row", "path", "patient", "class", "probabilities"])
    scored = [row for row in sorted(truth) if cells["class"][row].is_valid]
    cells = cells.take(pa.array(scored, pa.int64()))
    chances = cells["probabilities"].combine_chunks().flatten().to_numpy()
    probabilities = chances.reshape(-1, len(scheme.codes)).astype(np.float64)
    label = np.array([scheme.codes.index(truth[row]) for row in scored], np.int64)
    doubts = label_doubts(probabilities, np.eye(len(scheme.codes), dtype=bool)[label])
    table = pa.table(
        {
            "row": cells["row"],
            "path": cells["path"],
            "patient": cells["patient"],
            "label": np.array(scheme.codes)[label],
            "called": cells["class"],
            "doubt": doubts.doubt.round(4),
            "label_probability": probabilities[np.arange(len(label)), label].round(4),
            "called_probability": probabilities.max(axis=1).round(4),
        }
    )
    return table.filter(doubts.is_doubted).sort_by([("doubt", "descending"), ("row", "ascending")])


def _page(run: Run, shown: pa.Table, doubted: int) -> str:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = Path(__file__).with_name("doubts.html.jinja").read_text("utf-8")
    pictures = _pictures(run, shown["row"].to_numpy()) if shown.num_rows else {}
    cells = [row | {"picture": pictures.get(row["row"])} for row in shown.to_pylist()]
    return environment.from_string(text).render(cells=cells, doubted=doubted, run=run.folder.name)


def _pictures(run: Run, rows: npt.NDArray[np.int64]) -> dict[int, str]:
    images = images_of(images_root(run), cells_of(run, rows))
    return {
        row: f"data:image/{kind.decode()};base64,{base64.b64encode(content).decode()}"
        for row, kind, content in images
    }
