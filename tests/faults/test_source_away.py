"""What holds the cells goes away: the run stops and can be resumed; a cell alone is rejected."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn_runs import digests, state
from helpers.local_scorer import LocalScorer
from helpers.tar_shards import pack

import bloodcell
from bloodcell import scoring
from bloodcell.engine import source
from bloodcell.errors import Stopped

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.fixture
def share(smears: Path, tmp_path: Path) -> Path:
    """The drawn cells, where a test may take them away."""
    (tmp_path / "mount").mkdir()
    return Path(shutil.copytree(smears, tmp_path / "mount" / "share"))


@pytest.fixture
def undisturbed(share: Path, tmp_path: Path) -> dict[str, str]:
    return digests(bloodcell.score(share, tmp_path / "undisturbed").folder)


def once_after(cells: int, act: Callable[[], object]) -> Callable[[int, int], None]:
    done = threading.Event()

    def progress(scored: int, _all: int) -> None:
        if scored > cells and not done.is_set():
            done.set()
            act()

    return progress


def score(share: Path, out: Path, **options: object) -> bloodcell.Run:
    return bloodcell.score(share, out, batch_size=4, threads=1, **options)  # type: ignore[arg-type]


def test_a_root_that_goes_away_stops_the_run(
    share: Path, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    away = once_after(20, lambda: share.rename(tmp_path / "elsewhere"))
    with pytest.raises(Stopped, match="share is gone, or another folder"):
        score(share, tmp_path / "run", progress=away)
    assert state(tmp_path / "run") == "stopped"
    (tmp_path / "elsewhere").rename(share)
    assert digests(score(share, tmp_path / "run").folder) == undisturbed


def test_an_empty_mount_point_in_place_of_the_share_stops_the_run(
    share: Path, tmp_path: Path
) -> None:
    def unmount() -> None:
        share.rename(tmp_path / "elsewhere")
        share.mkdir()

    with pytest.raises(Stopped, match="another folder than at the start"):
        score(share, tmp_path / "run", progress=once_after(20, unmount))


def test_a_share_that_was_away_for_a_moment_costs_no_cell(
    share: Path, tmp_path: Path, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = source.read_whole_files, iter(range(100))

    def away_for_a_moment(*arguments: object, **options: object) -> object:
        if next(calls) != 6:
            return real(*arguments, **options)
        share.rename(tmp_path / "elsewhere")
        try:
            return real(*arguments, **options)
        finally:
            (tmp_path / "elsewhere").rename(share)

    monkeypatch.setattr(scoring, "open_scorer", LocalScorer)
    monkeypatch.setattr(source, "read_whole_files", away_for_a_moment)
    with pytest.raises(Stopped, match="can be read again"):
        score(share, tmp_path / "run")
    monkeypatch.setattr(source, "read_whole_files", real)
    assert digests(score(share, tmp_path / "run").folder) == undisturbed


def test_a_patients_mount_that_goes_away_stops_the_run(share: Path, tmp_path: Path) -> None:
    """The root stays, and cells that were read before are gone too."""
    table = tmp_path / "table.csv"
    cells = sorted(share.glob("phantom-*/*"))
    table.write_text("path,patient\n" + "".join(f"{cell},p\n" for cell in cells))
    away = once_after(20, lambda: share.rename(tmp_path / "elsewhere"))
    with pytest.raises(Stopped, match="can no longer be read"):
        score(table, tmp_path / "run", progress=away)


def test_an_input_that_goes_away_while_it_is_listed_stops_the_run(
    share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.walk

    def slow_walk(*arguments: object, **options: object) -> object:
        share.rename(tmp_path / "elsewhere")
        share.mkdir()
        return real(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "walk", slow_walk)
    with pytest.raises(Stopped, match="another folder"):
        score(share, tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_file_that_is_missing_is_missing_and_read_again_when_asked(
    share: Path, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    cells = sorted(share.glob("phantom-*/*"))
    kept = {cell: cell.read_bytes() for cell in (cells[3], cells[4], cells[40])}

    def lose() -> None:
        cells[3].unlink()
        cells[4].write_bytes(b"")
        cells[40].unlink()

    real = os.walk

    def lose_when_listed(*arguments: object, **options: object) -> object:
        yield from real(*arguments, **options)  # type: ignore[call-overload]
        if str(arguments[0]).endswith("2"):
            lose()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "walk", lose_when_listed)
        run = score(share, tmp_path / "run")
    assert run.counts.rejected == {"missing": 2, "empty": 1}
    for cell, content in kept.items():
        cell.write_bytes(content)
    before = {path.name: path.stat().st_ino for path in (run.folder / "cells").iterdir()}
    assert score(share, run.folder).counts.rejected == {"missing": 2, "empty": 1}
    again = score(share, run.folder, retry_rejected=True)
    assert again.counts.rejected == {}
    assert digests(run.folder) == undisturbed
    after = {path.name: path.stat().st_ino for path in (run.folder / "cells").iterdir()}
    changed = sorted(name for name in after if after[name] != before[name])
    assert changed == ["part-00000.parquet", "part-00002.parquet"]


READ = """
import sys
from pathlib import Path
import pyarrow as pa
from bloodcell.engine.source import read_files
names = sys.argv[2:]
table = pa.table({"row": range(len(names)), "path": names})
for batch in read_files(Path(sys.argv[1]), [table]):
    print(*batch.reasons)
