"""Every stage alone does a run's own work, and none that does less gets a time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bloodcell
from bloodcell._core import Accumulator
from bloodcell.bench import checks
from bloodcell.bench.inputs import Drawn, repeated_input
from bloodcell.bench.run import limit_of
from bloodcell.bench.sample import (
    Subject,
    about_images,
    open_subject,
    sampled_part,
    setup_for,
)
from bloodcell.bench.scoring_options import Scoring
from bloodcell.bench.stages import stages_of, time_drawn_parts
from bloodcell.bench.stand_in import write_stand_in
from bloodcell.bench.timing import Stage, one_by_one, timed_passes
from bloodcell.engine.lanes import open_lanes
from bloodcell.errors import EngineError, InputError
from bloodcell.model import load_model

CELLS = 100
SCHEME = load_model().scheme


@pytest.fixture(scope="module")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> Scoring:
    model = write_stand_in(tmp_path_factory.mktemp("model") / "model")
    return Scoring(str(model), "auto", 16, 2)


@pytest.fixture(scope="module")
def manifest(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the drawn smears in every format, and two cells that are none."""
    folder = tmp_path_factory.mktemp("stages")
    source = folder / "in.csv"
    good = [path for path in sorted(smears.glob("*/*")) if path.is_file()]
    (folder / "torn.jpg").write_bytes(good[0].read_bytes()[:3000])
    rows = [*map(str, good[:30]), "absent.jpg", "torn.jpg", *map(str, good[30:])]
    source.write_text("path,patient\n" + "".join(f"{row},p\n" for row in rows))
    return repeated_input(source, CELLS, folder / "input", patients=3)


@pytest.fixture(scope="module")
def subject(manifest: Path, scoring: Scoring) -> Subject:
    return opened(manifest, scoring)


def opened(manifest: Path, scoring: Scoring) -> Subject:
    setup = setup_for(manifest, scoring)
    return open_subject(manifest, setup, open_lanes(setup))


@pytest.fixture(scope="module")
def stages(
    subject: Subject, scoring: Scoring, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Stage]:
    part = sampled_part(subject, load_model(scoring.model).scheme)
    scratch = tmp_path_factory.mktemp("store")
    return {stage.name: stage for stage in stages_of(subject, part, scratch)}


def test_all_stages_of_a_run_are_timed(stages: dict[str, Stage]) -> None:
    assert list(stages) == ["read", "gate", "decode", "network", "accumulate", "store"]
    assert all(timed_passes(stage, passes=2) > 0 for stage in stages.values())


def test_the_stages_give_what_the_run_gives(
    subject: Subject, manifest: Path, scoring: Scoring, tmp_path: Path
) -> None:
    checks.check_colours(subject.sample, subject.setup.preprocessing)
    run = bloodcell.score(manifest, tmp_path / "run", scoring.model, batch_size=7)
    assert run.about["rejected"] == {"missing": 1, "truncated": 1}
    checks.check_run(run, subject.sample)
    other = bloodcell.score(manifest, tmp_path / "other")
    with pytest.raises(EngineError, match="other probabilities than the stages alone"):
        checks.check_run(other, subject.sample)


def empty_cells(batch: Any) -> Any:
    return replace(batch, buffer=batch.buffer[:0], offsets=np.zeros_like(batch.offsets))


def file_without_scores(path: Path, rows: pa.Table) -> Path:
    scores = pa.array([[0.0] * 18] * rows.num_rows, pa.list_(pa.float32(), 18))
    pq.write_table(rows.append_column("probabilities", scores), path)
    return path


LAZY: dict[str, Callable[[Subject, Any], Any]] = {
    "read": lambda subject, table: next(
        empty_cells(batch)
        for batch in subject.sample.encoded
        if batch.rows[0] == table["row"][0].as_py()
    ),
    "gate": lambda _, item: np.zeros(len(item[1]) - 1, np.uint8),
    "decode": lambda subject, batch: replace(
        subject.sample.images[0], pixels=np.zeros((len(batch.rows), 3, 32, 32), np.float32)
    ),
    "network": lambda _, images: np.full((len(images.pixels), 18), 1 / 18, np.float32),
    "accumulate": lambda *_: Accumulator(3, SCHEME.is_blast, SCHEME.is_leukocyte),
    "store": lambda subject, part: file_without_scores(subject.setup.root / "f", part.rows),
}


@pytest.mark.parametrize("name", LAZY)
def test_a_stage_that_does_nothing_fails_its_check(
    subject: Subject, stages: dict[str, Stage], name: str
) -> None:
    def do_nothing(item: Any) -> Any:
        return LAZY[name](subject, item)

    lazy = replace(stages[name], works=lambda: [one_by_one(do_nothing)])
    with pytest.raises(EngineError, match=f"the stage {name} did not do its work"):
        timed_passes(lazy, passes=1)


def test_pixels_that_are_not_those_of_the_files_are_found(subject: Subject) -> None:
    images = [replace(batch, pixels=batch.pixels + 1) for batch in subject.sample.images]
    with pytest.raises(EngineError, match="mean colour"):
        checks.check_colours(replace(subject.sample, images=images), subject.setup.preprocessing)


def test_the_images_are_described(tmp_path: Path) -> None:
    drawn = Drawn("png", side_px=100, distinct=3)
    about = about_images(repeated_input(None, 5, tmp_path, drawn=drawn))
    assert (about["image_format"], about["image_width_px"], about["image_height_px"]) == (
        "png", 100, 100,
    )  # fmt: skip


def test_an_input_without_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("path,patient\nabsent,p\n")
    manifest = repeated_input(tmp_path / "in.csv", 4, tmp_path / "in")
    with pytest.raises(InputError, match="no image among 4"):
        about_images(manifest)
    with pytest.raises(InputError, match="can be decoded"):
        opened(manifest, Scoring(None, "auto", None, 1))


@pytest.mark.parametrize("name", ["accumulate", "store"])
def test_drawn_parts_are_whole(name: str, tmp_path: Path) -> None:
    cells, elapsed_s = time_drawn_parts(name, 5000, 7, tmp_path)
    assert cells == 8192
    assert elapsed_s > 0


def test_the_limit_is_what_shared_threads_allow_or_the_slowest_stage(
    stages: dict[str, Stage],
) -> None:
    chosen = [stages[name] for name in ("read", "gate", "decode", "network")]
    seconds = {"read": 0.001, "gate": 0.5, "decode": 0.002, "network": 0.003}
    # One thread reads, two decode, two compute: 11 thread-milliseconds a cell, on two threads.
    assert limit_of(chosen, seconds, shared_threads=2) == pytest.approx(2 / 0.011)
    assert limit_of(chosen, seconds, shared_threads=None) == pytest.approx(1 / 0.003)
    slow_read = seconds | {"read": 0.1}
    assert limit_of(chosen, slow_read, shared_threads=64) == pytest.approx(10)
