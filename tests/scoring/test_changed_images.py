"""Images that were changed under the same names since they were scored: refused, and named."""

import hashlib
import os
import shutil
import tarfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from helpers.drawn_runs import digests
from helpers.tiny_model import write_tiny_model

import bloodcell
from bloodcell.cli import main
from bloodcell.errors import RunError, Stopped

pytestmark = pytest.mark.usefixtures("small_parts")

Score = Callable[..., bloodcell.Run]


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> Score:
    """Scores by a small network, which starts in half the time."""
    model = write_tiny_model(tmp_path_factory.mktemp("tiny") / "model", "pbc8")
    return partial(bloodcell.score, model=model, backend="onnxruntime")


@pytest.fixture
def images(smears: Path, tmp_path: Path) -> Path:
    """The drawn smears, to be changed."""
    copy = shutil.copytree(smears, tmp_path / "images")
    (copy / "labels.csv").unlink()
    return copy


@pytest.fixture
def manifest(images: Path) -> Path:
    """The images as a manifest, which lists them whether they are there or not."""
    paths = [str(path.relative_to(images)) for path in sorted(images.glob("*/*"))]
    lines = [f"{path},{path.split('/')[0]}" for path in paths]
    (images / "manifest.csv").write_text("\n".join(["path,patient", *lines]) + "\n")
    return images / "manifest.csv"


def whole(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run but its lock."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def flip(path: Path, at: int) -> None:
    """Change one bit of a file's byte and nothing of what the file system tells of it."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def packed(images: Path) -> tuple[Path, Path, int]:
    """The images as a shard; also a place within one of them, phantom-002's third."""
    shard = images.parent / "night" / "night.tar"
    shard.parent.mkdir()
    with tarfile.open(shard, "w") as archive:
        archive.add(images, ".")
    with tarfile.open(shard) as archive:
        third = sorted(name for name in archive.getnames() if "phantom-002/" in name)[2]
        return shard.parent, shard, archive.getmember(third).offset_data + 100


@pytest.mark.parametrize("kind", ["folder", "manifest", "shards"])
def test_one_changed_image_is_refused_and_nothing_of_the_run_changes(
    images: Path, manifest: Path, tmp_path: Path, score: Score, kind: str
) -> None:
    third = sorted((images / "phantom-002").iterdir())[2]
    source, changed, at = images, third, 100
    if kind == "manifest":
        source = manifest
    else:
        manifest.unlink()
    if kind == "shards":
        source, changed, at = packed(images)
    score(source, tmp_path / "run")
    before = whole(tmp_path / "run")
    flip(changed, at)
    with pytest.raises(RunError, match=rf"1 were changed, of 72 .*{third.name}\).* new --out"):
        score(source, tmp_path / "run")
    assert whole(tmp_path / "run") == before
    flip(changed, at)
    score(source, tmp_path / "run")
    assert (
        digests(tmp_path / "run").items()
        <= {Path(name).name: digest for name, digest in before.items()}.items()
    )


def test_images_that_were_touched_or_copied_are_the_same(
    images: Path, tmp_path: Path, score: Score
) -> None:
    score(images, tmp_path / "run")
    before = digests(tmp_path / "run")
    for path in images.glob("*/*"):
        shutil.copy(path, tmp_path / "copy")
        (tmp_path / "copy").replace(path)
    score(images, tmp_path / "run")
    assert digests(tmp_path / "run") == before


def stopped_in_the_third_part(score: Score, images: Path, run: Path) -> None:
    stop = threading.Event()
    with pytest.raises(Stopped, match="32 of 72"):
        score(
            images, run, batch_size=5, threads=1, stop=stop,
            progress=lambda done, _cells: stop.set() if done > 40 else None,
        )  # fmt: skip


def test_only_images_of_finished_parts_are_held_against_a_digest(
    images: Path, tmp_path: Path, score: Score
) -> None:
    stopped_in_the_third_part(score, images, tmp_path / "run")
    finished, ahead = sorted(images.glob("*/*"))[20], sorted(images.glob("*/*"))[60]
    flip(finished, -20)
    flip(ahead, -20)
    with pytest.raises(RunError, match=rf"1 were changed, of 32 .*{finished.name}"):
        score(images, tmp_path / "run")
    flip(finished, -20)
    score(images, tmp_path / "run")


def test_images_that_are_gone_are_named_and_if_all_are_the_run_is_only_stopped(
    manifest: Path, tmp_path: Path, score: Score
) -> None:
    score(manifest, tmp_path / "run")
    before = whole(tmp_path / "run")
    (gone,) = sorted((manifest.parent / "phantom-001").iterdir())[:1]
    gone.rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=rf"1 are gone or cannot be read, of 72 .*{gone.name}"):
        score(manifest, tmp_path / "run")
    for patient in manifest.parent.glob("phantom-*"):
        patient.rename(patient.with_name(f"away-{patient.name}"))
    with pytest.raises(Stopped, match=r"72 are gone .*Mount them again"):
        score(manifest, tmp_path / "run")
    assert whole(tmp_path / "run") == before


def test_an_image_that_was_not_there_may_come(images: Path, tmp_path: Path, score: Score) -> None:
    late = sorted(images.glob("*/*"))[3]
    late.rename(tmp_path / "late")
    late.symlink_to(tmp_path / "not yet")
    assert score(images, tmp_path / "run").counts.rejected == {"missing": 1}
    late.unlink()
    (tmp_path / "late").rename(late)
    assert score(images, tmp_path / "run").counts.rejected == {"missing": 1}
    assert score(images, tmp_path / "run", retry_rejected=True).counts.rejected == {}


def test_the_comparison_can_be_stopped(images: Path, tmp_path: Path, score: Score) -> None:
    score(images, tmp_path / "run")
    before, stop = whole(tmp_path / "run"), threading.Event()
    with pytest.raises(Stopped, match="the run is as it was"):
        score(images, tmp_path / "run", stop=stop, progress=lambda *_: stop.set())
    assert whole(tmp_path / "run") == before


def test_verify_reads_the_images_if_asked(images: Path, tmp_path: Path, score: Score) -> None:
    score(images, tmp_path / "run")
    command = ["verify", str(tmp_path / "run")]
    good = CliRunner().invoke(main, [*command, "--images"])
    assert good.exit_code == 0
    assert "72 are, byte for byte, what was scored" in good.stdout
    first, second, *_ = sorted(images.glob("*/*"))
    flip(first, -20)
    second.unlink()
    assert CliRunner().invoke(main, command).exit_code == 0
    bad = CliRunner().invoke(main, [*command, "--images"])
    assert bad.exit_code == 1
    assert "1 were changed and 1 are gone or cannot be read, of 72 images" in bad.stdout
    assert first.name in bad.stdout
    assert second.name in bad.stdout
    images.rename(tmp_path / "moved")
    assert "is not there" in CliRunner().invoke(main, [*command, "--images"]).stdout


def test_a_run_without_digests_is_read_and_not_taken_up(
    images: Path, tmp_path: Path, score: Score
) -> None:
    run = score(images, tmp_path / "run")
    for path in (tmp_path / "run" / "cells").iterdir():
        pq.write_table(pq.read_table(path, partitioning=None).drop(["digest"]), path)
    assert isinstance(bloodcell.open_run(run.folder).cells(), pa.Table)
    with pytest.raises(RunError, match="kept no digests of images"):
        score(images, tmp_path / "run")
    told = CliRunner().invoke(main, ["verify", str(run.folder)])
    assert told.exit_code == 1
    assert "kept no digests of images" in told.stderr
    assert told.stdout == ""