"""


@pytest.mark.parametrize(
    ("error", "call"), [("EIO", "pread64"), ("ESTALE", "openat"), ("ENOTCONN", "pread64")]
)
def test_a_file_system_that_fails_is_told_from_a_file_that_fails(
    error: str, call: str, strace: str, share: Path
) -> None:
    everything = sorted(path.name for path in (share / "phantom-000").iterdir())
    names = everything[:5]

    def read(*failing: str, only: list[str] = names) -> subprocess.CompletedProcess[str]:
        paths = [word for name in failing for word in ("-P", share / "phantom-000" / name)]
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}"]
        program = [sys.executable, "-c", READ, share / "phantom-000", *only]
        words = [strace, "-f", "-o", os.devnull, *inject, *paths, *program]
        return subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)

    of_one = read(names[2], only=names[2:3])
    assert of_one.stdout.split() == ["2"], of_one.stderr
    alone = read(names[2])
    assert alone.stdout.split() == ["0", "0", "2", "0", "0"], alone.stderr
    last_alone = read(names[4])
    assert last_alone.stdout.split() == ["0", "0", "0", "0", "2"], last_alone.stderr
    assert read(*names).stdout.split() == 5 * ["2"], "those beside them can be read"
    for gone in (everything[2:], everything):
        failed = read(*gone)
        message = os.strerror(getattr(errno, error))
        assert f"Stopped: stopped: the file system fails below {share}" in failed.stderr
        assert message in failed.stderr


READ_SHARD = """
import sys
from pathlib import Path
from helpers.tar_shards import frozen
from bloodcell.engine.source import read_files
shards, folder = map(Path, sys.argv[1:])
for batch in read_files(shards, [frozen(shards, folder)]):
    print(*batch.reasons)
"""


def test_a_range_of_a_shard_that_cannot_be_read_costs_one_cell(
    strace: str, smears: Path, tmp_path: Path
) -> None:
    images = sorted((smears / "phantom-000").iterdir())[:5]
    members = {f"p/{image.name}": image.read_bytes() for image in images}
    shard = pack(tmp_path / "shards" / "cells.tar", members)

    def read(when: str) -> subprocess.CompletedProcess[str]:
        # Python lists the shard by read; its images are read by pread64 alone.
        inject = ["-e", "trace=pread64", "-e", f"inject=pread64:error=EIO:when={when}"]
        program = [sys.executable, "-c", READ_SHARD, shard.parent, tmp_path]
        words = [strace, "-f", "-o", os.devnull, *inject, "-P", shard, *program]
        path = str(Path(__file__).parents[1])
        env = os.environ | {"PYTHONPATH": path}
        return subprocess.run(
            words, check=False, capture_output=True, text=True, env=env, timeout=120
        )

    alone = read("3")
    assert alone.stdout.split() == ["0", "0", "2", "0", "0"], alone.stderr
    failed = read("1+")
    assert f"Stopped: stopped: the file system fails below {shard.parent}" in failed.stderr
