"""A Ray cluster of several nodes on this machine."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_OBJECT_STORE_BYTES = 80 << 20
_MOST_STARTS = 4
_HOLD = """
import time
from bloodcell.store import RunStore
from bloodcell.terminal import stop_requested

write_part = RunStore.write_part

def write_and_wait(*given):
    write_part(*given)
    until_s = time.monotonic() + 120
    while not stop_requested.is_set() and time.monotonic() < until_s:
        time.sleep(0.01)

RunStore.write_part = write_and_wait
"""
_STARTED = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


class Nodes:
    """A head without CPUs, to which the driver connects, and nodes that may be killed."""

    def __init__(self) -> None:
        os.environ.update(_STARTED)
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster()
        self._add(num_cpus=0, include_dashboard=False)
        self.address: str = self._cluster.address

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_error: object) -> None:
        self._cluster.shutdown()

    def add(self, cpus: int = 1) -> Any:
        """A node that stays until it is killed."""
        return self._add(num_cpus=cpus)

    def kill(self, node: Any) -> None:
        """End a node and all that runs there, as a power cut does."""
        self._cluster.remove_node(node, allow_graceful=False)

    def _add(self, **options: Any) -> Any:
        for _ in range(_MOST_STARTS - 1):
            before = set(self._cluster.worker_nodes)
            # On a busy machine a node may not be up within the 30 s that Ray gives it.
            with suppress(Exception):
                return self._cluster.add_node(object_store_memory=_OBJECT_STORE_BYTES, **options)
            # It may be up later, as one too many.
            for late in self._cluster.worker_nodes - before:
                self.kill(late)
        return self._cluster.add_node(object_store_memory=_OBJECT_STORE_BYTES, **options)


def started_command(
    *words: str | Path, rows_per_part: int, is_held: bool = False
) -> "subprocess.Popen[str]":
    """``bloodcell WORDS`` in a process of its own, with smaller parts.

    ``is_held``: once it has written a part, it waits until it is asked to stop.
    """
    program = (_HOLD if is_held else "") + (
        f"import sys; from bloodcell import scoring; scoring.ROWS_PER_PART = {rows_per_part};"
        f"sys.argv = {['bloodcell', *map(str, words)]};"
        "from bloodcell.__main__ import main; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
