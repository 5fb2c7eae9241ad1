"""Which images each patient's page has, and their files: what of a report costs most."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bloodcell.engine.object_store import Place, place_of_name
from bloodcell.input.first_look import RESERVED
from bloodcell.input.manifest import root_of
from bloodcell.report.gallery import Cells
from bloodcell.report.images import ImagePack
from bloodcell.run import Run
from bloodcell.store import RunStore


def page_name(place: int) -> str:
    """How files of the patient at ``place`` are called: by number, for a name may be anything."""
    return f"{place + 1:05d}"


def write_pack(run: Run, place: int, shown: Cells, cells: pa.Table) -> None:
    """Write the images of the patient at ``place`` of the run, or keep what is there.

    ``shown``: what the page shows, rejected cells too; ``cells``: of these, see ``cells_of``.
    """
    scored = shown["row"][shown["reason"] == 0]
    path = run.folder / "report" / "images" / f"{page_name(place)}.js"
    pack = ImagePack(path, run.record.manifest_sha256)
    pack.write(images_root(run), cells.filter(np.isin(cells["row"].to_numpy(), scored)))


def images_root(run: Run) -> Place:
    """Where the paths of its cells start."""
    return root_of(place_of_name(run.record.job.input))


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


def of_rows(cells: pa.Table, shown: Cells) -> pa.Table:
    """Those of ``cells`` that a patient's page shows."""
    return cells.filter(np.isin(cells["row"].to_numpy(), shown["row"]))


def _with_digests(store: RunStore, part: int) -> pa.Table:
    digests = store.read_columns(part, ["digest"])["digest"]
    return store.rows_of(part).append_column("digest", digests)
