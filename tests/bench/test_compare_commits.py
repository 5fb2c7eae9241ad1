"""Commits compared: the arithmetic, what is cleaned up, and whose bloodcell is measured."""

import subprocess
import sys
from pathlib import Path

import pytest
from compare_commits import (
    checked_out,
    commit_of,
    git,
    lend_libraries,
    measured,
    own_packages,
    run,
    share_alike,
    summary,
)

from bloodcell.errors import EngineError, InputError


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    git(tree, "init", "--quiet")
    (tree / "file").write_text("first")
    git(tree, "add", "file")
    someone = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
    git(tree, *someone, "commit", "--quiet", "--no-verify", "-m", "first")
    (tree / "file").write_text("not committed")
    return tree


def test_ratios_are_taken_pair_by_pair() -> None:
    times = {"score": [(4.0, 2.0), (9.0, 3.0), (2.0, 2.0)], "gate": [(1.0, 2.0)]}
    rows = [
        {"round": i, "piece": piece, "old_s": old, "new_s": new, "ratio": old / new,
         "same_answers": 1 - i / 10}
        for piece, pairs in times.items()
        for i, (old, new) in enumerate(pairs)
    ]  # fmt: skip
    score, gate = summary(rows)
    assert (score["piece"], score["old_s"], score["new_s"]) == ("score", 4, 2)
    assert score["ratio"] == {"median": 2, "least": 1, "most": 3, "repeats": 3}
    assert score["same_answers"] == 0.8
    assert gate["ratio"]["median"] == 0.5


def test_answers_are_compared_one_by_one() -> None:
    assert share_alike(["a", "b", "c", "d"], ["a", "x", "c", "d"]) == 0.75
    assert share_alike(["a"], ["a", "b"]) == 0


def test_a_worktree_holds_the_commit_and_is_gone_after_an_interruption(
    repository: Path, tmp_path: Path
) -> None:
    def interrupted() -> None:
        with checked_out(repository, commit_of(repository, "HEAD"), tmp_path / "other") as tree:
            assert (tree / "file").read_text() == "first"
            (tree / "built").write_text("something")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (tmp_path / "other").exists()
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert (repository / "file").read_text() == "not committed"


def test_an_unknown_commit_is_named(repository: Path) -> None:
    with pytest.raises(InputError, match=r"^'nowhere' is no commit, branch or tag of "):
        commit_of(repository, "nowhere")


def test_a_command_that_fails_is_named_with_its_last_words() -> None:
    with pytest.raises(EngineError, match=r" failed: ZeroDivisionError: division by zero$"):
        run(sys.executable, "-c", "1 / 0")


def test_an_environment_has_its_own_bloodcell_and_the_libraries_from_here(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)
    (own_packages(tmp_path) / "bloodcell.py").write_text("import numpy; whose = 'its own'")
    lend_libraries(tmp_path)
    python = tmp_path / "bin" / "python"
    assert run(str(python), "-I", "-c", "import bloodcell; print(bloodcell.whose)") == "its own\n"


@pytest.mark.parametrize("piece", ["gate", "accumulate", "score"])
def test_a_piece_gives_the_same_answer_each_time(smears: Path, piece: str) -> None:
    cells = {"score": 72, "gate": 40, "accumulate": 1000}
    (first_s, first), (second_s, second) = (
        measured(Path(sys.executable), piece, smears, cells[piece]) for _ in "ab"
    )
    assert min(first_s, second_s) > 0
    assert len(first) == (72 if piece == "score" else 1)
    assert share_alike(first, second) == 1
