"""The calls of torch's backend for a GPU, its buffers on the CPU; never that CUDA is right."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.networks import normal_pixels
from helpers.tiny_onnx import CLASSES, tiny_onnx

from bloodcell.engine.backends.contract import PENDING, Network, Part
from bloodcell.engine.backends.device import Slot
from bloodcell.engine.backends.onnx.module import OnnxModule
from bloodcell.engine.backends.torch import TorchBackend
from bloodcell.engine.backends.torch_device import TorchDeviceBackend, ratios_on_device
from bloodcell.engine.probabilities import PROBABILITY_STEP

SIDE = 8
RATIOS = (0.0, 3.0, *[0.5] * (CLASSES - 2))


class OnTheCpu(TorchDeviceBackend):
    """Does at once what a GPU would do later."""

    def _prepare(self, module: OnnxModule, network: Network) -> None:
        side = network.input_px
        self._module = module
        self._prior_ratios = ratios_on_device(network, "cpu")
        self.stream = None
        self._pixels = torch.zeros(self.largest_batch, 3, side, side)
        self._on_device = torch.zeros(self.largest_batch, self.class_count)
        event = SimpleNamespace(record=lambda _stream: None, synchronize=lambda: None)
        self._slots = [
            Slot(torch.zeros_like(self._pixels), torch.zeros_like(self._on_device), event)
            for _ in range(PENDING)
        ]
        self._graph = SimpleNamespace(replay=lambda: self._on_device.copy_(self._compute()))

    def _as_array(self, pixels: Any) -> Any:
        return pixels  # what a GPU would hold is on the CPU too

    def _on_stream(self) -> AbstractContextManager[Any]:
        return nullcontext()


@pytest.fixture
def network(tmp_path: Path) -> Network:
    weights = tmp_path / "model.onnx"
    weights.write_bytes(tiny_onnx(SIDE))
    return Network(weights, SIDE, CLASSES, temperature=1.5, prior_ratios=RATIOS)


def test_cells_get_what_torch_gives_them_on_the_cpu(network: Network) -> None:
    backend = OnTheCpu(network, largest_batch=4, float16=False)
    pixels = normal_pixels(9, SIDE)
    expected = TorchBackend(network, threads=1).probabilities(pixels)
    assert np.abs(backend.probabilities(pixels) - expected).max() <= PROBABILITY_STEP


def test_parts_from_host_and_device_find_their_places(network: Network) -> None:
    backend = OnTheCpu(network, largest_batch=4, float16=False)
    pixels = normal_pixels(3, SIDE)
    on_host, on_device = np.array([0, 2]), np.array([1])
    parts = [Part(on_host, pixels[on_host]), Part(on_device, torch.from_numpy(pixels[on_device]))]
    mixed = backend.begin(parts, 3).probabilities()
    assert np.array_equal(mixed, backend.probabilities(pixels))


def test_a_cell_that_no_part_brings_has_no_numbers(network: Network) -> None:
    backend = OnTheCpu(network, largest_batch=4, float16=False)
    pixels = normal_pixels(1, SIDE)
    scored = backend.begin([Part(np.array([1]), pixels)], 2).probabilities()
    assert np.isnan(scored[0]).all()
    assert np.isfinite(scored[1]).all()
