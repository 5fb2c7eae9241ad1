"""ResNeXt (Xie et al. 2017, arXiv 1611.05431) in its own terms: cardinality and base width."""

import math
from dataclasses import dataclass, replace

import torch
from torch import nn

from bloodcell.architectures.network import CellNetwork
from bloodcell.architectures.same_padding import SamePadding


@dataclass(frozen=True)
class Architecture:
    """A ResNeXt of four stages.

    In stage s (0 to 3) a block's grouped convolution has ``base_width * 2**s`` channels in each
    of ``cardinality`` groups, and the block's output has ``output_channels * 2**s`` channels.
    """

    blocks: tuple[int, int, int, int]
    cardinality: int
    base_width: int
    output_channels: int
    stem_channels: int
    stem_kernel_px: int = 3
    dropout: float = 0.2
    averages_shortcut: bool = True
    """Where the size is halved the shortcut averages before it projects (ResNet-D, He et al.
    2019, arXiv 1812.01187), and does not drop three pixels of four as the published one does."""
    negative_slope: float = 0.0
    """Of the rectifier: 0 for ReLU, above it for LeakyReLU."""
    keras: bool = False
    """As Keras has it: convolutions with a bias, batch norms with an epsilon of 1e-3, and "same"
    padding, which of an odd number of pixels puts the larger part right and below."""

    def build(self, classes: int, _input_px: int) -> CellNetwork:
        """A network with random weights; it takes any side."""
        return ResNeXt(self, classes)

    def last_rows(self, side_px: int) -> int:
        """Rows of the last feature map where ``side_px`` rows are seen: halved five times."""
        return math.ceil(side_px / 32)


RESNEXT50_32X4D = Architecture(
    (3, 4, 6, 3), 32, 4, 256, 64, stem_kernel_px=7, dropout=0.0, averages_shortcut=False
)
"""As published, by Xie et al. and with ImageNet weights."""
MATEK_2019 = replace(RESNEXT50_32X4D, negative_slope=0.3, keras=True)
"""The network of Matek et al. 2019 as Keras' layers make it, LeakyReLU with Keras' slope."""


class _Parts:
    """Makes the layers of an architecture, which differ in its last three entries."""

    def __init__(self, architecture: Architecture) -> None:
        self._own = architecture

    def convolution(
        self, inputs: int, outputs: int, kernel_px: int, stride: int = 1, groups: int = 1
    ) -> list[nn.Module]:
        """With its batch norm, and with its padding before it."""
        keras = self._own.keras
        pads_itself = kernel_px == 1 or not keras
        padding = kernel_px // 2 if pads_itself else 0
        layer = nn.Conv2d(inputs, outputs, kernel_px, stride, padding, groups=groups, bias=keras)
        norm = nn.BatchNorm2d(outputs, eps=1e-3 if keras else 1e-5)
        before = [] if pads_itself else [SamePadding((kernel_px, kernel_px), (stride, stride))]
        return [*before, layer, norm]

    def rectifier(self) -> nn.Module:
        slope = self._own.negative_slope
        return nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)

    def stem_pooling(self) -> list[nn.Module]:
        if self._own.keras:
            return [SamePadding((3, 3), (2, 2), -math.inf), nn.MaxPool2d(3, 2)]
        return [nn.MaxPool2d(3, 2, 1)]


class Block(nn.Module):
    """1x1 reduce, grouped 3x3, 1x1 expand, added to the input."""

    def __init__(
        self, architecture: Architecture, inputs: int, outputs: int, width: int, stride: int
    ) -> None:
        super().__init__()
        parts = _Parts(architecture)
        self.residual = nn.Sequential(
            *parts.convolution(inputs, width, 1),
            parts.rectifier(),
            *parts.convolution(width, width, 3, stride, architecture.cardinality),
            parts.rectifier(),
            *parts.convolution(width, outputs, 1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            averages = architecture.averages_shortcut and stride == 2
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(2, 2, ceil_mode=True) if averages else nn.Identity(),
                *parts.convolution(inputs, outputs, 1, 1 if averages else stride),
            )
        self.rectifier = parts.rectifier()
        # A block starts as its shortcut (Goyal et al. 2017, arXiv 1706.02677, section 5.1).
        nn.init.zeros_(self.residual[-1].weight)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        total: torch.Tensor = self.rectifier(self.residual(x) + self.shortcut(x))
        return total


class ResNeXt(CellNetwork):
    """See ``CellNetwork``."""

    def __init__(self, architecture: Architecture, classes: int) -> None:
        super().__init__()
        a, parts = architecture, _Parts(architecture)
        layers: list[nn.Module] = [
            *parts.convolution(3, a.stem_channels, a.stem_kernel_px, 2),
            parts.rectifier(),
            *parts.stem_pooling(),
        ]
        channels = a.stem_channels
        for stage, blocks in enumerate(a.blocks):
            width = a.cardinality * a.base_width * 2**stage
            outputs = a.output_channels * 2**stage
            for block in range(blocks):
                stride = 2 if block == 0 and stage > 0 else 1
                layers.append(Block(a, channels, outputs, width, stride))
                channels = outputs
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(nn.Dropout(a.dropout), nn.Linear(channels, classes))

    @property
    def last(self) -> nn.Linear:
        """See ``CellNetwork``."""
        layer = self.head[-1]
        assert isinstance(layer, nn.Linear)
        return layer

    def penultimate(self, pixels: torch.Tensor) -> torch.Tensor:
        """See ``CellNetwork``."""
        features: torch.Tensor = self.head[0](self.features(pixels))
        return features
