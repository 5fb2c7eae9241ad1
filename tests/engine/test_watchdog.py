"""The watchdog ends a process in which a call hangs, and no other."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import threading, time
from bloodcell.engine import watchdog
watchdog._PATIENCE_S, watchdog._PATIENCE_PER_CELL_S = 1.5, 0.05
watched = watchdog.Watchdog(lambda error: print(repr(error), flush=True))

def call(seconds, cells=1):
    with watched.watching(cells):
        time.sleep(seconds)

call(0.0)
time.sleep(1.8)
call(1.8, cells=100)
other = threading.Thread(target=call, args=(30,), daemon=True)
{start}
for _ in range({calls}):
    call(0.1)
try:
    with watched.watching(1):
        raise ValueError("given up")
except ValueError:
    pass
"""


@pytest.mark.parametrize(
    ("start", "calls", "status", "said"),
    [("", 3, 0, "ValueError('given up')\n"), ("other.start()", 200, -signal.SIGALRM, "")],
    ids=["calls-in-time", "one-thread-hangs-while-another-works"],
)
def test_only_a_call_that_does_not_return_in_time_ends_it(
    start: str, calls: int, status: int, said: str
) -> None:
    program = [sys.executable, "-c", PROGRAM.format(start=start, calls=calls)]
    done = subprocess.run(program, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, said), done.stderr
