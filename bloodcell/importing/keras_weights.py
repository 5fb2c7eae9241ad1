"""The weights alone of a Keras HDF5 file, for Matek 2019's network, whose own layers are code.

The network that was published splits the channels by Lambda layers, one convolution a group. What
these do, our own architecture does; the file gives numbers alone.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bloodcell.architectures.resnext import MATEK_2019, ResNeXt
from bloodcell.errors import ModelError, PackageError
from bloodcell.importing.source import SourceNetwork
from bloodcell.importing.torch_source import exported, outputs_of

Weights = dict[str, npt.NDArray[np.float32]]


def read_keras_weights(path: Path, input_px: int) -> SourceNetwork:
    """Matek 2019's network with the weights in ``path``.

    Raises ModelError if these are not as many and as large as its layers, in the order in which
    Keras numbers them; PackageError if h5py is not installed.
    """
    layers = _layers(path)
    kernels = [one for one in layers if one.get("kernel", np.empty(0)).ndim == 4]
    norms = [one for one in layers if "gamma" in one]
    dense = [one for one in layers if one.get("kernel", np.empty(0)).ndim == 2]
    if len(dense) != 1:
        raise ModelError(f"{path} has {len(dense)} linear layers, Matek 2019's network has one")
    network = ResNeXt(MATEK_2019, dense[0]["kernel"].shape[1]).eval()
    left, left_norms = iter(kernels), iter(norms)
    try:
        for layer in _in_keras_order(network):
            if isinstance(layer, nn.Conv2d):
                _fill(layer, _joined(left, layer.groups))
            elif isinstance(layer, nn.BatchNorm2d):
                _fill_norm(layer, next(left_norms))
        with torch.no_grad():
            network.last.weight.copy_(torch.from_numpy(dense[0]["kernel"].T.copy()))
            network.last.bias.copy_(torch.from_numpy(dense[0]["bias"]))
    except (StopIteration, RuntimeError, KeyError, ValueError) as error:
        raise ModelError(
            f"{path} does not hold the weights of Matek 2019's network: {len(kernels)} "
            f"convolutions and {len(norms)} batch norms, of which one does not fit ({error})"
        ) from error
    if next(left, None) is not None or next(left_norms, None) is not None:
        raise ModelError(f"{path} has more layers than Matek 2019's network")

    made_of = {"format": "Keras HDF5, weights alone", "torch": torch.__version__}
    return SourceNetwork(exported(network, input_px), outputs_of(network), False, made_of)


def _layers(path: Path) -> list[Weights]:
    """The weights of each layer by name, in the order of the layers' numbers."""
    try:
        import h5py
    except ModuleNotFoundError as missing:
        raise PackageError(
            "Keras HDF5 needs h5py, which is not installed: pip install 'bloodcell[import]'"
        ) from missing
    found: dict[str, Weights] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            *_, layer, weight = name.split("/")
            found.setdefault(layer, {})[weight.split(":")[0]] = np.asarray(item, np.float32)

    try:
        with h5py.File(path) as file:
            file.get("model_weights", file).visititems(keep)
    except OSError as error:
        raise ModelError(f"{path} is no HDF5 file: {error}") from error
    return [found[name] for name in sorted(found, key=_number)]


def _number(layer: str) -> tuple[str, int]:
    """``conv2d_12`` is later than ``conv2d_9``; the first has no number."""
    parts = re.fullmatch(r"(.*?)(?:_(\d+))?", layer)
    assert parts
    return parts[1], int(parts[2] or 0)


def _in_keras_order(network: ResNeXt) -> Iterator[nn.Module]:
    """Convolutions and norms as they were made: of a block the branch, then the shortcut."""
    yield from (m for m in network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d))


def _joined(left: Iterator[Weights], groups: int) -> Weights:
    """One convolution of many groups, from one or from one a group."""
    first = next(left)
    inputs = first["kernel"].shape[2]
    parts = [first]
    if groups > 1 and first["kernel"].shape[3] == inputs:
        parts += [next(left) for _ in range(groups - 1)]
    return {
        "kernel": np.concatenate([one["kernel"] for one in parts], axis=3),
        "bias": np.concatenate([one["bias"] for one in parts]),
    }


def _fill(layer: nn.Conv2d, weights: Weights) -> None:
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights["kernel"]).permute(3, 2, 0, 1))
        layer.bias.copy_(torch.from_numpy(weights["bias"]))


def _fill_norm(layer: nn.BatchNorm2d, weights: Weights) -> None:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    with torch.no_grad():
        for own, name in (
            (layer.weight, "gamma"), (layer.bias, "beta"),
            (layer.running_mean, "moving_mean"), (layer.running_var, "moving_variance"),
        ):  # fmt: skip
            own.copy_(torch.from_numpy(weights[name]))
