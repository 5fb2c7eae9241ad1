"""Images in a GPU's memory, as far as can be had without one: pretended CUDA, CuPy and decoder."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.device_decoders import BATCH, SIDE, device_decoder
from helpers.live_cells import CLASSES
from helpers.pictures import PICTURES
from helpers.tiny_onnx import tiny_onnx

import bloodcell
from bloodcell.engine.backends.contract import Choice, Network
from bloodcell.engine.backends.tensorrt import PlanOptions, TensorRTBackend
from bloodcell.engine.device_lane import DeviceLane
from bloodcell.engine.lanes import Lanes
from bloodcell.live import engine as live_engine


class OnGpu:
    """Pixels of a library that has them in CUDA's memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __dlpack__(self, **options: Any) -> Any:
        return self.pixels.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


@pytest.fixture
def engine(pretended_gpu: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "model.onnx").write_bytes(tiny_onnx(SIDE, CLASSES))
    network = Network(tmp_path / "model.onnx", SIDE, CLASSES, 1.0)
    backend = TensorRTBackend(network, PlanOptions(BATCH, precision="float32"))
    assert pretended_gpu == [BATCH]
    lane = DeviceLane(device_decoder(lambda _image: False), backend)
    opened = Lanes([lane], BATCH, backend.pass_cells, {})
    monkeypatch.setattr(live_engine, "open_lanes", lambda _setup: opened)
    choice = Choice("tensorrt", "a test's", "pretended")
    monkeypatch.setattr(live_engine, "choose_backend", lambda _name: choice)
    with bloodcell.Engine() as engine:
        yield engine


def test_pixels_on_a_gpu_get_what_they_get_from_the_host(engine: bloodcell.Engine) -> None:
    pixels = [np.array(PICTURES[name].right) for name in ("png_rgb", "bmp_24", "jpeg_420")]
    kinds = [PICTURES["jpeg_420"].data, *pixels, *map(OnGpu, pixels)]
    results = list(engine.stream((kind, "A") for kind in itertools.chain(*[kinds] * 5)))
    assert {result.status for result in results} == {"scored"}
    for number, result in enumerate(results):
        place = number % len(kinds)
        alike = results[place - len(pixels)] if place > len(pixels) else results[place]
        np.testing.assert_array_equal(result.probabilities, alike.probabilities)
        assert result.stained == alike.stained
        assert (result.digest is None) == (place > len(pixels))
    assert engine.finish("A")["scored"] == len(results)


def test_their_type_shape_and_sides_are_held_to_the_same(engine: bloodcell.Engine) -> None:
    with pytest.raises(bloodcell.InputError, match=r"float32 of shape \(20, 30, 3\) given"):
        engine.submit(OnGpu(np.zeros((20, 30, 3), np.float32)), patient="A")
    small = engine.submit(OnGpu(np.zeros((15, 30, 3), np.uint8)), patient="A").result(20)
    assert (small.status, small.reason, small.digest) == ("rejected", "too_small", None)


def test_they_are_copied_at_once(engine: bloodcell.Engine) -> None:
    pixels = np.array(PICTURES["png_rgb"].right)
    expected = engine.submit(OnGpu(pixels.copy()), patient="A").result(20)
    future = engine.submit(OnGpu(pixels), patient="A")
    pixels[:] = 0
    np.testing.assert_array_equal(future.result(20).probabilities, expected.probabilities)


def test_without_cupy_they_are_refused_with_what_to_install(
    engine: bloodcell.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_name: str) -> None:
        raise ImportError("No module named 'cupy'")

    monkeypatch.setattr("bloodcell.engine.device_images.importlib.import_module", missing)
    with pytest.raises(bloodcell.PackageError, match="images on a GPU need CuPy"):
        engine.submit(OnGpu(np.zeros((20, 30, 3), np.uint8)), patient="A")
