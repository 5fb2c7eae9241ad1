"""Folders as shares and other programs leave them, scored from end to end."""

import os
import shutil
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from helpers.drawn_runs import digests

import bloodcell
from bloodcell.errors import InputError
from bloodcell.evaluation import evaluate


def copied(smears: Path, root: Path, *names: str) -> Path:
    """One drawn image under each name."""
    images = sorted(smears.glob("*/*"))
    for name, image in zip(names, images, strict=False):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, root / name)
    return root


def test_what_was_left_out_is_in_the_record_and_makes_no_other_job(
    smears: Path, tmp_path: Path
) -> None:
    root = copied(smears, tmp_path / "in", "P1/1", "P1/2", "P1/@eaDir/1/x.jpg", "P1/.DS_Store")
    first = bloodcell.score(root, tmp_path / "run")
    assert first.about["left_out_files"] == {"NAS": 1, "macOS": 1}
    assert first.counts.cells == 2
    before = digests(tmp_path / "run")
    (root / "P1" / "Thumbs.db").write_bytes(b"x")
    again = bloodcell.score(root, tmp_path / "run")
    assert digests(tmp_path / "run") == before
    assert again.about["left_out_files"] == first.about["left_out_files"]


def test_nothing_left_out_is_nothing_in_the_record(run: bloodcell.Run) -> None:
    assert "left_out_files" not in run.about


def test_names_in_latin_1_are_scored(smears: Path, tmp_path: Path) -> None:
    root = copied(smears, tmp_path / "in\udcfc", "M\udcfcller/caf\udce9.jpg")
    scored = bloodcell.score(root, tmp_path / "run")
    assert scored.patients["patient"].to_pylist() == [r"M\xfcller"]
    assert scored.counts.scored == 1


def test_a_run_folder_that_arrow_cannot_name_is_refused(smears: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\\xfc has a name that is not UTF-8"):
        bloodcell.score(smears, tmp_path / "run\udcfc")


def test_a_parquet_manifest_in_a_folder_that_is_not_utf8_is_read(
    smears: Path, tmp_path: Path
) -> None:
    root = copied(smears, tmp_path / "in\udcfc", "1.jpg")
    pq.write_table(pa.table({"path": ["1.jpg"], "patient": ["P"]}), tmp_path / "m.parquet")
    shutil.move(tmp_path / "m.parquet", root)
    assert bloodcell.score(root / "m.parquet", tmp_path / "run").counts.scored == 1


def test_labels_and_manifest_match_in_any_spelling(smears: Path, tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Müller/slide 1/é.jpg")
    root = copied(smears, tmp_path, name)
    windows = unicodedata.normalize("NFC", name).replace("/", "\\")
    (root / "m.csv").write_text(f"path;patient\r\n{windows};M\r\n", "utf-16")
    scored = bloodcell.score(root / "m.csv", tmp_path / "run")
    assert scored.counts.scored == 1
    for number, path in enumerate((windows, name)):
        (tmp_path / f"{number}.csv").write_text(
            f"path\tclass\n{path}\tband_neutrophils\n", "utf-8-sig"
        )
        figures = evaluate(scored, tmp_path / f"{number}.csv")
        assert figures["cells"]["labelled"] == 1
        assert figures["cells"]["labels_not_in_run"] == 0


FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\uff1d1"]


def test_names_that_a_spreadsheet_would_compute_are_text_in_the_csv_alone(
    smears: Path, tmp_path: Path
) -> None:
    plain = ["<script>alert(1)<\\script>", "P=1"]
    paths = [f"{name.replace('/', '|')}/1.jpg" for name in (*FORMULAS, *plain)]
    root = copied(smears, tmp_path / "in", *paths)
    scored = bloodcell.score(root, tmp_path / "run")
    names = {os.path.dirname(path) for path in paths}  # noqa: PTH120
    assert set(scored.patients["patient"].to_pylist()) == names
    table = pyarrow.csv.read_csv(
        tmp_path / "run" / "patients.csv",
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
    )
    assert set(table["patient"].to_pylist()) == {
        name if name in plain else f"'{name}" for name in names
    }
    page = (tmp_path / "run" / "report" / "index.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_empty_manifest_is_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"m{suffix}"
    source.write_bytes(b"")
    with pytest.raises(InputError, match="is empty or no file"):
        bloodcell.score(source, tmp_path / "run")
