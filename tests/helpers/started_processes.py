"""Programs that a test starts, and that are gone when it has failed."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def started(words: Sequence[str | Path], **popen: Any) -> Iterator[subprocess.Popen[str]]:
    """A program with its standard error in a pipe; killed, with its group, if it still runs."""
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, start_new_session=True, **popen
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
