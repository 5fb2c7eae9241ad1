"""What the tests of both command lines share: what help loads, and what the documents lack."""

import subprocess
import sys

import click


def loaded_by_help(module: str) -> set[str]:
    """Names of the packages that ``--help`` of the command line in ``module`` loads."""
    program = (
        f"import sys; from click.testing import CliRunner; from {module} import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(ended.stdout.decode().split())


def not_in_docs(docs: str, heading: str, command: click.Command) -> list[str]:
    """What ``docs`` should say of a command and does not: its heading and its options."""
    options = [option for parameter in command.params for option in parameter.opts]
    expected = [f"`{option}" for option in options if option.startswith("--")]
    return [text for text in (f"## {heading}", *expected) if text not in docs]
