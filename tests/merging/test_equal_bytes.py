"""A merged run is, byte for byte, the run that scoring everything at once makes."""

import itertools
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from helpers.drawn_runs import digests
from merging.conftest import CELLS, PATIENTS, Scored

import bloodcell
from bloodcell.audit import AuditLog, read_audit
from bloodcell.cli import main
from bloodcell.files import sha256_of
from bloodcell.merging.order import order_of
from bloodcell.merging.sources import open_sources
from bloodcell.run_record import write_record
from bloodcell.verification import verify


def bad(folder: Path) -> list[str]:
    findings = verify(folder, lambda _done, _cells: None)
    return [f"{one.what}: {one.says}" for one in findings if not one.good]


def files_of(folder: Path) -> dict[str, str]:
    names = ("manifest.parquet", "patients.csv", "review/plan.parquet")
    images = sorted((folder / "report" / "images").iterdir())
    paths = [folder / name for name in names] + images
    return digests(folder) | {path.name: sha256_of(path) for path in paths}


def ordered(runs: Sequence[Path]) -> list[tuple[Path, str, int, int]]:
    order = order_of(open_sources(runs))
    return [
        (runs[one.source], order.prefixes[one.source], one.first_row, one.rows)
        for one in order.stretches
    ]


@pytest.mark.parametrize("kind", ["folders", "shards", "manifests"])
def test_in_any_order_of_the_runs(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    scored: Scored = request.getfixturevalue(kind)
    expected = files_of(scored.whole)
    first, second, third = scored.runs
    for number, runs in enumerate(([first, second, third], [third, first, second])):
        merged = bloodcell.merge(runs, tmp_path / str(number))
        assert files_of(merged.folder) == expected, runs
    orders = {str(ordered(runs)) for runs in itertools.permutations(scored.runs)}
    assert len(orders) == 1
    assert bad(merged.folder) == []
    at_once = bloodcell.open_run(scored.whole).record
    assert merged.record.counts == at_once.counts
    assert merged.record.unidentified == at_once.unidentified > 0
    assert merged.record.left_out_files == at_once.left_out_files
    assert merged.record.job.versions == at_once.job.versions


@pytest.mark.usefixtures("small_parts")
def test_the_run_of_the_folder_is_taken_up_as_finished(folders: Scored, tmp_path: Path) -> None:
    merged = bloodcell.merge(folders.runs, tmp_path / "run")
    assert merged.record.job == bloodcell.open_run(folders.whole).record.job
    again = bloodcell.score(folders.source, tmp_path / "run", folders.model, "onnxruntime")
    assert again.record.session is None, "cells were scored again"
    assert files_of(again.folder) == files_of(folders.whole)


def test_what_was_merged_can_be_merged(folders: Scored, tmp_path: Path) -> None:
    """A run of the first and the last patient; the one between them comes later."""
    some = bloodcell.merge([folders.runs[0], folders.runs[2]], tmp_path / "some")
    assert some.counts.patients == 2
    merged = bloodcell.merge([some.folder, folders.runs[1]], tmp_path / "all")
    assert files_of(merged.folder) == files_of(folders.whole)


def test_patients_of_several_runs_add_up(shards: Scored, tmp_path: Path) -> None:
    merged = bloodcell.merge(shards.runs, tmp_path / "run")
    assert merged.counts.cells == CELLS
    assert merged.counts.rejected == {"truncated": 1, "corrupt": 2}
    assert merged.patients["patient"].to_pylist() == list(PATIENTS)
    assert merged.patients["cells"].to_pylist() == [count + 1 for count in PATIENTS.values()]
    own = [set(bloodcell.open_run(run).patients["patient"].to_pylist()) for run in shards.runs]
    assert own[0] & own[1], "no patient is in two runs"
    assert own[1] & own[2], "no patient is in two runs"


@pytest.mark.usefixtures("small_parts")
def test_runs_of_two_nights_start_from_the_folder_around_them(
    cells: Path, model: Path, tmp_path: Path
) -> None:
    """As a manifest there lists them: night and patient in the path, a patient of both once."""
    for night, patient in (("monday", "B-1"), ("monday", "a-2"), ("tuesday", "a-2")):
        shutil.copytree(cells / patient, tmp_path / "week" / night / patient)
    runs = [
        bloodcell.score(folder, tmp_path / folder.name, model, "onnxruntime").folder
        for folder in sorted((tmp_path / "week").iterdir())
    ]
    merged = bloodcell.merge(runs[::-1], tmp_path / "run")
    assert bad(merged.folder) == []
    manifest = pq.read_table(merged.folder / "manifest.parquet").to_pylist()
    assert manifest[0]["path"].startswith("monday/B-1/")
    assert manifest[-1]["path"].startswith("tuesday/a-2/")
    assert merged.patients["cells"].to_pylist() == [25, 22]
    assert merged.record.repeated_images is not None, "a-2 has every image twice"


def test_rows_that_ended_workers_stay_blamed(folders: Scored, tmp_path: Path) -> None:
    second = shutil.copytree(folders.runs[1], tmp_path / "second")
    log = AuditLog(second / "audit.jsonl")
    log.append("blame", row=3, reason="crashed_decoder")
    record = bloodcell.open_run(second).record
    write_record(second / "run.json", replace(record, audit_head=log.head))
    merged = bloodcell.merge([folders.runs[0], second], tmp_path / "run")
    blamed = [one for one in read_audit(merged.folder / "audit.jsonl") if one["event"] == "blame"]
    assert [one["row"] for one in blamed] == [25 + 3], "the first run has 25 cells"


def test_the_audit_log_names_the_runs_and_no_patient(folders: Scored, tmp_path: Path) -> None:
    merged = bloodcell.merge(folders.runs, tmp_path / "run")
    first, *parts, last = read_audit(merged.folder / "audit.jsonl")
    records = [bloodcell.open_run(run).record for run in folders.runs]
    assert first["event"] == "merge"
    assert [run["audit_head"] for run in first["runs"]] == [one.audit_head for one in records]
    assert [run["cells"] for run in first["runs"]] == [25, 11, 24]
    assert [entry["event"] for entry in parts] == 4 * ["part"]
    assert last["event"] == "finish"
    text = (merged.folder / "audit.jsonl").read_text(encoding="utf-8")
    assert not any(patient in text for patient in PATIENTS)


def test_the_command(folders: Scored, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = CliRunner().invoke(main, ["merge", *map(str, folders.runs), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert f"{CELLS} cells = {CELLS - 3} scored + 3 rejected" in done.output
    for words in (["report", out], ["export", out, "--to", "csv"], ["verify", out, "--images"]):
        assert CliRunner().invoke(main, [str(word) for word in words]).exit_code == 0, words
