"""Which packages a command line has loaded when it has shown its help."""

import subprocess
import sys


def packages_loaded_for_help(module: str) -> set[str]:
    program = (
        f"import sys; from click.testing import CliRunner; from {module} import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(done.stdout.decode().split())
