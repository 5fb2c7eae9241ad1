"""The version stands in one place, and the release command, in a throw-away clone."""

import json
import re
import shutil
import subprocess
import sys
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest

import bloodcell

ROOT = Path(__file__).parents[2]
CHANGES = "# Changes\n\n## Unreleased\n\n- It flies.\n\n## 0.1.0 - 2026-11-26\n\n- It walks.\n"


def done(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def output_of(folder: Path, *words: str) -> str:
    finished = done(folder, *words)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a small tree whose ``make check`` passes unless a file ``broken`` is there."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A. Person")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "person@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    origin = tmp_path / "origin"
    (origin / "bloodcell").mkdir(parents=True)
    source = (ROOT / "bloodcell" / "__init__.py").read_text(encoding="utf-8")
    source = re.sub('__version__ = ".*"', '__version__ = "0.1.0"', source)
    (origin / "bloodcell" / "__init__.py").write_text(source, encoding="utf-8")
    shutil.copytree(ROOT / ".ci", origin / ".ci")
    (origin / "CHANGELOG.md").write_text(CHANGES, encoding="utf-8")
    (origin / "Makefile").write_text("check:\n\ttest ! -e broken\n", encoding="utf-8")
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "A tree"]):
        output_of(origin, "git", *words)
    output_of(tmp_path, "git", "clone", "--quiet", "origin", "clone")
    return tmp_path / "clone"


def release(clone: Path, version: str) -> "subprocess.CompletedProcess[str]":
    return done(clone, sys.executable, ".ci/release.py", version)


def test_a_release_dates_the_changes_sets_the_version_commits_and_tags(clone: Path) -> None:
    before = date.today()
    released = release(clone, "0.2.0")
    assert released.returncode == 0, released.stderr
    changes = (clone / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changes in [
        CHANGES.replace("## Unreleased\n", f"## Unreleased\n\n## 0.2.0 - {day.isoformat()}\n")
        for day in (before, date.today())
    ]
    assert '__version__ = "0.2.0"' in output_of(
        clone, "git", "show", "v0.2.0:bloodcell/__init__.py"
    )
    assert output_of(clone, "git", "log", "-1", "--format=%s") == "Release 0.2.0\n"
    assert output_of(clone, "git", "status", "--porcelain") == ""


def test_a_release_of_nothing_new_is_refused(clone: Path) -> None:
    assert release(clone, "0.2.0").returncode == 0
    assert "says nothing under ## Unreleased" in release(clone, "0.3.0").stderr


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("0.1.0", "larger than 0.1.0"),
        ("0.0.10", "larger than 0.1.0"),
        ("next", "three numbers"),
    ],
)
def test_a_version_that_is_not_the_next_is_refused(clone: Path, version: str, said: str) -> None:
    assert said in release(clone, version).stderr


def test_a_tree_with_changes_is_refused(clone: Path) -> None:
    (clone / "notes.txt").touch()
    assert "not clean" in release(clone, "0.2.0").stderr


def test_a_tree_that_fails_its_checks_stays_as_it_is(clone: Path) -> None:
    (clone / "broken").touch()
    for words in (["add", "."], ["commit", "--quiet", "-m", "Broken"]):
        output_of(clone, "git", *words)
    assert "make check fails" in release(clone, "0.2.0").stderr
    assert output_of(clone, "git", "tag") == output_of(clone, "git", "status", "--porcelain") == ""


def test_make_release_wants_a_version_and_hands_it_over() -> None:
    assert ".ci/release.py 9.9.9" in output_of(ROOT, "make", "-n", "release", "VERSION=9.9.9")
    assert "VERSION=1.2.3" in done(ROOT, "make", "-n", "release").stderr


def test_what_is_installed_has_the_version_of_the_source() -> None:
    assert metadata.version("bloodcell") == bloodcell.__version__


def test_the_changelog_is_one_the_release_command_can_date() -> None:
    headings = [
        line
        for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("## ")
    ]
    assert headings[0] == "## Unreleased"
    for heading in headings[1:]:
        assert re.fullmatch(r"## \d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", heading)
    assert headings[1].startswith(f"## {bloodcell.__version__} ")


def test_a_tree_that_was_copied_and_not_installed_scores(
    cells: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = metadata.version

    def version(package: str) -> str:
        if package == "bloodcell":
            raise metadata.PackageNotFoundError(package)
        return installed(package)

    monkeypatch.setattr(metadata, "version", version)
    bloodcell.score(cells, tmp_path / "run", model=model, backend="onnxruntime")
    about = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert about["job"]["versions"]["bloodcell"] == bloodcell.__version__
