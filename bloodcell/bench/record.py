"""What a command has measured so far, and how it ended; kept whatever happens."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bloodcell.bench.machine import machine, versions
from bloodcell.errors import BloodcellError, Stopped
from bloodcell.files import write_whole

Row: TypeAlias = dict[str, Any]


def one_line(error: BaseException) -> str:
    """Why something was not measured: the first line, with the kind of an error not our own."""
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: pip install 'bloodcell[bench]'"
    first = (str(error).splitlines() or [""])[0][:300]
    return first if isinstance(error, BloodcellError) else f"{type(error).__name__}: {first}"


@dataclass
class Record:
    """Rows of figures, the newest last, with all that they depend on."""

    command: str
    settings: Row
    """What was measured and how; completed as it becomes known."""
    tell: Callable[[str], None]
    """Shows a line to whoever waits."""
    measured: list[Row] = field(default_factory=list)
    """As they were read off, without the warm-up."""
    figures: list[Row] = field(default_factory=list)
    """What the measured rows come to."""
    verdicts: list[Row] = field(default_factory=list)
    """What was held against a limit, each with ``good``."""
    state: Literal["running", "done", "interrupted", "failed"] = "running"
    why: str | None = None
    """Why it is not done."""
    started: str = field(
        default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds")
    )
    machine: Row = field(default_factory=machine)

    def add(self, row: Row) -> None:
        """Keep a measured row, and tell of it."""
        self.measured.append(row)
        self.tell(", ".join(f"{key} {value}" for key, value in row.items() if value is not None))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Let what is measured inside end early, by Ctrl-C or a failure; the record says why."""
        try:
            yield
            self.state = "done"
        except KeyboardInterrupt:
            self.state, self.why = "interrupted", "interrupted: what was measured so far is kept"
        except (BloodcellError, OSError, MemoryError) as error:
            self.state, self.why = "failed", str(error) or type(error).__name__

    @property
    def exit_status(self) -> int:
        """0 if all was measured and every verdict is good; 4 interrupted; else 1."""
        if self.state == "interrupted":
            return Stopped.exit_status
        is_good = self.state == "done" and all(verdict["good"] for verdict in self.verdicts)
        return 0 if is_good else BloodcellError.exit_status

    def content(self) -> Row:
        """The record as JSON holds it; docs/benchmark.md lists the entries."""
        return {
            "command": self.command,
            "state": self.state,
            "why": self.why,
            "started": self.started,
            "machine": self.machine,
            "versions": versions(),
            "settings": self.settings,
            "figures": self.figures,
            "verdicts": self.verdicts,
            "measured": self.measured,
        }

    def write(self, path: Path) -> None:
        """Write the JSON file; DiskError if the disk refuses."""
        text = json.dumps(self.content(), indent=1, ensure_ascii=False) + "\n"
        write_whole(path, lambda beside: beside.write_text(text, "utf-8"))
