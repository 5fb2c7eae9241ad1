"""CSV and XLSX: numbers stay numbers, and no name is computed."""

import shutil
from pathlib import Path

import openpyxl
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import bloodcell
from bloodcell.errors import DiskError, InputError
from bloodcell.export import export


def test_the_csv_is_the_table_and_says_what_it_is_for(
    hostile_run: bloodcell.Run, tmp_path: Path
) -> None:
    written = export(hostile_run, "csv", tmp_path / "patients.csv")
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    read = pyarrow.csv.read_csv(written, parse_options=options)
    table = hostile_run.patients
    assert read.column_names[:2] == ["patient", "status"]
    numbers = [f.name for f in table.schema if f.name.startswith(("n_", "blast", "denom"))]
    own = read.select([f"network_{name}" for name in numbers]).rename_columns(numbers)
    assert own.to_pydict() == table.select(numbers).to_pydict()
    # What the network made of it counts, until somebody looked.
    counts = [name for name in numbers if name in read.column_names]
    assert {"blast_percent", "denominator"} < set(counts)
    assert read.select(counts).to_pydict() == table.select(counts).to_pydict()
    assert set(read["status"].to_pylist()) == {"preliminary"}
    assert all(text.startswith("Research use only") for text in read["use"].to_pylist())
    assert "'=1+1" in read["patient"].to_pylist()


def test_a_workbook_holds_numbers_and_texts(hostile_run: bloodcell.Run, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(export(hostile_run, "xlsx", tmp_path / "patients.xlsx"))
    heading, *rows = book["patients"].iter_rows()
    names = [cell.value for cell in heading]
    for row, expected in zip(rows, hostile_run.patients.to_pylist(), strict=True):
        read = dict(zip(names, (cell.value for cell in row), strict=True))
        own = {name: read.get(f"network_{name}", read.get(name)) for name in expected}
        assert own == pytest.approx(expected, nan_ok=True)
        assert row[0].data_type == "s"
        assert row[0].quotePrefix
    about = {row[0].value: row[1].value for row in book["about"].iter_rows()}
    assert about["model SHA-256"] == hostile_run.record.job.model_sha256
    assert about["use"].startswith("Research use only")


def test_what_exists_is_not_replaced_where_a_path_was_named(
    run: bloodcell.Run, tmp_path: Path
) -> None:
    for to in ("csv", "fhir"):
        with pytest.raises(InputError, match="exists"):
            export(run, to, tmp_path)


def test_a_folder_that_cannot_be_written_is_named(run: bloodcell.Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for to in ("csv", "hl7"):
        with pytest.raises(DiskError, match="cannot write"):
            export(run, to, tmp_path / "file" / "out")


def test_a_failure_leaves_nothing_and_what_was_there(
    run: bloodcell.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = export(run, "hl7")
    files = {file.name: file.read_bytes() for file in before.iterdir()}
    write_bytes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name.startswith("00002"):
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DiskError, match="No space left"):
            export(run, "hl7")
    assert {file.name: file.read_bytes() for file in before.iterdir()} == files
    assert not list(before.parent.glob("*.new"))


def test_what_a_run_of_an_older_version_did_not_count_is_null(
    run: bloodcell.Run, tmp_path: Path
) -> None:
    patients = tmp_path / "run" / "patients.parquet"
    older = bloodcell.open_run(shutil.copytree(run.folder, patients.parent))
    pq.write_table(run.patients.drop_columns(["unstained", "unidentified"]), patients)
    read, of_now = (pyarrow.csv.read_csv(export(one, "csv")) for one in (older, run))
    assert sorted(read.column_names) == sorted(of_now.column_names)
    for name in ("unstained", "network_unidentified"):
        assert read[name].null_count == len(read)
    assert read["scored"] == of_now["scored"]
    rows = openpyxl.load_workbook(export(older, "xlsx"))["patients"].iter_rows(values_only=True)
    heading, first, *_ = rows
    assert dict(zip(heading, first, strict=True))["unstained"] is None
