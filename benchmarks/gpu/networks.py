"""Cells a second of the network alone: which networks and backends, and the GPU's own limit.

It needs neither the compiled extension nor any package but those of the backends.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bloodcell.bench.record import one_line
from bloodcell.bench.statistics import rounded_spread
from bloodcell.engine.backends.contract import Backend, Network
from bloodcell.errors import ModelError
from bloodcell.toml import read_toml

BATCHES = (256, 1024, 64, 16, 4, 1)
REPEATS = 9
REPEAT_S = 0.3
_MODELS = Path(__file__).resolve().parents[2] / "bloodcell" / "models"
_GEMM_SIDE = 8192


@dataclass(frozen=True)
class Candidate:
    """A backend in one precision, opened for batches of one size."""

    backend: str
    precision: str
    open: Callable[[Network, int], Backend]
    sources: Mapping[str, Callable[[Any], Any]]
    """Where the pixels lie, ``host`` or ``device``, and what puts them there."""


@dataclass(frozen=True)
class NamedNetwork:
    name: str
    network: Network
    gmacs: float
    """Thousand millions of multiply-adds a cell."""


def candidates() -> tuple[list[Candidate], list[str]]:
    """What can be measured here, FP16 first, and why the rest cannot."""
    importable, lacking = [], []
    for name, wanted, opener, on_device in (
        ("tensorrt", ("tensorrt|tensorrt_rtx", "cupy"), open_tensorrt, _by_cupy),
        ("torch", ("torch",), open_torch, _by_torch),
    ):
        missing = [one for one in wanted if not any(map(find_spec, one.split("|")))]
        if missing:
            lacking.append(f"backend {name}: {', '.join(missing)} not installed")
            continue
        sources = {"host": lambda pixels: pixels, "device": on_device}
        for precision in ("float16", "float32"):
            opened = partial(opener, precision=precision)
            importable.append(Candidate(name, precision, opened, sources))
    return sorted(importable, key=lambda candidate: candidate.precision), lacking


def open_tensorrt(network: Network, batch: int, precision: Any = "float16") -> Backend:
    from bloodcell.engine.backends.tensorrt import PlanOptions, TensorRTBackend

    return TensorRTBackend(network, PlanOptions(largest_batch=batch, precision=precision))


def open_torch(network: Network, batch: int, precision: str = "float16") -> Backend:
    import torch

    from bloodcell.engine.backends.torch_device import TorchDeviceBackend

    # FP32 is to mean FP32, as for TensorRT.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return TorchDeviceBackend(network, batch, float16=precision == "float16")


def _by_cupy(pixels: Any) -> Any:
    return import_module("cupy").asarray(pixels)


def _by_torch(pixels: Any) -> Any:
    return import_module("torch").from_numpy(pixels).to("cuda")


def shipped_networks() -> list[NamedNetwork]:
    """Read without ``load_model``, which needs the compiled extension."""
    networks = []
    for card_path in sorted(_MODELS.glob("*/card.toml")):
        card = read_toml(card_path, ModelError)
        network = Network(
            card_path.with_name("model.onnx"),
            card["preprocessing"]["input_px"],
            len(card["classes"]),
            card["calibration"]["temperature"],
            tuple(card["calibration"].get("prior_ratios", ())),
        )
        networks.append(NamedNetwork(card["name"], network, card["gmacs"]))
    return networks


def random_resnext50(folder: Path, input_px: int = 224) -> NamedNetwork:
    """A ResNeXt-50 32x4d with random weights, as ONNX in ``folder``: for speed alone."""
    import torch

    from bloodcell.architectures.resnext import RESNEXT50_32X4D, Block, ResNeXt
    from bloodcell.training.onnx_export import gmacs_of, write_onnx

    torch.manual_seed(0)
    module = ResNeXt(RESNEXT50_32X4D, classes=18)
    for block in module.modules():
        if isinstance(block, Block):
            # A new block is its shortcut, its branch all zeros; and arithmetic on zeros is faster.
            norm = block.residual[-1]
            assert isinstance(norm, torch.nn.BatchNorm2d)
            torch.nn.init.constant_(norm.weight, 0.2)
    path = folder / "resnext50_32x4d.onnx"
    write_onnx(module, torch.zeros(2, 3, input_px, input_px), path)
    name = f"ResNeXt-50 32x4d, random weights, {input_px} px"
    gmacs = round(gmacs_of(module, input_px), 3)
    return NamedNetwork(name, Network(path, input_px, 18, 1.0), gmacs)


def measure_all(
    networks: list[NamedNetwork], candidates: list[Candidate], batches: tuple[int, ...]
) -> Iterator[dict[str, Any]]:
    """One entry a network, candidate, batch size and source; a failure is one with its reason."""
    for named, candidate, batch in product(networks, candidates, batches):
        about = {
            "network": named.name,
            "gmacs": named.gmacs,
            "backend": candidate.backend,
            "precision": candidate.precision,
            "batch": batch,
        }
        try:
            backend = candidate.open(named.network, batch)
            pixels = pixels_for(named.network, batch)
            for source, placed in candidate.sources.items():
                speed = cells_per_s(backend, placed(pixels))
                yield {**about, "pixels_from": source, **speed}
        except Exception as error:
            yield {**about, "failed": one_line(error)}


def pixels_for(network: Network, batch: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Random pixels on the host, (batch, 3, input_px, input_px)."""
    shape = (batch, 3, network.input_px, network.input_px)
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def cells_per_s(backend: Backend, pixels: Any) -> dict[str, Any]:
    """Median, least and most of ``REPEATS`` repeats of about ``REPEAT_S`` each, after warm-up.

    Wall time from pixels to probabilities on the host: the call itself waits for the device.
    """
    backend.probabilities(pixels)
    started = time.perf_counter()
    backend.probabilities(pixels)
    calls = max(1, round(REPEAT_S / (time.perf_counter() - started)))
    speeds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(calls):
            backend.probabilities(pixels)
        speeds.append(calls * len(pixels) / (time.perf_counter() - started))
    figures = rounded_spread(speeds, 1)
    return {"cells_per_s": figures.pop("median"), **figures, "calls_a_repeat": calls}


