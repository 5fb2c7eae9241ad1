"""The Ray Data transform gives each image what a run gives it."""

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import bloodcell
from bloodcell.ray import score_dataset
from bloodcell.ray.library import connected

COLUMNS = ["status", "reason", "class", "blast_probability", "probabilities", "digest", "stained"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.usefixtures("nodes")
def test_each_image_gets_what_a_run_gives_it_and_keeps_its_columns(
    smears: Path, run: bloodcell.Run
) -> None:
    cells = run.cells(["path", *COLUMNS]).slice(10, 40)
    paths = cells["path"].to_pylist()
    content = [(smears / path).read_bytes() for path in paths]
    content[3] = b"no image"
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with connected("ray", None) as ray:
        ray.data.DataContext.get_current().enable_progress_bars = False
        table = pa.table({"image": content, "path": paths, "own": range(40)})
        given = ray.data.from_arrow([table.slice(0, 25), table.slice(25)])
        with pytest.raises(bloodcell.InputError, match="no column 'bytes', it has image, path"):
            score_dataset(given)
        with pytest.raises(bloodcell.InputError, match="a column 'status' already"):
            score_dataset(ray.data.from_arrow(pa.table({"bytes": content, "status": paths})))
        scored = score_dataset(given, column="image", batch_size=16, concurrency=2)
        table = pa.Table.from_batches(
            [batch for one in ray.get(scored.to_arrow_refs()) for batch in one.to_batches()]
        ).sort_by("own")
    assert table.column_names == ["image", "path", "own", *COLUMNS]
    assert table["reason"][3].as_py() == "not_an_image"
    others = pc.not_equal(table["own"], 3)
    assert table.filter(others).select(COLUMNS).to_pylist() == (
        cells.filter(others).select(COLUMNS).to_pylist()
    )
    assert table["path"].to_pylist() == paths
