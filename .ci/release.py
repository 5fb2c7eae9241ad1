"""Makes a release of what is committed: checks it, dates its changes, sets the version, tags it.

``make release VERSION=1.2.3``. Nothing leaves this machine: the last line says what to push.
"""

import re
import subprocess
import sys
from datetime import date
from pathlib import Path

VERSION_FILE, CHANGELOG = Path("bloodcell/__init__.py"), Path("CHANGELOG.md")
_VERSION_LINE = re.compile(r'^__version__ = "(\d+\.\d+\.\d+)"$', re.MULTILINE)
_UNRELEASED = re.compile(r"^## Unreleased\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def release(version: str) -> None:
    """Release the tree in the working directory as ``version``. SystemExit says why not."""
    refuse_unless_newer(version)
    if _git("status", "--porcelain"):
        sys.exit("the tree is not clean: commit or put away what git status names")
    changes = dated_changes(CHANGELOG.read_text(encoding="utf-8"), version)
    if subprocess.run(["make", "check"], check=False).returncode:
        sys.exit("make check fails: nothing was released")
    source = VERSION_FILE.read_text(encoding="utf-8")
    VERSION_FILE.write_text(
        _VERSION_LINE.sub(f'__version__ = "{version}"', source), encoding="utf-8"
    )
    CHANGELOG.write_text(changes, encoding="utf-8")
    _git("commit", "--quiet", "--all", "--message", f"Release {version}")
    _git("tag", "--annotate", f"v{version}", "--message", f"bloodcell {version}")
    print(f"committed and tagged v{version}; git push --follow-tags sends it")  # noqa: T201


def refuse_unless_newer(version: str) -> None:
    """SystemExit unless ``version`` is three numbers, larger than those of now."""
    now = _VERSION_LINE.search(VERSION_FILE.read_text(encoding="utf-8"))
    if now is None:
        sys.exit(f"{VERSION_FILE} has no line __version__ = of three numbers")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        sys.exit(f"a version is three numbers with dots between, {version!r} given")
    if _numbers(version) <= _numbers(now[1]):
        sys.exit(f"the next version is larger than {now[1]}, {version} given")


def dated_changes(changelog: str, version: str) -> str:
    """``changelog`` with what stood under Unreleased under ``version`` and today's date."""
    unreleased = _UNRELEASED.search(changelog)
    if unreleased is None or not unreleased[1].strip():
        sys.exit(f"{CHANGELOG} says nothing under ## Unreleased: what does this release change?")
    dated = f"## Unreleased\n\n## {version} - {date.today().isoformat()}\n"
    return changelog.replace("## Unreleased\n", dated, 1)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


if __name__ == "__main__":
    release(sys.argv[1])
