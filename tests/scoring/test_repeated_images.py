"""The same image twice in a run: of two patients, as of a mislabelled slide, or of one."""

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from helpers.tiny_model import write_tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from bloodcell import repeated_images as module
from bloodcell.cli import main
from bloodcell.digests import digest_column
from bloodcell.parts import part_content
from bloodcell.repeated_images import repeated_images, told
from bloodcell.run_record import Repeat, RepeatedImages, Repeats
from bloodcell.store import RunStore
from bloodcell.verification import verify

ROWS_PER_PART = 4


@pytest.fixture
def mislabelled(smears: Path, tmp_path: Path) -> Path:
    """The drawn smears; the third patient has two images of the second, who has one twice."""
    folder = shutil.copytree(smears, tmp_path / "mislabelled")
    second, third = folder / "phantom-001", folder / "phantom-002"
    one, other, *_ = sorted(second.iterdir())
    shutil.copy(one, third / f"a{one.suffix}")
    shutil.copy(other, third / f"b{other.suffix}")
    shutil.copy(one, second / f"again{one.suffix}")
    for patient in (second, third):
        (patient / "notes.txt").write_text("stained by hand, as all of them")
    return folder


def test_both_patients_are_named_on_the_terminal_in_run_json_and_on_the_report(
    mislabelled: Path, tmp_path: Path
) -> None:
    model = write_tiny_model(tmp_path / "model", "pbc8")
    options = ["--model", str(model), "--backend", "onnxruntime", "--max-reject-rate", "1"]
    command = ["score", str(mislabelled), "--out", str(tmp_path / "run"), *options]
    lines = set()
    for _ in range(2):  # a run that is done says it as well
        done = CliRunner().invoke(main, [*command, "-q"])
        assert done.exit_code == 0
        lines.add(done.stderr)
    (said,) = lines
    assert "2 cells show the very image of a cell of another patient" in said
    assert "patient phantom-002 has 2 of patient phantom-001 (phantom-002/a" in said
    assert "1 cell shows the very image of another cell of the same patient" in said
    about = json.loads((tmp_path / "run" / "run.json").read_text())["repeated_images"]
    (between,) = about["between_patients"]["examples"]
    assert (between["patient"], between["first_patient"]) == ("phantom-002", "phantom-001")
    assert about["within_patients"]["cells"] == 1
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "patient phantom-002 has 2 of patient phantom-001" in page


def test_a_run_json_that_hides_a_repeat_is_noticed(mislabelled: Path, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model", "pbc8")
    options = ["--model", str(model), "--backend", "onnxruntime"]
    CliRunner().invoke(main, ["score", str(mislabelled), "--out", str(tmp_path / "run"), *options])
    path = tmp_path / "run" / "run.json"
    about = json.loads(path.read_text())
    del about["repeated_images"]
    path.write_text(json.dumps(about))
    assert [one.what for one in verify(tmp_path / "run") if not one.good] == ["repeated images"]


Cell = tuple[str, int, int, bool]
"""Patient, first and second half of the digest, whether it was scored."""


def store_of(cells: list[Cell], folder: Path) -> RunStore:
    store = RunStore(folder)
    patients, first, second, scored = map(list, zip(*cells, strict=True))
    digests = np.array([first, second], np.uint64).T.copy().view(np.uint8)
    table = pa.table(
        {
            "row": pa.array(range(len(cells)), pa.int64()),
            "patient": patients,
            "path": [f"image-{row}" for row in range(len(cells))],
            "status": ["scored" if one else "rejected" for one in scored],
            "digest": digest_column(digests),
        }
    )
    pq.write_table(table, store.manifest_path, row_group_size=ROWS_PER_PART)
    (folder / "cells").mkdir()
    for part in range(-(-len(cells) // ROWS_PER_PART)):
        rows = table.slice(part * ROWS_PER_PART, ROWS_PER_PART)
        store.write_part(part, part_content(rows))
    return store


def by_pairs(cells: list[Cell]) -> Counter[tuple[str, str]]:
    """How many cells of the second patient repeat one of the first, counted one by one."""
    first: dict[tuple[int, int], str] = {}
    pairs: Counter[tuple[str, str]] = Counter()
    for patient, one, other, scored in cells:
        if scored and (one, other) in first:
            pairs[first[one, other], patient] += 1
        elif scored:
            first[one, other] = patient
    return pairs


HALVES = st.integers(1, 3)
CELLS = st.lists(st.tuples(st.sampled_from("cab"), HALVES, st.just(7), st.booleans()), min_size=1)


@settings(max_examples=50, deadline=None)
@given(cells=CELLS)
def test_repeats_are_those_that_one_counts_cell_by_cell(cells: list[Cell]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        patients = pa.array(sorted({cell[0] for cell in cells}))
        repeated = repeated_images(store_of(cells, Path(folder)), patients)
    pairs = by_pairs(cells)
    if repeated is None:
        assert not pairs
        return
    kinds = (repeated.between_patients, repeated.within_patients)
    assert sum(kind.cells for kind in kinds) == pairs.total()
    examples = [one for kind in kinds for one in kind.examples]
    assert {(one.first_patient, one.patient): one.cells for one in examples} == pairs
    for one in examples:
        row, first = (int(path.removeprefix("image-")) for path in (one.path, one.first_path))
        assert cells[row][1:3] == cells[first][1:3]
        assert (cells[first][0], cells[row][0]) == (one.first_patient, one.patient)


def test_images_whose_digests_only_begin_alike_are_different(tmp_path: Path) -> None:
    cells = [("a", 5, 1, True), ("b", 5, 2, True), ("c", 6, 1, True)]
    assert repeated_images(store_of(cells, tmp_path), pa.array(["a", "b", "c"])) is None


def test_what_is_named_is_bounded_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_NAMED", 3)
    names = [f"p{number}" for number in range(9)]
    cells = [(name, 5, 5, True) for name in names]
    repeated = repeated_images(store_of(cells, tmp_path), pa.array(names))
    assert repeated is not None
    assert repeated.between_patients.cells == 8
    assert [one.patient for one in repeated.between_patients.examples] == ["p1", "p2", "p3"]
    (said,) = told(repeated, most=2)
    assert said.endswith(
        "p2 has 1 of patient p0 (image-2 is image-0); 6 more in run.json and cells/"
    )


def test_nothing_is_told_of_nothing() -> None:
    assert list(told(None, most=1)) == []
    example = Repeat("a", "a/2", 1, "a", "a/1")
    (said,) = told(RepeatedImages(Repeats(0, ()), Repeats(1, (example,))), most=1)
    assert said.endswith("patient a has 1 of its own (a/2 is a/1)")
