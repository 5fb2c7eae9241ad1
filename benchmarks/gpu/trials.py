"""What might run the network faster without TensorRT, each through a gate of accuracy.

None of it is an option of the product. One becomes one when a GPU has shown that it is faster and
the gate that it is as good.
"""

import csv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows
from torch import Tensor
from torch.overrides import TorchFunctionMode

from bloodcell.engine.backends.contract import Network
from bloodcell.engine.backends.onnx.module import OnnxModule
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.backends.torch_device import probabilities_on_device, ratios_on_device
from bloodcell.engine.decode import Decoder
from bloodcell.engine.machine import usable_cores
from bloodcell.metrics import auroc
from bloodcell.model import Model, load_model
from gpu import inputs, networks
from gpu.entries import Entry, attempted
from gpu.inputs import RESNEXT50, SHIPPED, model_of

BATCH = 256
_CELLS = 1659
_LARGEST_FP8 = 448.0
"""Of float8_e4m3fn."""
_LARGEST_INT8 = 127.0

Probabilities = npt.NDArray[np.float32]
Scored = Callable[[npt.NDArray[np.float32]], Probabilities]


def trials(folder: Path) -> Iterator[Entry]:
    """Each trial of each network; one that fails is an entry with its reason."""
    for name in (RESNEXT50, SHIPPED):
        model = load_model(model_of(name, folder))
        pixels, is_blast = labelled_pixels(model, folder)
        expected = OnnxRuntimeBackend(model.network, usable_cores()).probabilities(pixels)
        for trial, opener in TRIALS.items():
            about = {"network": name, "trial": trial, "batch": BATCH}
            yield about | attempted(partial(_tried, opener, model, pixels, expected, is_blast))


def _tried(
    opener: Callable[[Network], Scored],
    model: Model,
    pixels: npt.NDArray[np.float32],
    expected: Probabilities,
    is_blast: npt.NDArray[np.bool_] | None,
) -> Entry:
    scored = opener(model.network)
    entry = gate(scored(pixels), expected, model.scheme.is_blast, is_blast)
    if opener in _WITH_SPEED:
        rows = networks.pixels_for(model.network, BATCH)
        backend: Any = _Timed(scored)
        entry |= networks.cells_per_s(backend, torch.from_numpy(rows).to("cuda"))
    return entry


class _Timed:
    """As far as ``cells_per_s`` asks a backend."""

    def __init__(self, scored: Scored) -> None:
        self.probabilities = scored


def gate(
    probabilities: Probabilities,
    expected: Probabilities,
    blast_classes: npt.NDArray[np.bool_],
    is_blast: npt.NDArray[np.bool_] | None,
) -> Entry:
    """What a trial changes of FP32 on the CPU, both (N, C); AUROC of blast where there are labels.

    ``blast_classes`` (C,), ``is_blast`` (N,).
    """
    entry: Entry = {
        "cells": len(expected),
        "largest_difference": round(float(np.abs(probabilities - expected).max()), 5),
        "share_of_changed_classes": round(
            float((probabilities.argmax(axis=1) != expected.argmax(axis=1)).mean()), 5
        ),
    }
    if is_blast is not None:
        for name, given in (("auroc", probabilities), ("auroc_in_fp32", expected)):
            entry[name] = round(auroc(given[:, blast_classes].sum(axis=1), is_blast), 5)
    return entry


def labelled_pixels(
    model: Model, folder: Path
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_] | None]:
    """Pixels by the CPU's decoder, and whether the label says blast; None for drawn images."""
    real = inputs.real_smears()
    source = real if real.is_dir() else inputs.folders_of_images(folder)["drawn, of all kinds"]
    paths = sorted(source.glob("*/*"))[:_CELLS]
    decoder = Decoder(model.preprocessing, batch_size=64, threads=usable_cores())
    decoded = [
        decoder.decode([np.fromfile(path, np.uint8) for path in paths[first : first + 64]])
        for first in range(0, len(paths), 64)
    ]
    pixels, good = (np.concatenate([one[i] for one in decoded]) for i in (0, 2))
    labels = source.with_suffix(".csv")
    if not labels.is_file():
        return pixels, None
    with labels.open(newline="") as file:
        by_path = {row["path"]: row["class"] for row in csv.DictReader(file)}
    blasts = {c.code for c in model.scheme.classes if c.role == "blast"}
    is_blast = np.array([by_path[str(path.relative_to(source))] in blasts for path in paths])
    return pixels, is_blast[good]


