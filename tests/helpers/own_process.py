"""Programs in a process of their own."""

import subprocess
import sys


def printed_by(program: str) -> str:
    """What Python code prints in a new process; an exit status other than 0 is an error."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout
