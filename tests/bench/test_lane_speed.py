"""Timing of lanes: what is measured, and that wrong results have no speed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lane_speed
import lane_stages
import numpy as np
import pyarrow as pa
import pytest
from helpers import fake_gpu
from lane_stages import Subject, open_subject, stages_of

import bloodcell
from bloodcell.bench.stand_in import write_stand_in
from bloodcell.bench.timing import Stage, timed_passes
from bloodcell.engine.backends.contract import CPU, IN_FLIGHT, Choice
from bloodcell.engine.backends.tensorrt import PlanOptions, TensorRTBackend
from bloodcell.engine.batches import ScoreBatch
from bloodcell.engine.decode import Decoder, Encoded
from bloodcell.engine.device_decode import DeviceDecoder
from bloodcell.engine.device_lane import DeviceLane
from bloodcell.engine.lanes import Lanes, Setup, open_lanes
from bloodcell.errors import EngineError
from bloodcell.model import load_model

BATCH = 7


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_speed, "STAGE_S", 0.001)
    monkeypatch.setattr(lane_speed, "END_TO_END_S", 0.001)


@pytest.fixture(scope="module")
def setup(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """A network that costs next to nothing, on the CPU."""
    model = load_model(write_stand_in(tmp_path_factory.mktemp("model") / "stand-in"))
    choice = Choice("onnxruntime", "a test", CPU)
    return Setup(choice, model.network, model.preprocessing, smears, BATCH, 2)


@pytest.fixture
def rows(run: bloodcell.Run) -> pa.Table:
    return run.cells(["row", "path"])


@pytest.fixture
def subject(setup: Setup, rows: pa.Table) -> Subject:
    return open_subject(setup, open_lanes(setup), rows)


@pytest.fixture
def on_device(setup: Setup, rows: pa.Table, pretended_gpu: list[int]) -> Subject:
    """The same on a pretended GPU, which decodes JPEGs alone."""
    host = Decoder(setup.preprocessing, batch_size=BATCH, threads=1)
    gpu = Decoder(setup.preprocessing, batch_size=BATCH, threads=1)

    def decode(encoded: Encoded) -> Any:
        return gpu.decode(encoded)[0].view(fake_gpu.Array)

    backend = TensorRTBackend(setup.network, PlanOptions(BATCH, precision="float32"))
    assert pretended_gpu == [BATCH]
    lane = DeviceLane(DeviceDecoder(decode, host), backend)
    return open_subject(setup, Lanes([lane], BATCH, {}), rows)


def stage_of(subject: Subject, name: str) -> Stage:
    return next(stage for stage in stages_of(subject) if stage.name == name)


@pytest.mark.parametrize("device", ["subject", "on_device"])
def test_every_stage_and_the_whole_have_a_speed(
    device: str, request: pytest.FixtureRequest
) -> None:
    subject = request.getfixturevalue(device)
    found = lane_speed.speeds(subject)
    assert list(found["cells_per_s"]) == ["read", "decode", "network", "end_to_end"]
    for speed in found["cells_per_s"].values():
        assert 0 < speed["least"] <= speed["median"] <= speed["most"]
        assert speed["repeats"] == lane_speed.ROUNDS
    day = 86_400 * found["cells_per_s"]["end_to_end"]["median"]
    assert found["cells_a_day"] == pytest.approx(day, rel=1e-3)
    assert found["end_to_end_to_slower_of_decode_and_network"]["most"] > 0
    assert subject.pixels_on == ("host" if device == "subject" else "GPU and host")


def test_a_device_is_waited_for_when_all_is_decoded(
    on_device: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, waited = stage_of(on_device, "decode"), []
    monkeypatch.setattr(fake_gpu.Stream, "synchronize", lambda _self: waited.append(1))
    timed_passes(stage, 3)
    assert len(waited) == 1


def test_a_devices_network_has_batches_in_flight(
    on_device: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, pending, most = stage_of(on_device, "network"), [0], [0]
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


def test_a_stage_that_gives_other_results_has_no_speed(subject: Subject) -> None:
    scores = [replace(one, probabilities=one.probabilities[::-1]) for one in subject.scores]
    found = lane_speed.speeds(replace(subject, scores=scores))
    why_not = "gave something else than expected, so its speed means nothing"
    assert found["cells_per_s"]["network"] == {"failed": f"network {why_not}"}
    assert found["cells_per_s"]["end_to_end"] == {"failed": f"end to end {why_not}"}
    assert found["cells_per_s"]["decode"]["median"] > 0
    assert found.keys() == {"cells_per_s"}


@pytest.mark.parametrize("name", ["read", "decode"])
def test_other_files_have_no_speed(subject: Subject, name: str) -> None:
    others = [*subject.encoded[1:], subject.encoded[0]]
    tables = [*subject.tables[1:], subject.tables[0]]
    stage = stage_of(subject, name)
    swapped = replace(stage, items=tables if name == "read" else others)
    with pytest.raises(EngineError, match=f"^{name} gave something else"):
        timed_passes(swapped, 1)


def test_a_batch_that_is_lost_is_seen(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lane_stages.score_stream

    def losing(*arguments: Any) -> Iterator[ScoreBatch]:
        batches = whole(*arguments)
        next(batches)
        yield from batches

    monkeypatch.setattr(lane_stages, "score_stream", losing)
    with pytest.raises(EngineError, match="end to end gave something else"):
        timed_passes(stage_of(subject, "end_to_end"), 2)


def test_images_that_are_rejected_are_no_input(setup: Setup, rows: pa.Table) -> None:
    missing = rows.set_column(1, "path", pa.array(["missing.jpg"] * rows.num_rows))
    with pytest.raises(EngineError, match="72 of 72 images were rejected"):
        open_subject(setup, open_lanes(setup), missing)


def test_copies_by_what_crosses(subject: Subject) -> None:
    found = lane_speed.copies(subject)
    pixels = found["cells_per_s"]["pixels_up"]["median"] * 3 * 32 * 32 * 4 / 1e9
    assert found["gb_per_s"]["pixels_up"]["median"] == pytest.approx(pixels, abs=2e-3)
    assert list(found["gb_per_s"]) == ["pixels_up", "encoded_up", "probabilities_down"]


def test_against_the_cpu(subject: Subject) -> None:
    alike = {"cells": 72, "same_class": 1.0, "largest_difference": 0.0}
    assert lane_speed.against_cpu(subject) == alike
    rolled = [
        replace(one, probabilities=np.roll(one.probabilities, 1, axis=1)) for one in subject.scores
    ]
    found = lane_speed.against_cpu(replace(subject, scores=rolled))
    assert found["same_class"] == 0.0
    assert found["largest_difference"] > 0
