"""`make gpu-check` without a GPU: it refuses, and its measuring loop works on the CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import gpu_check
import network_speed
import pytest
from network_speed import Candidate, NamedNetwork
from tiny_onnx import CLASSES, tiny_onnx

from bloodcell.engine.backends import Backend, Network
from bloodcell.engine.backends.cuda import Device, why_no_cuda
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.errors import EngineError

TREE = Path(gpu_check.__file__).resolve().parents[1]


@pytest.mark.skipif(why_no_cuda() is None, reason="there is a GPU: nothing to refuse")
def test_without_a_gpu_one_line_status_5_and_no_file(tmp_path: Path) -> None:
    before = list(gpu_check.RESULTS.glob("*"))
    done = subprocess.run(
        [sys.executable, TREE / "benchmarks" / "gpu_check.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TREE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert done.stdout == ""
    assert done.stderr.startswith("gpu-check: ")
    assert done.stderr.count("\n") == 1
    assert list(gpu_check.RESULTS.glob("*")) == before


def test_what_was_done_on_a_gpu_is_written_as_it_comes(
    tiny: NamedNetwork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = Device("NVIDIA Test 9", "9.0", "0", "13.0")
    random = NamedNetwork("random", tiny.network, 0.002)
    candidate = Candidate(
        "tensorrt",
        "float16",
        lambda network, _batch: OnnxRuntimeBackend(network, 1),
        {"host": lambda pixels: pixels},
    )
    monkeypatch.setattr(gpu_check, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(gpu_check, "why_no_cuda", lambda: None)
    monkeypatch.setattr(gpu_check, "first_device", lambda: device)
    monkeypatch.setattr(gpu_check, "run_tests", lambda: "failed: 1 failed, 4 passed")
    monkeypatch.setattr(gpu_check, "gpu_candidates", lambda: ([candidate], ["backend torch: no"]))
    monkeypatch.setattr(gpu_check, "BATCHES", (2,))
    monkeypatch.setattr(network_speed, "REPEAT_S", 0.001)
    monkeypatch.setattr(network_speed, "shipped_networks", lambda: [tiny])
    monkeypatch.setattr(network_speed, "random_resnext50", lambda _folder: random)
    monkeypatch.setattr(network_speed, "gemm_tflops", lambda: {"float16": 700.0})
    assert gpu_check.main() == 1  # a test failed
    written = json.loads((tmp_path / "results" / "nvidia-test-9.json").read_text())
    assert written["gpu"] == {"name": "NVIDIA Test 9", "compute_capability": "9.0"}
    assert written["tests"] == "failed: 1 failed, 4 passed"
    assert written["versions"]["onnxruntime"]
    assert "backend torch: no" in written["missing"]
    assert [entry["network"] for entry in written["networks"]] == ["tiny", "random"]
    assert all(row["tensorrt_to_arithmetic_ceiling"] > 0 for row in written["ratios"])


@pytest.fixture
def tiny(tmp_path: Path) -> NamedNetwork:
    (tmp_path / "model.onnx").write_bytes(tiny_onnx())
    return NamedNetwork("tiny", Network(tmp_path / "model.onnx", 8, CLASSES, 1.0), 0.001)


def test_every_network_backend_and_batch_is_measured(
    tiny: NamedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_speed, "REPEAT_S", 0.001)
    opened: list[int] = []

    def open_for(network: Network, batch: int) -> Backend:
        opened.append(batch)
        return OnnxRuntimeBackend(network, threads=1)

    def refusing(_network: Network, _batch: int) -> Backend:
        raise EngineError("too little memory")

    sources = {"host": lambda pixels: pixels, "device": lambda pixels: pixels.copy()}
    candidates = [
        Candidate("tensorrt", "float32", open_for, sources),
        Candidate("torch", "float32", refusing, {"host": sources["host"]}),
    ]
    entries = list(network_speed.measure_all([tiny], candidates, (1, 4)))
    assert opened == [1, 4]
    measured, failed = entries[:4], entries[4:]
    assert [(e["batch"], e["pixels_from"]) for e in measured] == [
        (1, "host"), (1, "device"), (4, "host"), (4, "device"),
    ]  # fmt: skip
    for entry in measured:
        assert 0 < entry["least"] <= entry["cells_per_s"] <= entry["most"]
        assert entry["network"] == "tiny"
    assert [e["failed"] for e in failed] == ["too little memory"] * 2


def test_ratios_compare_like_with_like() -> None:
    def entry(backend: str, batch: int, speed: float, source: str = "host") -> dict[str, object]:
        return {
            "network": "n", "gmacs": 0.5, "backend": backend, "precision": "float16",
            "batch": batch, "pixels_from": source, "cells_per_s": speed,
        }  # fmt: skip

    entries = [
        entry("tensorrt", 1, 10.0), entry("tensorrt", 4, 300.0), entry("torch", 16, 200.0),
        entry("tensorrt", 4, 500.0, "device"),
        {"network": "n", "backend": "torch", "precision": "float16", "failed": "memory"},
    ]  # fmt: skip
    # A cell takes a thousand million operations: 1 TFLOP/s is enough for 1,000 cells a second.
    assert network_speed.ratios(entries, {"float16": 1.0}) == [
        {
            "network": "n", "precision": "float16", "pixels_from": "host", "batch": 4,
            "tensorrt_to_torch": 1.5, "tensorrt_to_arithmetic_ceiling": 0.3,
        },
        {
            "network": "n", "precision": "float16", "pixels_from": "device", "batch": 4,
            "tensorrt_to_arithmetic_ceiling": 0.5,
        },
    ]  # fmt: skip


def test_the_shipped_network_is_found_without_the_extension() -> None:
    script = (
        "import sys; sys.modules['bloodcell._core'] = None\n"
        "import network_speed, gpu_check\n"
        "print([n.network.weights.is_file() for n in network_speed.shipped_networks()])"
    )
    path = os.pathsep.join([str(TREE), str(TREE / "benchmarks")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("[True")


def test_a_small_random_resnext50_scores(tmp_path: Path) -> None:
    named = network_speed.random_resnext50(tmp_path, input_px=32)
    assert named.name == "ResNeXt-50 32x4d, random weights, 32 px"
    backend = OnnxRuntimeBackend(named.network, threads=1)
    found = backend.probabilities(network_speed.pixels_for(named.network, 2))
    # Its branches count: two inputs are not scored alike.
    assert (found[0] != found[1]).any()


def test_a_gpus_file_name() -> None:
    assert gpu_check.file_name("NVIDIA GeForce RTX 4090") == "nvidia-geforce-rtx-4090"
