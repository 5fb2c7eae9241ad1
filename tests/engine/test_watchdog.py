"""The watchdog ends a process in which a call hangs, and no other."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import threading, time
from bloodcell.engine import watchdog
watchdog._PATIENCE_S, watchdog._PATIENCE_PER_CELL_S = 0.5, 0.01
watched = watchdog.Watchdog(lambda error: print(repr(error), flush=True))

def call(seconds, cells=1):
    with watched.watching(cells):
        time.sleep(seconds)

call(0.0)
time.sleep(0.8)
call(0.8, cells=100)
other = threading.Thread(target=call, args=(30,), daemon=True)
{start}
for _ in range(8):
    call(0.1)
try:
    with watched.watching(1):
        raise ValueError("given up")
except ValueError:
    pass
"""


@pytest.mark.parametrize(
    ("start", "status", "said"),
    [("", 0, "ValueError('given up')\n"), ("other.start()", -signal.SIGALRM, "")],
    ids=["calls-in-time", "one-thread-hangs-while-another-works"],
)
def test_only_a_call_that_does_not_return_in_time_ends_it(
    start: str, status: int, said: str
) -> None:
    program = [sys.executable, "-c", PROGRAM.format(start=start)]
    done = subprocess.run(program, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, said), done.stderr
