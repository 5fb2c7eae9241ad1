"""Writes the folder of a report, patient by patient."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell.files import sync_folder, writing
from bloodcell.report.ahead import Prepared
from bloodcell.report.content import Content
from bloodcell.report.drafts import AtTheEnd, Drafts
from bloodcell.report.gallery import Survey, survey
from bloodcell.report.packs import cells_of, of_rows, page_name, write_pack
from bloodcell.report.pages import (
    overview_page,
    patient_page,
    repeated_section,
    standing_script,
    write_assets,
    write_page,
)
from bloodcell.report.reviews import Reviews, reviews_of
from bloodcell.review import CELLS_OF_A_ROUND
from bloodcell.review.plan import plan_review
from bloodcell.review.planned import plan_path, write_plan
from bloodcell.run import Run

_FOLDERS = ("assets", "images", "patients")
_PATIENTS_AT_ONCE = 64
_WRITERS = 16
"""Threads: most of their time they wait for the disk, which syncs many files as fast as one."""


def write_report(
    run: Run, changed: Collection[str] | None = None, prepared: Prepared | None = None
) -> None:
    """Write ``report/`` of ``run``, and the first plan of its review if there is none.

    ``changed``: the patients whose pages are others than before, by default all. ``prepared``: what
    ``ReportAhead`` found of the run while it was scored. Images that are there already are kept:
    they are those of the first time. Raises DiskError if the folder cannot
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
        write_plan(run, prepared.plan if prepared else plan_review(run, CELLS_OF_A_ROUND))
        changed = None
    reviews, names = reviews_of(run), run.patients["patient"].combine_chunks()
    chosen = prepared.survey if prepared else survey(run, names, reviews.rows, changed)
    content = Content(run, reviews, chosen)
    if prepared:
        _write_drafted(run, reviews, prepared.drafts, names.to_pylist())
    else:
        places = range(len(names)) if changed is None else _places(names, changed)
        _write_patients(run, content, chosen, places)
    write_page(folder / "standing.js", standing_script(reviews))
    write_page(folder / "index.html", overview_page(content))
    with writing(folder):
        for below in (*_FOLDERS, "."):
            sync_folder(folder / below)


def _places(names: pa.Array, patients: Collection[str]) -> list[int]:
    places: list[int] = pc.index_in(pa.array(sorted(patients)), value_set=names).to_pylist()
    return places


def _page_path(run: Run, place: int) -> Path:
    return run.folder / "report" / "patients" / f"{page_name(place)}.html"


def _write_drafted(run: Run, reviews: Reviews, drafts: Drafts, names: Sequence[str]) -> None:
    finished, repeated = run.record.finished, run.record.repeated_images
    assert finished is not None

    def write(place: int) -> None:
        section = repeated_section(repeated, names[place])
        known = AtTheEnd(finished, reviews.run_identity, reviews.plan_identity, section)
        write_page(_page_path(run, place), drafts.page(place, known))

    with ThreadPoolExecutor(_WRITERS) as pool:
        # A list, so that what a thread raises is raised here.
        list(pool.map(write, range(len(names))))


def _write_patients(run: Run, content: Content, chosen: Survey, places: Sequence[int]) -> None:
    def write(place: int, cells: pa.Table) -> None:
        write_pack(run, place, chosen.of(place), cells)
        repeated = repeated_section(run.record.repeated_images, content.rows[place]["patient"])
        write_page(_page_path(run, place), patient_page(content, place, cells, repeated))

    with ThreadPoolExecutor(_WRITERS) as pool:
        for first in range(0, len(places), _PATIENTS_AT_ONCE):
            some = places[first : first + _PATIENTS_AT_ONCE]
            cells = cells_of(run, np.concatenate([chosen.of(place)["row"] for place in some]))
            list(pool.map(write, some, [of_rows(cells, chosen.of(place)) for place in some]))
