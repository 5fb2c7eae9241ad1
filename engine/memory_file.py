"""A file in memory alone, for what wants a path: nothing to clear away, however a process ends."""

import os
from pathlib import Path


def memory_file(name: str, content: bytes) -> Path:
    """The path of a file that this process and those of its user can read while this one lives."""
    descriptor = os.memfd_create(name)
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")
