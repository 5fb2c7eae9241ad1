"""`bloodcell verify`: whatever of a run was changed, lost or added is found."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import bloodcell
from bloodcell.audit import AuditLog, read_audit
from bloodcell.cli import main
from bloodcell.errors import RunError
from bloodcell.files import sha256_of
from bloodcell.patients import as_csv
from bloodcell.verification import verify


@pytest.fixture
def folder(run: bloodcell.Run, tmp_path: Path) -> Path:
    """A copy of a good run, to be spoilt."""
    return shutil.copytree(run.folder, tmp_path / "run")


def bad(folder: Path) -> list[str]:
    return [finding.what for finding in verify(folder) if not finding.good]


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path, partitioning=None)), path)


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return record


def logged_again(folder: Path, event: str, **facts: Any) -> None:
    """Add a line to the log, and have ``run.json`` name it as the last."""
    log = AuditLog(folder / "audit.jsonl")
    log.append(event, **facts)
    (folder / "run.json").write_text(json.dumps(record_of(folder) | {"audit_head": log.head}))


def test_a_whole_run_is_good(folder: Path) -> None:
    assert bad(folder) == []
    shown = CliRunner().invoke(main, ["verify", str(folder)])
    assert shown.exit_code == 0
    as_json = CliRunner().invoke(main, ["verify", str(folder), "--json"])
    assert [entry["good"] for entry in json.loads(as_json.stdout)] == [True] * 9


def test_the_log_tells_the_whole_run(folder: Path) -> None:
    entries = list(read_audit(folder / "audit.jsonl"))
    assert [entry["event"] for entry in entries] == ["begin", *5 * ["part"], "finish"]
    assert sorted(entry["part"] for entry in entries if entry["event"] == "part") == list(range(5))
    assert sum(entry["cells"] for entry in entries if entry["event"] == "part") == 72
    assert entries[-1]["scored"] == entries[-1]["cells"] == 72


def test_a_changed_probability_is_found(folder: Path) -> None:
    def change(part: pa.Table) -> pa.Table:
        place = part.schema.get_field_index("blast_probability")
        column = pa.array([0.5] * part.num_rows, pa.float32())
        return part.set_column(place, "blast_probability", column)

    rewritten(folder / "cells" / "part-00001.parquet", change)
    assert bad(folder) == ["cells", "counts", "patients", "audit log"]
    (said,) = [finding.says for finding in verify(folder) if finding.what == "cells"]
    assert "another blast_probability than its probabilities come to" in said


def test_a_changed_class_is_found_though_the_log_has_the_changed_file(folder: Path) -> None:
    def change(part: pa.Table) -> pa.Table:
        place = part.schema.get_field_index("class")
        other = pc.if_else(pc.equal(part["class"], "LYT"), "MYB", "LYT")
        called = pc.if_else(pc.less(part["row"], 20), other, part["class"])
        return part.set_column(place, "class", called)

    part = folder / "cells" / "part-00001.parquet"
    rewritten(part, change)
    logged_again(folder, "part", part=1, sha256=sha256_of(part), cells=16, rejected={})
    said = {finding.what: finding.says for finding in verify(folder)}
    assert "another class than its probabilities come to, in 4 of its rows" in said["cells"]


def test_a_part_of_other_types_or_classes_is_found(folder: Path) -> None:
    def of_type(part: pa.Table, kind: pa.DataType) -> pa.Table:
        place = part.schema.get_field_index("probabilities")
        values = [one[:8] for one in part["probabilities"].to_pylist()]
        return part.set_column(place, "probabilities", pa.array(values, kind))

    path = folder / "cells" / "part-00001.parquet"
    whole = path.read_bytes()
    for kind, said in [
        (pa.list_(pa.float32()), "does not hold the rows that belong there"),
        (pa.list_(pa.float32(), 8), "has 8 probabilities a cell, jhu18 18 classes"),
    ]:
        path.write_bytes(whole)
        rewritten(path, lambda part, kind=kind: of_type(part, kind))
        says = {finding.what: finding.says for finding in verify(folder)}
        assert f"{path} {said}" in says["cells"]


def test_a_row_with_two_ends_is_found(folder: Path) -> None:
    def change(part: pa.Table) -> pa.Table:
        place = part.schema.get_field_index("reason")
        return part.set_column(place, "reason", pa.array(["corrupt"] * part.num_rows))

    rewritten(folder / "cells" / "part-00001.parquet", change)
    assert bad(folder) == ["cells", "counts", "patients", "audit log"]


def test_a_lost_part_is_found(folder: Path) -> None:
    (folder / "cells" / "part-00002.parquet").unlink()
    assert bad(folder) == ["cells", "counts", "patients", "audit log"]


def test_a_part_too_many_is_found(folder: Path) -> None:
    cells = folder / "cells"
    shutil.copy(cells / "part-00000.parquet", cells / "part-00009.parquet")
    assert "cells" in bad(folder)


def test_a_changed_share_is_found(folder: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index("blast_percent_naive")
        return table.set_column(place, "blast_percent_naive", pa.array([1.0] * table.num_rows))

    rewritten(folder / "patients.parquet", change)
    assert bad(folder) == ["patients"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("manifest.parquet", "manifest"),
        ("patients.csv", "patients"),
        ("patients.parquet", "patients"),
        ("report/index.html", "report"),
        ("audit.jsonl", "audit log"),
    ],
)
def test_a_lost_file_is_found(folder: Path, name: str, expected: str) -> None:
    (folder / name).unlink()
    assert expected in bad(folder)
    said = "".join(finding.says for finding in verify(folder))
    assert name in said
    assert "Errno" not in said


def test_changed_counts_are_found(folder: Path) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scored": 71}))
    assert bad(folder) == ["counts"]


def test_a_falsified_number_of_unidentified_cells_is_found(folder: Path) -> None:
    path = folder / "run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"unidentified": record["unidentified"] - 1}))
    assert bad(folder) == ["counts"]

    def change(patients: pa.Table) -> pa.Table:
        place = patients.schema.get_field_index("unidentified")
        none = pa.array([0] * patients.num_rows, pa.int64())
        return patients.set_column(place, "unidentified", none)

    rewritten(folder / "patients.parquet", change)
    assert "patients" in bad(folder)


def test_a_run_of_before_unidentified_cells_were_counted_is_verified(folder: Path) -> None:
    path = folder / "run.json"
    record = json.loads(path.read_text())
    del record["unidentified"]
    path.write_text(json.dumps(record))
    assert bad(folder) == ["patients"]
    patients = folder / "patients.parquet"
    rewritten(patients, lambda table: table.drop_columns(["unidentified"]))
    patients.with_suffix(".csv").write_bytes(as_csv(pq.read_table(patients)))
    logged_again(folder, "finish", patients_sha256=sha256_of(patients))
    assert bad(folder) == []


def test_a_table_of_patients_of_other_bytes_is_found(folder: Path) -> None:
    patients = folder / "patients.parquet"
    table = pq.read_table(patients, partitioning=None)
    pq.write_table(table.replace_schema_metadata({"made": "elsewhere"}), patients)
    assert bad(folder) == ["patients"]


@pytest.mark.parametrize(
    ("entry", "other"),
    [("model_version", "2"), ("card_sha256", 64 * "0"), ("device", "another"), ("versions", {})],
)
def test_a_changed_job_is_found(folder: Path, entry: str, other: Any) -> None:
    record = record_of(folder)
    (folder / "run.json").write_text(json.dumps(record | {"job": record["job"] | {entry: other}}))
    assert bad(folder) == ["audit log"]


@pytest.mark.parametrize(
    ("entry", "other"),
    [("temperature", 2.0), ("prior_ratios", [2.0]), ("letters", {"A": "LYT"}), ("scheme", "pbc8")],
)
def test_what_run_json_says_of_the_model_is_held_against_its_card(
    folder: Path, entry: str, other: Any
) -> None:
    (folder / "run.json").write_text(json.dumps(record_of(folder) | {entry: other}))
    assert "model" in bad(folder)


def test_lines_missing_at_the_end_of_the_log_are_found(folder: Path) -> None:
    log = folder / "audit.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    failed = CliRunner().invoke(main, ["verify", str(folder)])
    assert failed.exit_code == 1
    assert re.search(r"audit log +NOT GOOD: ", failed.stdout)
    assert failed.stderr.endswith(
        "is not whole, was changed, or is of another version: audit log\n"
    )


def test_a_run_resumed_has_one_log(smears: Path, folder: Path) -> None:
    (folder / "cells" / "part-00003.parquet").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bloodcell.scoring.ROWS_PER_PART", 16)
        bloodcell.score(smears, folder)
    events = [entry["event"] for entry in read_audit(folder / "audit.jsonl")]
    assert events[-4:] == ["resume", "redo", "part", "finish"]
    assert bad(folder) == []


def test_a_kill_before_a_redone_part_is_logged_does_not_spoil_the_run(
    smears: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bloodcell.scoring.ROWS_PER_PART", 16)
    (folder / "cells" / "part-00003.parquet").unlink()
    append = AuditLog.append

    def killed(self: AuditLog, event: str, **facts: Any) -> None:
        if event == "part":
            raise KeyboardInterrupt
        append(self, event, **facts)

    with monkeypatch.context() as patch:
        patch.setattr(AuditLog, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            bloodcell.score(smears, folder)
    bloodcell.score(smears, folder)
    assert bad(folder) == []


def test_a_part_that_was_changed_is_not_taken_up(
    smears: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bloodcell.scoring.ROWS_PER_PART", 16)
    path = folder / "cells" / "part-00001.parquet"
    part = pq.read_table(path, partitioning=None)
    place = part.schema.get_field_index("blast_probability")
    changed = pa.array([0.5] * part.num_rows, pa.float32())
    pq.write_table(part.set_column(place, "blast_probability", changed), path)
    with pytest.raises(RunError, match=r"part-00001\.parquet was changed since it was written"):
        bloodcell.score(smears, folder)


def test_a_crash_that_the_log_does_not_know_is_found(folder: Path) -> None:
    part = folder / "cells" / "part-00001.parquet"
    cells = pq.read_table(part)
    row = cells["row"][3].as_py()
    rejected = [row == one for one in cells["row"].to_pylist()]
    ended = {"status": "rejected", "reason": "crashed_decoder"}
    for name, value in (ended | {"class": None, "blast_probability": None}).items():
        kind = cells[name].type
        changed = pc.if_else(pa.array(rejected), pa.scalar(value, kind), cells[name])
        cells = cells.set_column(cells.schema.get_field_index(name), name, changed)
    pq.write_table(cells, part)
    log = AuditLog(folder / "audit.jsonl")
    log.append("part", part=1, sha256=sha256_of(part), cells=16, rejected={"crashed_decoder": 1})
    record = folder / "run.json"
    entries = json.loads(record.read_text()) | {"audit_head": log.head}
    record.write_text(json.dumps(entries))
    said = {finding.what: finding.says for finding in verify(folder)}
    assert f"row {row} is rejected as crashed_decoder" in said["audit log"]
    log.append("blame", row=row, reason="crashed_decoder")
    record.write_text(json.dumps(entries | {"audit_head": log.head}))
    assert "audit log" not in bad(folder)


def test_a_run_without_a_log_says_so(folder: Path) -> None:
    path = folder / "run.json"
    about = json.loads(path.read_text())
    del about["audit_head"]
    path.write_text(json.dumps(about))
    assert bad(folder) == ["audit log"]
    (folder / "audit.jsonl").unlink()
    assert bad(folder) == []
