"""Labels that a run contradicts: listed, shown and counted."""

import base64
import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import bloodcell
from bloodcell.errors import InputError
from bloodcell.evaluation.doubts import COLUMNS, write_doubts


@pytest.fixture
def own_run(run: bloodcell.Run, tmp_path: Path) -> bloodcell.Run:
    """A copy of the run, to write into."""
    shutil.copytree(run.folder, tmp_path / "run")
    return bloodcell.open_run(tmp_path / "run")


def surest(run: bloodcell.Run) -> int:
    """The cell that is most surely what it is called."""
    return int(np.argmax([max(cell) for cell in run.cells(["probabilities"])[0].to_pylist()]))


def labels_by_calls(run: bloodcell.Run, path: Path, wrong: int | None = None) -> Path:
    """Every cell labelled as it was called, but for one, which is called a frequent class."""
    cells = run.cells(["path", "class", "probabilities"]).to_pylist()
    rows = [[cell["path"], cell["class"]] for cell in cells]
    if wrong is not None:
        others = Counter(cell["class"] for cell in cells if cell["class"] != rows[wrong][1])
        rows[wrong][1] = others.most_common(1)[0][0]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["path", "class"], *rows])
    return path


def test_the_label_that_the_run_contradicts_is_listed_first_and_shown(
    own_run: bloodcell.Run, smears: Path, tmp_path: Path
) -> None:
    labels = labels_by_calls(own_run, tmp_path / "labels.csv", wrong=surest(own_run))
    table = write_doubts(own_run, labels)
    assert table.column_names == list(COLUMNS)
    path = own_run.cells(["path"])["path"][surest(own_run)].as_py()
    assert table["path"][0].as_py() == path
    assert table["doubt"][0].as_py() > 0.5
    with (own_run.folder / "evaluation" / "doubts.csv").open() as file:
        assert next(csv.DictReader(file))["path"] == path
    page = (own_run.folder / "evaluation" / "doubts.html").read_text()
    assert page.count("<img") == table.num_rows
    assert base64.b64encode((smears / path).read_bytes()).decode() in page
    assert "http" not in page


def test_no_table_is_written_as_csv_but_without_formulas() -> None:
    package = Path(bloodcell.__file__).parent
    writing = [path for path in package.rglob("*.py") if "write_csv(" in path.read_text("utf-8")]
    assert writing == [package / "patients.py"]  # as_csv, which is tested there


def test_where_no_label_is_contradicted_the_list_is_empty(
    own_run: bloodcell.Run, tmp_path: Path
) -> None:
    assert write_doubts(own_run, labels_by_calls(own_run, tmp_path / "labels.csv")).num_rows == 0
    assert "<img" not in (own_run.folder / "evaluation" / "doubts.html").read_text()


def test_an_image_that_was_changed_since_is_not_shown(smears: Path, tmp_path: Path) -> None:
    source = shutil.copytree(smears, tmp_path / "in")
    run = bloodcell.score(source, tmp_path / "of-copies")
    labels = labels_by_calls(run, tmp_path / "labels.csv", wrong=surest(run))
    for image in source.glob("phantom-*/*"):
        image.write_bytes(image.read_bytes() + b"\0")
    write_doubts(run, labels)
    assert "<img" not in (run.folder / "evaluation" / "doubts.html").read_text()


def test_labels_of_rejected_cells_alone_leave_nothing_to_doubt(
    smears: Path, tmp_path: Path
) -> None:
    (tmp_path / "in" / "P1").mkdir(parents=True)
    shutil.copy(next(smears.glob("phantom-*/*")), tmp_path / "in" / "P1")
    (tmp_path / "in" / "P1" / "0.jpg").write_bytes(b"no image")
    run = bloodcell.score(tmp_path / "in", tmp_path / "run")
    (tmp_path / "labels.csv").write_text("path,class\nP1/0.jpg,lymphocyte\n")
    assert write_doubts(run, tmp_path / "labels.csv").num_rows == 0


def test_labels_of_another_scheme_cannot_be_doubted(own_run: bloodcell.Run, tmp_path: Path) -> None:
    path = own_run.cells(["path"])["path"][0].as_py()
    (tmp_path / "labels.csv").write_text(f"path,class\n{path},MYO\n")
    with pytest.raises(InputError, match=r"the classes \['MYO'\]"):
        write_doubts(own_run, tmp_path / "labels.csv")
