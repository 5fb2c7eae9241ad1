"""What the pages for contributors name is there."""

import re
from pathlib import Path

import pytest
from helpers.pages import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def names_of(pages: list[Path]) -> list[str]:
    return [page.name for page in pages]


@pytest.mark.parametrize("path", PAGES, ids=names_of(PAGES))
def test_every_link_leads_to_a_file(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=names_of(PAGES))
def test_every_make_command_is_a_target(path: Path) -> None:
    targets = re.findall(
        r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    named = re.findall(r"(?:`|^ {4})make ([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= set(targets)


def test_the_architecture_page_names_files_that_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    folders = ("", "engine", "engine/backends", "bloodcell")
    for name in re.findall(r"`([\w/]+\.(?:py|cpp|hpp|toml))`", text):
        assert any((ROOT / folder / name).is_file() for folder in folders), name


def test_hooks_fetch_nothing_and_are_the_checks_of_make_check() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"repo: (\S+)", hooks)) == {"local"}
    assert set(re.findall(r"language: (\S+)", hooks)) == {"system"}
    programs = re.findall(r"entry: \.venv/bin/((?:ruff|python) \S+|mypy)", hooks)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert programs == ["ruff format", "ruff check", "mypy", "python .ci/lint_imports.py"]
    assert all(f"$(BIN)/{program}" in makefile for program in programs)