class Rounded(TorchFunctionMode):
    """Rounds what goes into each convolution, as a kernel of that type would read it."""

    def __init__(self, rounded: Callable[[Tensor, tuple[int, ...]], Tensor]) -> None:
        super().__init__()
        self._rounded = rounded

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (F.conv2d, torch.conv2d):
            pixels, weights, *others = args
            args = (self._rounded(pixels, (0, 1, 2, 3)), self._rounded(weights, (1, 2, 3)), *others)
        return func(*args, **(kwargs or {}))


def in_fp8(values: Tensor, over: tuple[int, ...]) -> Tensor:
    """``values`` as float8_e4m3fn with one scale for all of ``over`` has them."""
    scale = values.abs().amax(over, keepdim=True).clamp_min(1e-12) / _LARGEST_FP8
    return (values / scale).to(torch.float8_e4m3fn).to(values.dtype) * scale


def in_int8(values: Tensor, over: tuple[int, ...]) -> Tensor:
    """As int8 with one scale, symmetric."""
    scale = values.abs().amax(over, keepdim=True).clamp_min(1e-12) / _LARGEST_INT8
    return (values / scale).round() * scale


def _in_graph(network: Network) -> Scored:
    """What the product does: the yardstick of the same run."""
    return networks.open_torch(network, BATCH).probabilities


def _compiled(network: Network) -> Scored:
    module = OnnxModule(network.weights.read_bytes()).eval()
    # torch takes a memory format; its overloads do not know it.
    module = module.to(torch.float16).to(  # type: ignore[call-overload]
        "cuda", memory_format=torch.channels_last
    )
    return _in_batches(torch.compile(module, mode="max-autotune"), network, torch.float16)


def _rounding(rounded: Callable[[Tensor, tuple[int, ...]], Tensor], network: Network) -> Scored:
    """Accuracy alone: torch has no convolution of this type on a GPU whose speed would count."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = OnnxModule(network.weights.read_bytes()).eval().to(device)

    def compute(pixels: Tensor) -> Tensor:
        with Rounded(rounded):
            logits: Tensor = module(pixels)
        return logits

    return _in_batches(compute, network, torch.float32)


def _in_batches(
    compute: Callable[[Tensor], Tensor], network: Network, dtype: torch.dtype
) -> Scored:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ratios = ratios_on_device(network, device)

    @torch.no_grad()
    def scored(pixels: Any) -> Probabilities:
        results = []
        for first in range(0, len(pixels), BATCH):
            some = torch.as_tensor(pixels[first : first + BATCH], device=device)
            # Of one size, as the product's: another would be compiled anew.
            whole = torch.zeros(BATCH, *some.shape[1:], device=device)
            whole[: len(some)] = some
            logits = compute(whole.to(dtype, memory_format=torch.channels_last))
            own = probabilities_on_device(logits, network.temperature, ratios)[: len(some)]
            results.append(own.cpu().numpy())
        return np.concatenate(results)

    return scored


TRIALS: dict[str, Callable[[Network], Scored]] = {
    "torch FP16 in a graph, as the product has it": _in_graph,
    "torch.compile, max-autotune, channels_last, FP16": _compiled,
    "FP8 (e4m3) into convolutions, accuracy alone": partial(_rounding, in_fp8),
    "INT8 into convolutions, accuracy alone": partial(_rounding, in_int8),
}
_WITH_SPEED = (_in_graph, _compiled)
