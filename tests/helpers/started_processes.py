"""Programs that a test starts, and that are gone when it has failed."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def started(words: Sequence[str | Path], **popen: Any) -> Iterator[subprocess.Popen[str]]:
    """A program with its standard error in a pipe; killed if it runs at the block's end."""
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, **popen) as process:
        try:
            yield process
        finally:
            process.kill()
