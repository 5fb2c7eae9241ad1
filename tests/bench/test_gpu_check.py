"""`make gpu-check` without a GPU: it refuses, and its measuring loop works on the CPU."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gpu import check, networks
from gpu.networks import Candidate, NamedNetwork
from gpu.parts import Part
from helpers.tiny_onnx import CLASSES, tiny_onnx

from bloodcell.engine.backends.contract import Backend, Network
from bloodcell.engine.backends.cuda import Device, why_no_cuda
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.errors import EngineError

STREAM = {
    "network": "n", "image_format": "jpeg", "hardware_decoder": False, "asked_batch": None,
    "cells_per_s": {"end_to_end": {"median": 300.0}}, "cells_a_day": 25_920_000,
}  # fmt: skip
PEER = {
    "network": "n", "contender": "a peer", "cells_per_s": {"median": 200.0}, "same_class": 0.99,
}  # fmt: skip


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that would be written on a pretended GPU, whose tests fail."""
    device = Device("NVIDIA Test 9", "9.0", "0", "13.0")
    monkeypatch.setattr(check, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(check, "why_no_cuda", lambda: None)
    monkeypatch.setattr(check, "first_device", lambda: device)
    monkeypatch.setattr(check, "run_tests", lambda _: {"tests": "failed: 1 failed, 4 passed"})
    return tmp_path / "results" / "nvidia-test-9.json"


def test_what_was_measured_is_written_as_it_comes(
    on_a_gpu: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {"streams": [STREAM], "peers": [PEER, {"part": "peers", "failed": "gone"}]}
    written_before: list[dict[str, Any]] = []

    def entries_of(name: str, _folder: str, limit_s: float) -> Iterator[dict[str, Any]]:
        assert limit_s <= 20
        for entry in entries[name]:
            written_before.append(json.loads(on_a_gpu.read_text()))
            yield entry

    named = [("streams", "end_to_end"), (check.TESTS, check.TESTS), ("peers", "peers")]
    parts = [Part(name, key, 20, iter) for name, key in named]
    monkeypatch.setattr(check, "NAMES", ["streams", check.TESTS, "peers"])
    monkeypatch.setattr(check, "PARTS", parts)
    monkeypatch.setattr(check, "entries_of", entries_of)
    assert check.main([]) == 1  # a test failed
    assert "end_to_end" not in written_before[0]
    assert [before["tests"][:6] for before in written_before] == ["left o", "failed", "failed"]
    assert [before["end_to_end"] for before in written_before[1:]] == [[STREAM]] * 2
    written = json.loads(on_a_gpu.read_text())
    assert written["gpu"] == {"name": "NVIDIA Test 9", "compute_capability": "9.0"}
    assert written["tests"] == "failed: 1 failed, 4 passed"
    assert written["versions"]["onnxruntime"]
    assert "tensorrt: not importable" in written["missing"]
    assert written["peers"] == entries["peers"]
    assert written["left_out"] == []
    assert written["end_to_end_to_peers"] == [
        {"network": "n", "peer": "a peer", "ratio": 1.5, "same_class": 0.99}
    ]


def test_when_the_time_is_over_the_rest_is_left_out(
    on_a_gpu: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "entries_of", lambda *_: pytest.fail("begun too late"))
    assert check.main(["--seconds", "5"]) == 1
    written = json.loads(on_a_gpu.read_text())
    assert written["left_out"] == [part.name for part in check.PARTS]


def test_only_what_score_does_by_default_is_held_against_peers() -> None:
    others = [
        STREAM | {"hardware_decoder": True}, STREAM | {"asked_batch": 64},
        STREAM | {"image_format": "tiff"}, {"part": "shipped", "failed": "memory"},
    ]  # fmt: skip
    assert check.against_peers(others, [PEER]) == []
    refused = {"network": "n", "contender": "another", "why_not": "no torch"}
    (row,) = check.against_peers([*others, STREAM], [PEER, refused])
    assert row["ratio"] == 1.5


@pytest.mark.parametrize(
    ("program", "timeout_s", "reason"),
    [
        ("import os; os.kill(os.getpid(), 11)", 60.0, "its process ended by SIGSEGV"),
        ("raise SystemExit(3)", 60.0, "its process ended with status 3"),
        ("import time; time.sleep(60)", 5.0, "not done within 5 s"),
        ("", 60.0, None),
    ],
)
def test_a_part_that_ends_badly_keeps_what_it_measured(
    program: str,
    timeout_s: float,
    reason: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    script = tmp_path / "part.py"
    script.write_text(f"""print('{{"cells": 7}}', flush=True)\n{program}\n""")
    monkeypatch.setattr(check, "PROGRAM", script)
    entries = list(check.entries_of("a part", str(tmp_path), timeout_s))
    failed = [{"part": "a part", "failed": reason}] if reason else []
    assert entries == [{"cells": 7}, *failed]


@pytest.mark.skipif(why_no_cuda() is None, reason="there is a GPU: it would be measured")
def test_a_part_without_a_gpu_says_why(tmp_path: Path) -> None:
    (entry,) = check.entries_of("arithmetic", str(tmp_path), 60.0)
    assert entry["part"] == "arithmetic"
    assert "CUDA" in entry["failed"]


@pytest.fixture
def tiny(tmp_path: Path) -> NamedNetwork:
    (tmp_path / "model.onnx").write_bytes(tiny_onnx())
    return NamedNetwork("tiny", Network(tmp_path / "model.onnx", 8, CLASSES, 1.0), 0.001)


def test_every_network_backend_and_batch_is_measured(
    tiny: NamedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "REPEAT_S", 0.001)
    opened: list[int] = []

    def open_for(network: Network, batch: int) -> Backend:
        opened.append(batch)
        return OnnxRuntimeBackend(network, threads=1)

    def refusing(_network: Network, batch: int) -> Backend:
        raise EngineError("too little memory") if batch == 1 else RuntimeError("CUDA is lost")

    sources = {"host": lambda pixels: pixels, "device": lambda pixels: pixels.copy()}
    candidates = [
        Candidate("tensorrt", "float32", open_for, sources),
        Candidate("torch", "float32", refusing, {"host": sources["host"]}),
    ]
    entries = list(networks.measure_all([tiny], candidates, (1, 4)))
    assert opened == [1, 4]
    measured, failed = entries[:4], entries[4:]
    assert [(e["batch"], e["pixels_from"]) for e in measured] == [
        (1, "host"), (1, "device"), (4, "host"), (4, "device"),
    ]  # fmt: skip
    for entry in measured:
        assert 0 < entry["least"] <= entry["cells_per_s"] <= entry["most"]
        assert entry["network"] == "tiny"
    reasons = ["too little memory", "RuntimeError: CUDA is lost"]
    assert [e["failed"] for e in failed] == reasons


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
    assert networks.ratios(entries, {"float16": 1.0}) == [
        {
            "network": "n", "precision": "float16", "pixels_from": "host", "batch": 4,
            "tensorrt_to_torch": 1.5, "tensorrt_to_arithmetic_ceiling": 0.3,
        },
        {
            "network": "n", "precision": "float16", "pixels_from": "device", "batch": 4,
            "tensorrt_to_arithmetic_ceiling": 0.5,
        },
    ]  # fmt: skip


def test_the_shipped_network_is_read_without_the_extension() -> None:
    script = (
        "import sys; sys.modules['bloodcell._core'] = None\n"
        "from gpu import check, networks\n"
        "print([n.network.weights.is_file() for n in networks.shipped_networks()])"
    )
    path = os.pathsep.join([str(check.TREE), str(check.TREE / "benchmarks")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("[True")


def test_a_gpus_file_name() -> None:
    assert check.file_name("NVIDIA GeForce RTX 4090", {}) == "nvidia-geforce-rtx-4090"
    both = {"torch": "2.11", "tensorrt": "8.6.0"}
    assert check.file_name("NVIDIA H100 80GB HBM3", both) == (
        "nvidia-h100-80gb-hbm3-tensorrt-8.6.0"
    )
