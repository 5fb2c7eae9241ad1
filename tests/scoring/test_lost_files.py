"""A run that lost files says which, and what to do."""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import bloodcell
from bloodcell.cli import main
from bloodcell.errors import InputError, RunError
from bloodcell.paths import check_out
from bloodcell.run_folder import refuse_foreign


@pytest.fixture
def folder(run: bloodcell.Run, tmp_path: Path) -> Path:
    """A copy of a good run, to be spoilt."""
    return shutil.copytree(run.folder, tmp_path / "run")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("patients.parquet", "run the same `bloodcell score` again"),
        ("manifest.parquet", "restore it from a copy"),
        ("cells/part-00001.parquet", "holds 56 of its 72 cells"),
    ],
)
@pytest.mark.parametrize(
    "words", [("report",), ("export", "--to", "csv"), ("export", "--to", "hl7")]
)
def test_what_is_made_of_a_run_is_not_made_of_one_that_lost_files(
    folder: Path, name: str, says: str, words: tuple[str, ...]
) -> None:
    (folder / name).unlink()
    done = CliRunner().invoke(main, [words[0], str(folder), *words[1:]])
    assert done.exit_code == 1
    assert says in done.output
    assert "Errno" not in done.output
    assert not (folder / "export").exists()


@pytest.mark.parametrize("command", ["report", "export"])
def test_nor_of_one_with_a_part_that_was_cut(folder: Path, command: str) -> None:
    cut(folder / "cells" / "part-00002.parquet")
    words = [command, str(folder), *(["--to", "csv"] if command == "export" else [])]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "cannot be read" in done.output
    assert "run the same `bloodcell score` again" in done.output


def test_a_folder_that_lost_its_run_json_is_told_apart_from_a_foreign_one(folder: Path) -> None:
    (folder / "run.json").unlink()
    with pytest.raises(RunError, match=r"holds files of a run \(audit\.jsonl, \.\.\.\) and no run"):
        refuse_foreign(folder)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / "thesis.doc").touch()
    with pytest.raises(RunError, match=r"is not empty and holds no run \(thesis\.doc"):
        refuse_foreign(folder)


@pytest.mark.parametrize("content", ["", '{"state": "do'])
def test_a_spoilt_run_json_says_what_to_do(folder: Path, content: str) -> None:
    (folder / "run.json").write_text(content)
    with pytest.raises(
        RunError, match=r"run\.json is (empty|damaged .*), .* restore it from a copy"
    ):
        bloodcell.open_run(folder)


def test_an_out_that_is_a_link_to_nowhere_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "lnk").symlink_to("/no/such/folder")
    for out in (tmp_path / "lnk", tmp_path / "lnk" / "run"):
        with pytest.raises(InputError, match="lnk is a link that leads nowhere, to /no/such/fold"):
            check_out(out)
    check_out(tmp_path / "run")
