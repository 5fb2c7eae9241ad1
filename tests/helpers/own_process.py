"""Programs in a process of their own."""

import subprocess
import sys


def printed_by(program: str) -> str:
    """What Python code prints in a new process; an exit status other than 0 is an error."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout


def packages_loaded_by_help(module: str) -> set[str]:
    """What a process has imported that showed the help of the command line in ``module``."""
    return set(
        printed_by(
            f"import sys; from click.testing import CliRunner; from {module} import main;"
            "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
            "print(*{name.partition('.')[0] for name in sys.modules})"
        ).split()
    )
