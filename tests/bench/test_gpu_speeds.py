"""Timing of lanes: what is measured, and that wrong results have no speed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gpu import inputs, speeds
from gpu.streams import pixels_on
from helpers import fake_gpu

from bloodcell.bench import timing
from bloodcell.bench.checks import check_colours
from bloodcell.bench.sample import Subject, open_subject
from bloodcell.bench.stages import decode_stage, network_stage
from bloodcell.bench.stand_in import write_stand_in
from bloodcell.bench.timing import timed_passes
from bloodcell.engine.backends.contract import CPU, IN_FLIGHT, Choice
from bloodcell.engine.backends.tensorrt import PlanOptions, TensorRTBackend
from bloodcell.engine.batches import ScoreBatch
from bloodcell.engine.decode import Decoder, Encoded
from bloodcell.engine.device_decode import DeviceDecoder
from bloodcell.engine.device_lane import DeviceLane
from bloodcell.engine.lanes import Lanes, open_lanes
from bloodcell.engine.setup import Setup
from bloodcell.errors import EngineError
from bloodcell.model import load_model

BATCH = 7


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_LEAST_S", 0.001)
    monkeypatch.setattr(inputs, "CELLS", 80)


@pytest.fixture(scope="module")
def manifest(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all 72 drawn images, in every format."""
    paths = sorted(str(path.relative_to(smears)) for path in smears.glob("*/*"))
    path = tmp_path_factory.mktemp("input") / "manifest.parquet"
    pq.write_table(pa.table({"path": paths}), path)
    return path


@pytest.fixture(scope="module")
def setup(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """A network that costs next to nothing, on the CPU."""
    model = load_model(write_stand_in(tmp_path_factory.mktemp("model") / "stand-in"))
    choice = Choice("onnxruntime", "a test", CPU)
    return Setup(choice, model.network, model.preprocessing, model.smears, smears, BATCH, 2)


@pytest.fixture
def subject(setup: Setup, manifest: Path) -> Subject:
    return open_subject(manifest, setup, open_lanes(setup))


@pytest.fixture
def on_device(setup: Setup, manifest: Path, pretended_gpu: list[int]) -> Subject:
    """The same on a pretended GPU, which decodes JPEGs alone."""
    host = Decoder(setup.preprocessing, batch_size=BATCH, threads=1)
    gpu = Decoder(setup.preprocessing, batch_size=BATCH, threads=1)

    def decode(encoded: Encoded) -> Any:
        pixels, samples, _ = gpu.decode(encoded)
        return pixels.view(fake_gpu.Array), samples

    backend = TensorRTBackend(setup.network, PlanOptions(BATCH, precision="float32"))
    assert pretended_gpu == [BATCH]
    lane = DeviceLane(DeviceDecoder(decode, host, decode), backend)
    return open_subject(manifest, setup, Lanes([lane], BATCH, BATCH, {}))


@pytest.mark.parametrize("device", ["subject", "on_device"])
def test_every_stage_and_the_whole_have_a_speed(
    device: str, request: pytest.FixtureRequest
) -> None:
    subject = request.getfixturevalue(device)
    check_colours(subject.sample, subject.setup.preprocessing)
    figures = speeds.speeds(subject)
    assert list(figures["cells_per_s"]) == ["read", "decode", "network", "end_to_end"]
    for speed in figures["cells_per_s"].values():
        assert 0 < speed["least"] <= speed["median"] <= speed["most"]
        assert speed["repeats"] == speeds.ROUNDS
    day = 86_400 * figures["cells_per_s"]["end_to_end"]["median"]
    assert figures["cells_a_day"] == pytest.approx(day, rel=1e-3)
    assert figures["end_to_end_to_slower_of_decode_and_network"]["most"] > 0
    assert pixels_on(subject.sample.images) == ("host" if device == "subject" else "GPU and host")


def test_a_device_is_waited_for_when_all_is_decoded(
    on_device: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, waited = decode_stage(on_device), []
    monkeypatch.setattr(fake_gpu.Stream, "synchronize", lambda _self: waited.append(1))
    timed_passes(stage, 3)
    assert len(waited) == 1


def test_a_devices_network_has_batches_in_flight(
    on_device: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, pending, most = network_stage(on_device), [0], [0]
    begin, wait = TensorRTBackend.begin, TensorRTBackend.wait

    def beginning(self: TensorRTBackend, *arguments: Any) -> Any:
        pending[0] += 1
        most[0] = max(most[0], pending[0])
        return begin(self, *arguments)

    def waiting(self: TensorRTBackend, slot: Any) -> None:
        pending[0] -= 1
        wait(self, slot)

    monkeypatch.setattr(TensorRTBackend, "begin", beginning)
    monkeypatch.setattr(TensorRTBackend, "wait", waiting)
    timed_passes(stage, 3)
    assert (most, pending) == ([IN_FLIGHT], [0])


def with_scores(subject: Subject, scores: list[ScoreBatch]) -> Subject:
    return replace(subject, sample=replace(subject.sample, scores=scores))


def test_a_stage_that_gives_other_results_has_no_speed(subject: Subject) -> None:
    scores = [replace(one, probabilities=one.probabilities[::-1]) for one in subject.sample.scores]
    figures = speeds.speeds(with_scores(subject, scores))
    why_not = "did not do its work, so its time is worth nothing: other probabilities than from"
    for name in ("network", "end_to_end"):
        said = f"the stage {name.replace('_', ' ')} {why_not} batches cut elsewhere"
        assert figures["cells_per_s"][name] == {"failed": said}
    assert figures["cells_per_s"]["decode"]["median"] > 0
    assert figures.keys() == {"cells_per_s"}


def test_a_batch_that_is_lost_is_seen(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = speeds.score_stream

    def losing(*arguments: Any) -> Iterator[ScoreBatch]:
        batches = whole(*arguments)
        next(batches)
        yield from batches

    monkeypatch.setattr(speeds, "score_stream", losing)
    with pytest.raises(EngineError, match=r"end to end did not do its work.*: a batch lost"):
        timed_passes(speeds.end_to_end_stage(subject), 2)


def test_copies_by_what_crosses(subject: Subject) -> None:
    figures = speeds.copies(subject)
    pixels = figures["cells_per_s"]["pixels_up"]["median"] * 3 * 32 * 32 * 4 / 1e9
    assert figures["gb_per_s"]["pixels_up"]["median"] == pytest.approx(pixels, abs=2e-3)
    assert list(figures["gb_per_s"]) == ["pixels_up", "encoded_up", "probabilities_down"]


def test_against_the_cpu(subject: Subject) -> None:
    alike = {"cells": 72, "same_class": 1.0, "largest_difference": 0.0}
    assert speeds.against_cpu(subject) == alike
    scores = subject.sample.scores
    rolled = [replace(one, probabilities=np.roll(one.probabilities, 1, axis=1)) for one in scores]
    compared = speeds.against_cpu(with_scores(subject, rolled))
    assert compared["same_class"] == 0.0
    assert compared["largest_difference"] > 0
