"""State dicts by their published names, and what is refused in their place."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.foreign_networks import description
from helpers.networks import logits_of
from torch import nn

from bloodcell.architectures.inception import InceptionArchitecture
from bloodcell.architectures.network import CellNetwork
from bloodcell.architectures.resnext import RESNEXT50_32X4D
from bloodcell.architectures.table import ARCHITECTURES
from bloodcell.architectures.vgg import VGG16Architecture
from bloodcell.errors import InputError, ModelError
from bloodcell.importing import import_network

SMALL = {
    "resnext": (replace(RESNEXT50_32X4D, blocks=(2, 1, 1, 1), cardinality=2, output_channels=8,
                        stem_channels=4), 40),
    "vgg": (VGG16Architecture(1 / 32), 64),
    "inception": (InceptionArchitecture(1 / 16), 80),
}  # fmt: skip


def network_of(name: str, classes: int = 8) -> CellNetwork:
    """With random weights, those of batch norms too."""
    architecture, side = SMALL[name]
    torch.manual_seed(3)
    network = architecture.build(classes, side)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return network.eval()


def as_torchvision(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The small ResNeXt's weights as torchvision and timm call them."""
    places = {"4": "layer1.0", "5": "layer1.1", "6": "layer2.0", "7": "layer3.0", "8": "layer4.0"}
    inner = {
        "residual.0": "conv1", "residual.1": "bn1", "residual.3": "conv2", "residual.4": "bn2",
        "residual.6": "conv3", "residual.7": "bn3",
        "shortcut.1": "downsample.0", "shortcut.2": "downsample.1",
    }  # fmt: skip
    outer = {"features.0": "conv1", "features.1": "bn1", "head.1": "fc"}
    named = {}
    for name, value in state.items():
        parts = name.split(".")
        if parts[1] in places and parts[0] == "features":
            own = f"{places[parts[1]]}.{inner['.'.join(parts[2:4])]}.{parts[4]}"
        else:
            own = f"{outer['.'.join(parts[:2])]}.{parts[2]}"
        named[own] = value
    return named


def as_timm_vgg(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    named = {}
    for name, value in state.items():
        own = name.replace("classifier.0", "pre_logits.fc1").replace("classifier.3",
              "pre_logits.fc2").replace("classifier.6", "head.fc")  # fmt: skip
        rows = 2 if own == "pre_logits.fc1.weight" else 1
        is_convolution = own.startswith("pre_logits") and own.endswith("weight")
        named[own] = value.view(len(value), -1, rows, rows) if is_convolution else value
    return named


PUBLISHED = {
    "as torchvision": ("resnext", as_torchvision, []),
    "vgg as torchvision": ("vgg", dict, []),
    "vgg as timm": ("vgg", as_timm_vgg, []),
    "inception as torchvision": ("inception", dict, []),
    "a second head": (
        "inception", lambda s: {**s, "AuxLogits.fc.weight": torch.zeros(8, 4)},
        ["AuxLogits.fc.weight"],
    ),
    "of several GPUs": ("vgg", lambda s: {f"module.{n}": v for n, v in s.items()}, []),
}  # fmt: skip


@pytest.mark.parametrize(("name", "renamed", "unused"), PUBLISHED.values(), ids=PUBLISHED)
def test_weights_by_their_published_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, renamed: Any, unused: list[str]
) -> None:
    architecture, side = SMALL[name]
    monkeypatch.setitem(ARCHITECTURES, "small", architecture)
    network, path = network_of(name), tmp_path / "weights.pth"
    torch.save({"epoch": 3, "state_dict": OrderedDict(renamed(network.state_dict()))}, path)
    made = import_network(
        path, tmp_path / "model", description=description(tmp_path, side=side), scheme="pbc8",
        architecture="small",
    )  # fmt: skip
    assert made.card["import"]["largest_difference"]["logit"] < 1e-5
    assert made.card["import"]["unused_weights"] == unused
    pixels = torch.randn(2, 3, side, side)
    with torch.no_grad():
        expected = network(pixels).numpy()
    given = logits_of(made.network.weights.read_bytes(), pixels.numpy())
    assert np.abs(given - expected).max() < 1e-4


def test_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import save_file

    architecture, side = SMALL["vgg"]
    monkeypatch.setitem(ARCHITECTURES, "small", architecture)
    save_file(network_of("vgg").state_dict(), tmp_path / "weights.safetensors")
    made = import_network(
        tmp_path / "weights.safetensors", tmp_path / "model",
        description=description(tmp_path, 'architecture = "small"', side=side), scheme="pbc8",
    )  # fmt: skip
    assert made.card["import"]["architecture"] == "small"


def test_a_pickled_network_is_refused_with_the_reason(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "network.pth")
    with pytest.raises(ModelError, match="A pickled network runs code of whoever made it"):
        import_network(
            tmp_path / "network.pth", tmp_path / "model", description=description(tmp_path),
            scheme="pbc8", architecture="vgg16",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {n: v for n, v in s.items() if n != "features.0.bias"}, "lacks features.0.bias"),
        (lambda s: {"extra": torch.zeros(1), **s}, "has besides extra"),
        (lambda s: s | {"features.0.bias": torch.zeros(7)}, r"features.0.bias \(7,\) instead of"),
        (lambda s: s | {"optimizer": 3}, r"entries \['optimizer'\] are no tensors"),
        (lambda _: {}, "holds no state dict"),
        (lambda s: {n: v for n, v in s.items() if n < "classifier.6"}, "lacks classifier.6.weight"),
    ],
)
def test_weights_of_something_else_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, message: str
) -> None:
    architecture, side = SMALL["vgg"]
    monkeypatch.setitem(ARCHITECTURES, "small", architecture)
    torch.save(change(dict(network_of("vgg").state_dict())), tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=message):
        import_network(
            tmp_path / "weights.pth", tmp_path / "model",
            description=description(tmp_path, side=side), scheme="pbc8", architecture="small",
        )  # fmt: skip


def test_weights_need_an_architecture(tmp_path: Path) -> None:
    torch.save(network_of("vgg").state_dict(), tmp_path / "weights.pth")
    with pytest.raises(InputError, match="give --architecture, one of resnext14_4x16d"):
        import_network(
            tmp_path / "weights.pth", tmp_path / "model", description=description(tmp_path),
            scheme="pbc8",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "millions", "side"),
    [("resnext50_32x4d", 25.03, 224), ("vgg16", 138.36, 224), ("inception_v3", 23.83, 299)],
)
def test_sizes_are_the_published_ones(name: str, millions: float, side: int) -> None:
    with torch.device("meta"):
        network = ARCHITECTURES[name].build(1000, side)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)
