"""Writes the folder of a report, patient by patient."""

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jinja2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell.engine.names import bytes_of
from bloodcell.files import sync_folder, writing
from bloodcell.first_look import RESERVED
from bloodcell.manifest import root_of
from bloodcell.report.content import Content, page_name
from bloodcell.report.gallery import Cells, Survey, survey
from bloodcell.report.images import ImagePack
from bloodcell.report.pages import load_templates, write_assets, write_page
from bloodcell.report.reviews import Reviews
from bloodcell.review import CELLS_OF_A_ROUND
from bloodcell.review.plan import plan_review
from bloodcell.review.planned import plan_path, write_plan
from bloodcell.run import Run
from bloodcell.store import RunStore

_FOLDERS = ("assets", "images", "patients")
_PATIENTS_AT_ONCE = 64
_WRITERS = 16
"""Threads: most of their time they wait for the disk, which syncs many files as fast as one."""


def write_report(run: Run, changed: Collection[str] | None = None) -> None:
    """Write ``report/`` of ``run``, and the first plan of its review if there is none.

    ``changed``: the patients whose pages are others than before, by default all. Images that are
    there already are kept: they are those of the first time. Raises DiskError if the folder cannot
    be written, RunError if files of the run are lost or damaged.
    """
    folder = run.folder / "report"
    with writing(folder):
        for below in _FOLDERS:
            (folder / below).mkdir(parents=True, exist_ok=True)
    # Pages of another version, or of a report that was not finished, are all written anew.
    if write_assets(folder / "assets") or not (folder / "index.html").exists():
        changed = None
    if not plan_path(run).exists():
        write_plan(run, plan_review(run, CELLS_OF_A_ROUND))
        changed = None
    reviews, names = Reviews(run), run.patients["patient"].combine_chunks()
    chosen = survey(run, names, reviews.rows, changed)
    content, templates = Content(run, reviews, chosen), load_templates()
    places = range(len(names)) if changed is None else _places(names, changed)
    _write_patients(run, content, chosen, templates.get_template("patient.html.jinja"), places)
    page = templates.get_template("index.html.jinja")
    write_page(folder / "index.html", page, content.shared | content.overview())
    with writing(folder):
        for below in (*_FOLDERS, "."):
            sync_folder(folder / below)


def _places(names: pa.Array, patients: Collection[str]) -> list[int]:
    places: list[int] = pc.index_in(pa.array(sorted(patients)), value_set=names).to_pylist()
    return places


def _write_patients(
    run: Run,
    content: Content,
    chosen: Survey,
    template: jinja2.Template,
    places: Sequence[int],
) -> None:
    folder = run.folder / "report"
    root = images_root(run)

    def write(place: int, cells: pa.Table) -> None:
        rows = chosen.of(place)
        paths = dict(zip(cells["row"].to_pylist(), cells["path"].to_pylist(), strict=True))
        scored = rows["row"][rows["class_index"] < len(content.scheme.codes)]
        pack = ImagePack(folder / "images" / f"{page_name(place)}.js", run.record.manifest_sha256)
        pack.write(root, cells.filter(np.isin(cells["row"].to_numpy(), scored)))
        page = folder / "patients" / f"{page_name(place)}.html"
        write_page(page, template, content.shared | content.patient(place, paths))

    with ThreadPoolExecutor(_WRITERS) as pool:
        for first in range(0, len(places), _PATIENTS_AT_ONCE):
            some = places[first : first + _PATIENTS_AT_ONCE]
            cells = cells_of(run, np.concatenate([chosen.of(place)["row"] for place in some]))
            # A list, so that what a thread raises is raised here.
            list(pool.map(write, some, [_of(cells, chosen.of(place)) for place in some]))


def images_root(run: Run) -> Path:
    """Where the paths of its cells start."""
    return root_of(Path(os.fsdecode(bytes_of(run.record.job.input))))


def _of(cells: pa.Table, rows: Cells) -> pa.Table:
    return cells.filter(np.isin(cells["row"].to_numpy(), rows["row"]))


def cells_of(run: Run, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Where the images of ``rows`` are and what they were, as ``images_of`` takes them."""
    store = RunStore(run.folder)
    parts = np.unique(rows // run.record.job.rows_per_part).tolist()
    tables = [_with_digests(store, part) for part in parts]
    needed = [name for name in ("path", "digest", *RESERVED) if name in tables[0].column_names]
    return pa.concat_tables(
        table.select(needed).filter(pc.is_in(table["row"], value_set=pa.array(rows)))
        for table in tables
    )


def _with_digests(store: RunStore, part: int) -> pa.Table:
    digests = store.read_columns(part, ["digest"])["digest"]
    return store.rows_of(part).append_column("digest", digests)
