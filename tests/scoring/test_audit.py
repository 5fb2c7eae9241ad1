"""The audit log: a chain in which no line can be changed, left out or added unnoticed."""

import json
import os
from pathlib import Path

import pytest

from bloodcell.audit import AuditLog, read_audit
from bloodcell.errors import DiskError, RunError


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """Three events."""
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(3):
        log.append("part", number=number)
    return log


def events(log: AuditLog) -> list[tuple[str, int]]:
    return [(entry["event"], entry["number"]) for entry in read_audit(log.path)]


def test_events_come_back_in_order(log: AuditLog) -> None:
    assert events(log) == [("part", 0), ("part", 1), ("part", 2)]


def test_a_log_opened_again_goes_on(log: AuditLog) -> None:
    again = AuditLog(log.path)
    assert again.head == log.head
    again.append("part", number=3)
    assert len(events(again)) == 4
    assert again.head != log.head


@pytest.mark.parametrize("line", [0, 1])
def test_a_changed_line_is_noticed(log: AuditLog, line: int) -> None:
    lines = log.path.read_text().splitlines()
    lines[line] = json.dumps(json.loads(lines[line]) | {"number": 7})
    log.path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RunError, match=f"line {line + 2} does not follow the line before"):
        events(log)


def test_a_line_left_out_or_put_in_is_noticed(log: AuditLog) -> None:
    first, second, third = log.path.read_text().splitlines()
    for lines in ([first, third], [second, third], [first, first, second, third]):
        log.path.write_text("\n".join(lines) + "\n")
        with pytest.raises(RunError, match="does not follow the line before"):
            events(log)


def test_lines_missing_at_the_end_change_the_head(log: AuditLog) -> None:
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[: whole.rfind(b"\n", 0, -1) + 1])
    assert len(events(log)) == 2
    assert AuditLog(log.path).head != log.head


def test_a_line_that_a_kill_cut_short_is_dropped_and_told(log: AuditLog) -> None:
    with log.path.open("ab") as file:
        file.write(b'{"event": "part", "numb')
    with pytest.raises(RunError, match="line 4 is damaged"):
        events(log)
    AuditLog(log.path).append("part", number=3)
    last = list(read_audit(log.path))[-1]
    assert last["number"] == 3
    assert last["a_torn_line_was_dropped"]


def test_a_log_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(RunError, match=r"the audit log .*audit\.jsonl cannot be read"):
        AuditLog(tmp_path / "audit.jsonl")


def test_a_disk_that_refuses_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"cannot write .*audit\.jsonl"):
        AuditLog(tmp_path / "absent" / "audit.jsonl").append("start")


@pytest.mark.parametrize("left", [None, 0, 10])
def test_a_log_that_somebody_removes_or_cuts_is_not_written_on(
    log: AuditLog, left: int | None
) -> None:
    if left is None:
        log.path.unlink()
    else:
        os.truncate(log.path, left)
    with pytest.raises(
        RunError, match=rf"removed or cut .*: {left or 0} of its \d+ bytes are left"
    ):
        log.append("part", number=3)
    assert (log.path.stat().st_size if log.path.exists() else None) == left


def test_a_line_added_without_its_end_tells_nothing(log: AuditLog) -> None:
    with log.path.open("ab") as file:
        file.write(json.dumps({"event": "part", "number": 3, "previous": log.head}).encode())
    assert AuditLog(log.path).head == log.head
    with pytest.raises(RunError, match="line 4 is damaged: no line break ends it"):
        events(log)


@pytest.mark.parametrize("line", [200_000 * "[", json.dumps({"previous": 64 * "0"})])
def test_a_line_that_nobody_wrote_so_is_called_damaged(log: AuditLog, line: str) -> None:
    log.path.write_text(f"{line}\n")
    assert AuditLog(log.path).parts == {}
    with pytest.raises(RunError, match="line 1 is damaged"):
        events(log)