def ratios(entries: list[dict[str, Any]], tflops: dict[str, float]) -> list[dict[str, Any]]:
    """TensorRT to torch and to the arithmetic ceiling, each backend at its best batch.

    One row a network, precision and source of pixels. ``tflops``: of a large matrix product in
    each precision, in the same run.
    """
    best: dict[tuple[str, ...], dict[str, Any]] = {}
    for entry in entries:
        if "cells_per_s" in entry:
            key = tuple(entry[k] for k in ("network", "precision", "pixels_from", "backend"))
            if key not in best or entry["cells_per_s"] > best[key]["cells_per_s"]:
                best[key] = entry
    rows = []
    for (network, precision, source, backend), entry in best.items():
        if backend != "tensorrt":
            continue
        names = ("network", "precision", "pixels_from", "batch")
        row = {name: entry[name] for name in names}
        if peer := best.get((network, precision, source, "torch")):
            row["tensorrt_to_torch"] = round(entry["cells_per_s"] / peer["cells_per_s"], 3)
        if precision in tflops:
            ceiling = tflops[precision] * 1e12 / (2e9 * entry["gmacs"])
            row["tensorrt_to_arithmetic_ceiling"] = round(entry["cells_per_s"] / ceiling, 4)
        rows.append(row)
    return rows


def gemm_tflops() -> dict[str, float]:
    """TFLOP/s of a large torch matrix product on the GPU, by precision: what it computes at most.

    Median of nine, by CUDA events, on random numbers.
    """
    import torch

    speeds = {}
    for precision in ("float16", "float32"):
        side = (_GEMM_SIDE, _GEMM_SIDE)
        a, b = (torch.randn(side, device="cuda", dtype=getattr(torch, precision)) for _ in "ab")
        times_ms = []
        for number in range(3 + 9):
            # torch has no annotations there.
            start, end = (
                torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
                for _ in "se"
            )
            start.record()
            a @ b
            end.record()
            end.synchronize()
            if number >= 3:
                times_ms.append(start.elapsed_time(end))
        speeds[precision] = round(2e-9 * _GEMM_SIDE**3 / float(np.median(times_ms)), 1)
    return speeds
