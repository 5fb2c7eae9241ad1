"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable

LONGEST_S = 60


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what has to come; a minute at most."""
    end_s = time.monotonic() + LONGEST_S
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.02)
