"""Runs whose audit log was lost or changed are not taken up, and what kills leave of it is."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.drawn_runs import digests

import bloodcell
from bloodcell.audit import AuditLog
from bloodcell.errors import RunError
from bloodcell.run_record import read_record, write_record

pytestmark = pytest.mark.usefixtures("small_parts")


def cut_last_line(log: Path) -> None:
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))


def change_a_line(log: Path) -> None:
    log.write_text(log.read_text().replace('"cells": 16', '"cells": 15', 1))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.unlink, r"audit\.jsonl is missing or empty"),
        (lambda log: log.write_text(""), r"audit\.jsonl is missing or empty"),
        (cut_last_line, r"audit\.jsonl does not have the line that was its last"),
        (change_a_line, "does not follow the line before"),
    ],
)
def test_a_run_that_lost_lines_of_its_audit_log_is_not_taken_up(
    spoil: Callable[[Path], object],
    message: str,
    smears: Path,
    run: bloodcell.Run,
    tmp_path: Path,
) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    spoil(tmp_path / "run" / "audit.jsonl")
    with pytest.raises(RunError, match=message):
        bloodcell.score(smears, tmp_path / "run")
    assert read_record(tmp_path / "run" / "run.json") == run.record


def test_parts_of_a_run_that_is_not_done_are_not_taken_up_without_their_log(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    record = read_record(tmp_path / "run" / "run.json")
    begun = replace(record, state="running", audit_head=None, counts=None, finished=None)
    write_record(tmp_path / "run" / "run.json", begun)
    (tmp_path / "run" / "audit.jsonl").unlink()
    with pytest.raises(RunError, match=r"audit\.jsonl is missing or empty"):
        bloodcell.score(smears, tmp_path / "run")


@pytest.mark.parametrize("lines", [None, b"", b'{"event": "beg'])
def test_a_kill_before_the_first_line_of_the_log_is_taken_up(
    lines: bytes | None, smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    for name in ("run.json", "manifest.parquet"):
        (tmp_path / "run" / "cells").mkdir(parents=True, exist_ok=True)
        shutil.copy(run.folder / name, tmp_path / "run" / name)
    begun = replace(run.record, state="running", audit_head=None, counts=None, finished=None)
    write_record(tmp_path / "run" / "run.json", begun)
    if lines is not None:
        (tmp_path / "run" / "audit.jsonl").write_bytes(lines)
    bloodcell.score(smears, tmp_path / "run")
    assert digests(tmp_path / "run") == digests(run.folder)


@pytest.mark.parametrize("torn", ["", '{"event": "par'])
def test_a_finished_run_whose_next_call_was_killed_is_taken_up(
    torn: str, smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    write_record(tmp_path / "run" / "run.json", replace(run.record, state="running"))
    log = tmp_path / "run" / "audit.jsonl"
    AuditLog(log).append("resume")
    log.write_text(log.read_text() + torn)
    bloodcell.score(smears, tmp_path / "run")
    assert digests(tmp_path / "run") == digests(run.folder)
