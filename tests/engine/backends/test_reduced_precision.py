"""What FP16 and bfloat16 change of FP32 on the cells of the test patients."""

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from helpers.networks import shipped
from helpers.rounding import with_rounding

from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.contract import Choice
from bloodcell.engine.backends.onnx.fp16 import to_float16
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.backends.opening import open_backend
from bloodcell.engine.decode import Decoder
from bloodcell.engine.machine import computes_in_bfloat16, usable_cores
from bloodcell.model import load_model

pytestmark = pytest.mark.real_data

BATCH = 64
Probabilities: TypeAlias = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def of_test_patients(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Probabilities:
    """By FP32 and bfloat16; by FP16, whose rounding takes long, those of every fourth cell."""
    model, threads = load_model(), usable_cores()
    network = model.network
    halved = tmp_path_factory.mktemp("halved") / "model.onnx"
    halved.write_bytes(with_rounding(to_float16(shipped())))
    backends = {"fp32": open_backend(choose_backend("onnxruntime"), network, threads)}
    if computes_in_bfloat16():
        backends["bfloat16"] = open_backend(Choice("openvino", "a test's", "CPU"), network, threads)
    half = replace(network, weights=halved)
    fp16 = OnnxRuntimeBackend(half, threads)
    decoder = Decoder(model.preprocessing, batch_size=BATCH, threads=threads)
    images = sorted((real_data / "aml-apl" / "test").glob("*/*"))
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*backends, "fp16")}
    for start in range(0, len(images), BATCH):
        files = [np.fromfile(image, np.uint8) for image in images[start : start + BATCH]]
        pixels, _, decoded = decoder.decode(files)
        assert decoded.all()
        for name, backend in backends.items():
            parts[name].append(backend.probabilities(pixels))
        parts["fp16"].append(fp16.probabilities(pixels[::4]))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def changes(reduced: np.ndarray, fp32: np.ndarray) -> tuple[float, int]:
    """Largest difference of a probability, and how many cells change class."""
    changed = int((reduced.argmax(axis=1) != fp32.argmax(axis=1)).sum())
    return float(np.abs(reduced - fp32).max()), changed


def test_fp16_changes_no_class_of_the_test_patients(of_test_patients: Probabilities) -> None:
    difference, changed = changes(of_test_patients["fp16"], of_test_patients["fp32"][::4])
    assert len(of_test_patients["fp16"]) == 415
    assert changed == 0
    assert 0 < difference <= 0.02


@pytest.mark.skipif(not computes_in_bfloat16(), reason="this CPU does not compute in bfloat16")
def test_bfloat16_changes_few_classes_of_the_test_patients(
    of_test_patients: Probabilities, capsys: pytest.CaptureFixture[str]
) -> None:
    fp32 = of_test_patients["fp32"]
    difference, changed = changes(of_test_patients["bfloat16"], fp32)
    assert len(fp32) == 1659
    with capsys.disabled():
        print(  # noqa: T201 - the figures are what this test is for
            f"\nbfloat16 against FP32 on {len(fp32)} cells: largest probability difference "
            f"{difference:.4f}, {changed} cells ({changed / len(fp32):.3%}) change class"
        )
    assert changed <= 0.01 * len(fp32)
    assert 0 < difference <= 0.05
