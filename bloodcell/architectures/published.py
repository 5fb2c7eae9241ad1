"""Weights that others published, in files of torch, under the names of torchvision or timm."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bloodcell.architectures.network import CellNetwork
from bloodcell.architectures.resnext import Block, ResNeXt
from bloodcell.architectures.table import Buildable
from bloodcell.architectures.vgg import VGG16
from bloodcell.errors import ModelError, PackageError

_WRAPPED_IN = ("state_dict", "model_state_dict", "model")
"""Entries under which trainers keep a state dict beside what else they save."""
_UNUSED = ("AuxLogits.",)
"""Of the published Inception v3: a second head, which only its training used."""
_TOLD = 3

State = dict[str, torch.Tensor]


def read_state_dict(path: Path) -> State:
    """The tensors by name in a ``.safetensors`` file or what ``torch.save`` wrote.

    Raises ModelError if it is neither or holds anything but tensors: torch would run code of
    whoever made it. PackageError if safetensors is needed and not installed.
    """
    try:
        loaded = _loaded(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    for name in _WRAPPED_IN:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping):
            loaded = loaded[name]
    if not isinstance(loaded, Mapping) or not loaded:
        raise ModelError(f"{path} holds no state dict: save network.state_dict()")
    odd = [str(name) for name, value in loaded.items() if not isinstance(value, torch.Tensor)]
    if odd:
        raise ModelError(f"{path}: the entries {odd[:_TOLD]} are no tensors: save the state dict")
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}


def _loaded(path: Path) -> Any:
    if path.suffix == ".safetensors":
        try:
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        except ModuleNotFoundError as missing:
            raise PackageError(
                f"{path} needs safetensors, which is not installed: pip install safetensors"
            ) from missing
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ModelError(f"{path} is no whole safetensors file: {error}") from error
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{path} cannot be read as tensors alone ({first}). A pickled network runs code of "
            "whoever made it, so none is loaded: save network.state_dict(), or safetensors"
        ) from error


def fill(network: CellNetwork, state: State, path: Path, *, any_head: bool = False) -> list[str]:
    """Load ``state``, which ``path`` held, into ``network``; the names that are not used.

    Names are the network's own, torchvision's or timm's. ``any_head``: a last layer of another
    number of classes is left out, and the network keeps its own. ModelError names what is missing,
    too many or of another shape.
    """
    own = network.state_dict()
    renamed = {_own_name(network, name): value for name, value in state.items()}
    unused = [name for name in renamed if name.startswith(_UNUSED)]
    given = {name: _shaped(renamed[name], own.get(name)) for name in renamed if name not in unused}
    if any_head:
        head = [name for name, value in own.items() if _is_of(value, network.last)]
        differs = [name for name in head if name in given and given[name].shape != own[name].shape]
        given |= {name: own[name] for name in (head if differs else ())}
        unused += head if differs else []
    lacking = [n for n in own if n not in given and not n.endswith("num_batches_tracked")]
    foreign = [name for name in given if name not in own]
    shapes = [
        f"{name} {tuple(value.shape)} instead of {tuple(own[name].shape)}"
        for name, value in given.items()
        if name in own and value.shape != own[name].shape
    ]
    for what, names in (("lacks", lacking), ("has besides", foreign), ("has", shapes)):
        if names:
            raise ModelError(
                f"{path} is of another architecture or input size: it {what} "
                f"{', '.join(names[:_TOLD])}{' and more' if len(names) > _TOLD else ''}"
            )
    network.load_state_dict(given, strict=False)
    return unused


def _is_of(value: torch.Tensor, layer: torch.nn.Linear) -> bool:
    return any(value.data_ptr() == one.data_ptr() for one in (layer.weight, layer.bias))


def _shaped(value: torch.Tensor, own: torch.Tensor | None) -> torch.Tensor:
    """A convolution that covers all of its features, as timm has, is a linear layer."""
    if own is None or value.dim() <= own.dim() or value.numel() != own.numel():
        return value
    return value.reshape(own.shape)


def _own_name(network: CellNetwork, name: str) -> str:
    """What ``network`` calls the weight that torchvision or timm call ``name``."""
    if isinstance(network, ResNeXt):
        for theirs, ours in _resnext_names(network).items():
            if name.startswith(f"{theirs}."):
                return f"{ours}.{name.removeprefix(f'{theirs}.')}"
    if isinstance(network, VGG16):
        for theirs, ours in _TIMM_VGG.items():
            if name.startswith(f"{theirs}."):
                return f"{ours}.{name.removeprefix(f'{theirs}.')}"
    return name


_TIMM_VGG = {
    "pre_logits.fc1": "classifier.0",
    "pre_logits.fc2": "classifier.3",
    "head.fc": "classifier.6",
}
_IN_BLOCK = {
    "conv1": "residual.0", "bn1": "residual.1", "conv2": "residual.3", "bn2": "residual.4",
    "conv3": "residual.6", "bn3": "residual.7",
    "downsample.0": "shortcut.1", "downsample.1": "shortcut.2",
}  # fmt: skip


def _resnext_names(network: ResNeXt) -> dict[str, str]:
    """Torchvision's and timm's names of layers to ours."""
    names = {"conv1": "features.0", "bn1": "features.1", "fc": "head.1"}
    stage, block = 0, 0
    for place, layer in enumerate(network.features):
        if not isinstance(layer, Block):
            continue
        opens_stage = not isinstance(layer.shortcut, torch.nn.Identity)
        stage, block = (stage + 1, 0) if opens_stage else (stage, block + 1)
        names |= {
            f"layer{stage}.{block}.{theirs}": f"features.{place}.{ours}"
            for theirs, ours in _IN_BLOCK.items()
        }
    return names


def classes_in(state: State, architecture: Buildable, input_px: int, path: Path) -> int:
    """Classes of the network of ``architecture`` whose weights are ``state``.

    ModelError if these lack its last layer.
    """
    with torch.device("meta"):
        network = architecture.build(1, input_px)
    (last,) = (name for name, value in network.named_parameters() if value is network.last.weight)
    for name, value in state.items():
        if _own_name(network, name) == last:
            return len(value)
    raise ModelError(f"{path} is of another architecture: it lacks {last}")
