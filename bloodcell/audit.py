"""The audit log of a run: what happened, in order, each line holding the digest of the one before.

A line that was changed, left out or put in between no longer fits the next one; the digest of the
last line is kept in ``run.json``, so that lines missing at the end are noticed too.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa

from bloodcell.errors import RunError
from bloodcell.files import sync_folder, tell, writing

_BEFORE_THE_FIRST = 64 * "0"
_RESTORE = "restore it from a copy, or score anew into another --out"


class AuditLog:
    """The JSON-lines file ``path``, made with its first line.

    A line that a kill cut short is dropped, and the next one says so. Raises RunError if the file
    cannot be read, DiskError if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        content = _content_of(path) if path.exists() else b""
        self._whole = content.rfind(b"\n") + 1
        self._is_torn = self._whole < len(content)
        lines = _whole_lines(content)
        self.head = _digest(lines[-1]) if lines else _BEFORE_THE_FIRST
        """SHA-256 of the last line."""
        self.parts = _parts_in(lines)
        """SHA-256 of each part's file, but of those that were to be scored again since."""

    def append(self, event: str, **facts: Any) -> None:
        """Add a line and have it on disk; RunError if lines before it are gone from there.

        ``facts``: values as JSON has them.
        """
        if self._is_torn:
            facts |= {"a_torn_line_was_dropped": True}
        time = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        entry = {"event": event, "time": time, **facts, "previous": self.head}
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode()
        is_new = not self.path.exists()
        with writing(self.path):
            self._refuse_if_cut()
            with self.path.open("wb" if is_new else "r+b") as file:
                file.truncate(self._whole)
                file.seek(self._whole)
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if is_new:  # parts without a log are refused, so its name comes before them
                sync_folder(self.path.parent)
        self.head, self._is_torn = _digest(line), False
        self._whole += len(line) + 1
        tell(self.path)

    def _refuse_if_cut(self) -> None:
        """RunError if somebody removed or cut the file: zeros would stand for what it had."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < self._whole:
            raise RunError(
                f"{self.path} was removed or cut while the run was written: {size} of its "
                f"{self._whole} bytes are left. {_RESTORE.capitalize()}"
            )

    def append_part(self, part: int, sha256: str, reasons: pa.ChunkedArray) -> None:
        """Tell of a part that is on disk, whose file has this digest.

        ``reasons``: its column, null where a cell is scored.
        """
        rejected = reasons.drop_null().value_counts().to_pylist()
        self.append(
            "part",
            part=part,
            sha256=sha256,
            cells=len(reasons),
            rejected={one["values"]: one["counts"] for one in rejected},
        )


def finished_entries(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of an audit log, first to last; RunError at the first line that does not fit.

    A line that a kill or a full disk cut short tells nothing: what appends the next drops it.
    """
    yield from _entries_in(path, _whole_lines(_content_of(path)))


def read_audit(path: Path) -> Iterator[dict[str, Any]]:
    """The same, but RunError for a line cut short too: somebody may have added it."""
    content = _content_of(path)
    lines = _whole_lines(content)
    yield from _entries_in(path, lines)
    if content and not content.endswith(b"\n"):
        raise RunError(
            f"{path}, line {len(lines) + 1} is damaged: no line break ends it. A kill cut "
            "it short, or it was added; the next call that writes to this run drops it"
        )


def refuse_lost_lines(path: Path, head: str | None, *, has_parts: bool) -> None:
    """RunError unless the log of a run that is to be taken up has all that was written to it.

    ``head``: the last line's digest as ``run.json`` has it. Lines may follow that one, of calls
    which were stopped or killed, and a torn one, which is passed over. ``has_parts``: whether there
    are parts of ``cells/``; the log's first line is there before them.
    """
    lines = _whole_lines(_content_of(path)) if path.exists() else []
    if not lines and (head or has_parts):
        raise RunError(
            f"{path} is missing or empty, and nothing else tells that the parts of this run are "
            f"those that were scored: {_RESTORE}"
        )
    for _ in _entries_in(path, lines):
        pass
    if head and head not in map(_digest, lines):
        raise RunError(
            f"{path} does not have the line that was its last when run.json was written: lines "
            f"are missing or were changed. {_RESTORE.capitalize()}"
        )


def _content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"the audit log {path} cannot be read: {error.strerror}") from error


def _whole_lines(content: bytes) -> list[bytes]:
    return content[: content.rfind(b"\n") + 1].splitlines()


def _entries_in(path: Path, lines: list[bytes]) -> Iterator[dict[str, Any]]:
    expected = _BEFORE_THE_FIRST
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path}, line {number} is damaged: {error}") from error
        if not isinstance(entry, dict) or not isinstance(entry.get("event"), str):
            raise RunError(f"{path}, line {number} is damaged: it names no event")
        if entry.get("previous") != expected:
            raise RunError(
                f"{path}, line {number} does not follow the line before: a line was changed, left "
                "out or added"
            )
        expected = _digest(line)
        yield entry


def _parts_in(lines: list[bytes]) -> dict[int, str]:
    """What lines tell of parts; a damaged one, which verifying finds, tells of none."""
    parts: dict[int, str] = {}
    for line in lines:
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            entry = json.loads(line)
            if entry["event"] == "part":
                parts[entry["part"]] = entry["sha256"]
            for part in entry.get("again", ()):
                parts.pop(part, None)
    return parts


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
