"""What cannot be merged is refused in one line, before anything is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from helpers.command_lines import HEAVY, packages_loaded
from merging.conftest import Scored

import bloodcell
from bloodcell.audit import AuditLog
from bloodcell.cli import main
from bloodcell.errors import RunError
from bloodcell.files import sha256_of


@pytest.fixture
def runs(folders: Scored, tmp_path: Path) -> list[Path]:
    """Copies, to be spoilt."""
    return [shutil.copytree(run, tmp_path / run.name) for run in folders.runs]


def edit(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    entries = json.loads((run / "run.json").read_text())
    change(entries)
    (run / "run.json").write_text(json.dumps(entries))


def spoil_part(run: Path) -> None:
    path = run / "cells" / "part-00001.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(3, "status", pa.array(["scored"] * table.num_rows)), path)


def drop_last_line(run: Path) -> None:
    lines = (run / "audit.jsonl").read_text().splitlines(keepends=True)
    (run / "audit.jsonl").write_text("".join(lines[:-1]))


def change_manifest(run: Path) -> None:
    table = pq.read_table(run / "manifest.parquet")
    pq.write_table(table.slice(1), run / "manifest.parquet")


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "model": (
        lambda run: edit(run, lambda entries: entries["job"].update(model_sha256="0")),
        "cannot be merged: model_sha256 is [0-9a-f]{64} in one, 0 in the other",
    ),
    "backend": (
        lambda run: edit(run, lambda entries: entries["job"].update(backend="torch")),
        "run-1 and .*run-3 cannot be merged: backend is onnxruntime in one, torch in the other",
    ),
    "version": (
        lambda run: edit(run, lambda entries: entries["job"]["versions"].update(pyarrow="1")),
        "pyarrow is .* in one, 1 in the other",
    ),
    "package": (
        lambda run: edit(run, lambda entries: entries["job"]["versions"].pop("pyarrow")),
        "pyarrow is .* in one, None in the other",
    ),
    "counting": (
        lambda run: edit(run, lambda entries: entries["job"].update(profile="marrow")),
        "profile is blood in one, marrow in the other",
    ),
    "stopped": (
        lambda run: edit(run, lambda entries: entries.update(state="stopped")),
        r"run-3 is not done \(stopped\)",
    ),
    "changed part": (spoil_part, r"part-00001\.parquet is gone or was changed"),
    "lost part": (
        lambda run: (run / "cells" / "part-00000.parquet").unlink(),
        r"part-00000\.parquet is gone or was changed",
    ),
    "log cut short": (drop_last_line, r"audit\.jsonl does not end as run\.json says"),
    "manifest": (change_manifest, r"manifest\.parquet is not the file that this run froze"),
    "no run": (lambda run: (run / "run.json").unlink(), "is not a run folder"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_not_whole_or_of_another_kind(what: str, runs: list[Path], tmp_path: Path) -> None:
    spoil, line = SPOILT[what]
    spoil(runs[2])
    with pytest.raises(RunError, match=line) as refused:
        bloodcell.merge(runs, tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_cell_of_two_runs(folders: Scored, manifests: Scored, tmp_path: Path) -> None:
    first, second, _ = folders.runs
    copy = shutil.copytree(first, tmp_path / "copy")
    with pytest.raises(RunError, match=r"copy both have cells of .*/B-1:"):
        bloodcell.merge([first, second, copy], tmp_path / "out")
    with pytest.raises(RunError, match=r"both have cells of .*/a-2:"):
        bloodcell.merge([folders.whole, second], tmp_path / "out")
    with pytest.raises(RunError, match=r"night/.* is a cell of two of the runs"):
        bloodcell.merge([manifests.whole, manifests.runs[0]], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_runs_whose_manifests_have_other_columns(
    folders: Scored, manifests: Scored, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"the columns is row .* in one, .*slide \(string\)"):
        bloodcell.merge([folders.runs[0], manifests.runs[0]], tmp_path / "out")


def test_fewer_than_two_runs(folders: Scored, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="two runs or more are merged, 1 given"):
        bloodcell.merge(folders.runs[:1], tmp_path / "out")


def test_an_out_that_holds_something_else(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="already holds a finished run"):
        bloodcell.merge(runs[:2], runs[2])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").touch()
    with pytest.raises(RunError, match=r"is not empty and holds no run \(notes\.txt"):
        bloodcell.merge(runs, tmp_path / "out")
    with pytest.raises(RunError, match=r"notes\.txt is a file"):
        bloodcell.merge(runs, tmp_path / "out" / "notes.txt")


def test_a_run_that_was_begun_with_other_cells(runs: list[Path], tmp_path: Path) -> None:
    merged = bloodcell.merge(runs, tmp_path / "out")
    edit(merged.folder, lambda entries: entries.update(state="running"))
    before = sha256_of(merged.folder / "manifest.parquet")
    with pytest.raises(RunError, match="belongs to another job: it was begun with other cells"):
        bloodcell.merge(runs[:2], tmp_path / "out")
    assert sha256_of(merged.folder / "manifest.parquet") == before


def test_answers_of_reviews_stay_where_they_are(
    runs: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog(runs[1] / "audit.jsonl")
    log.append("review", number=1, reviewer="", file="001-.json", answers_sha256="0")
    edit(runs[1], lambda entries: entries.update(audit_head=log.head))
    bloodcell.merge(runs, tmp_path / "out")
    (warning,) = caplog.messages
    assert warning.startswith(f"reviews are not carried over, their answers stay in {runs[1]}:")


def test_a_slip_in_a_path_is_answered_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    words = ("merge", "/no/such", "/nor/this", "--out", str(tmp_path / "out"))
    assert HEAVY.isdisjoint(packages_loaded("bloodcell.cli", *words, exit_status=1))


def test_the_command_says_it_in_one_line(folders: Scored, tmp_path: Path) -> None:
    run = str(folders.runs[0])
    done = CliRunner().invoke(main, ["merge", run, "--out", str(tmp_path / "out")])
    assert (done.exit_code, done.output) == (1, "bloodcell: two runs or more are merged, 1 given\n")
