"""OpenVINO in bfloat16: bits and refusals; real cells are in test_reduced_precision.py."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.networks import normal_pixels

from bloodcell.engine.backends import openvino
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.contract import Choice
from bloodcell.engine.backends.opening import open_backend
from bloodcell.engine.backends.openvino import OpenVINOBackend
from bloodcell.engine.machine import computes_in_bfloat16
from bloodcell.errors import EngineError, ModelError
from bloodcell.model import load_model

CHOICE = Choice("openvino", "a test's", "CPU")

pytestmark = pytest.mark.skipif(
    not computes_in_bfloat16(), reason="this CPU does not compute in bfloat16"
)


def test_openvino_agrees_within_bfloat16_and_neither_batches_nor_calls_change_a_bit() -> None:
    network = load_model().network
    pixels = normal_pixels(40, network.input_px)
    by_openvino = open_backend(CHOICE, network, 1).probabilities(pixels)
    reference = open_backend(choose_backend("onnxruntime"), network, 1).probabilities(pixels)
    assert 0 < np.abs(by_openvino - reference).max() <= 0.05
    backend = OpenVINOBackend(network, threads=2, calls=3)
    orders = [np.random.default_rng(seed).permutation(40)[: 40 - seed] for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        for order, at_once in zip(
            orders,
            pool.map(lambda order: backend.probabilities(pixels[order]), orders),
            strict=True,
        ):
            assert np.array_equal(at_once, by_openvino[order])


@pytest.mark.parametrize("is_alike", [True, False])
def test_few_cells_go_one_by_one_where_that_changes_no_bit(
    is_alike: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_model().network
    pixels = normal_pixels(29, network.input_px)
    expected = OpenVINOBackend(network, threads=1, calls=1).probabilities(pixels)
    if not is_alike:
        monkeypatch.setattr(OpenVINOBackend, "_is_alike", lambda *_: False)
    prompt = OpenVINOBackend(network, threads=1, calls=1, prompt=True)
    assert prompt.pass_cells == (1 if is_alike else 16)
    sizes: list[int] = []
    logits = prompt._logits

    def noting(compiled: object, some: np.ndarray, pass_cells: int) -> np.ndarray:
        sizes.extend([pass_cells] * -(-len(some) // pass_cells))
        return logits(compiled, some, pass_cells)

    monkeypatch.setattr(prompt, "_logits", noting)
    for count in (1, 11, 12, 16, 18, 29):
        np.testing.assert_array_equal(prompt.probabilities(pixels[:count]), expected[:count])
    by_size = {size: sizes.count(size) for size in set(sizes)}
    assert by_size == ({1: 1 + 11 + 2, 16: 1 + 1 + 1 + 2} if is_alike else {16: 1 + 1 + 1 + 1 + 4})


def test_openvino_refuses_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_model().network
    with pytest.raises(EngineError, match=r"OpenVINO failed on 16 cells: .*size"):
        openvino.OpenVINOBackend(network, 1, 1).probabilities(np.zeros((16, 3, 8, 8), np.float32))
    in_float32 = {"INFERENCE_PRECISION_HINT": "f32"}
    monkeypatch.setattr(openvino, "_settings", lambda *_: in_float32)
    with pytest.raises(EngineError, match="would compute in f32 here, bfloat16 is expected"):
        openvino.OpenVINOBackend(network, 1, 1)
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(ModelError, match=r"model.onnx cannot be read by OpenVINO: .*onnxruntime"):
        openvino.OpenVINOBackend(replace(network, weights=broken), 1, 1)
