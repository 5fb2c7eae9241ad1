"""ResNeXt (Xie et al. 2017, arXiv 1611.05431) in its own terms: cardinality and base width."""

import math
from dataclasses import dataclass

import torch
from torch import nn


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


ARCHITECTURES = {
    # Groups of 16 channels and more: narrower ones leave half of a CPU's vector idle.
    "resnext14_4x16d": Architecture((1, 1, 1, 1), 4, 16, 128, 32),
    "resnext26_4x16d": Architecture((2, 2, 2, 2), 4, 16, 128, 32),
    "resnext50_32x4d": Architecture((3, 4, 6, 3), 32, 4, 256, 64, stem_kernel_px=7, dropout=0.0),
}
"""Named as Xie et al. name them: layers, cardinality x base width."""


def last_features_side(side_px: int) -> int:
    """Rows of the last feature map of a ResNeXt that sees ``side_px`` rows: halved five times."""
    return math.ceil(side_px / 32)


class Block(nn.Module):
    """1x1 reduce, grouped 3x3, 1x1 expand, added to the input.

    Where the size is halved the shortcut averages before it projects (ResNet-D,
    He et al. 2019, arXiv 1812.01187), so that it does not drop three pixels of four.
    """

    def __init__(
        self, inputs: int, outputs: int, width: int, cardinality: int, stride: int
    ) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, 1, groups=cardinality, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            halve = nn.AvgPool2d(2, 2, ceil_mode=True) if stride == 2 else nn.Identity()
            self.shortcut = nn.Sequential(
                halve, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
            )
        # A block starts as its shortcut (Goyal et al. 2017, arXiv 1706.02677, section 5.1).
        nn.init.zeros_(self.residual[-1].weight)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        total: torch.Tensor = self.residual(x) + self.shortcut(x)
        return total.relu_()


class ResNeXt(nn.Module):
    """Pixels float32 (N, 3, H, W) to logits float32 (N, classes)."""

    def __init__(self, architecture: Architecture, classes: int) -> None:
        super().__init__()
        self.class_count = classes
        a = architecture
        layers: list[nn.Module] = [
            nn.Conv2d(3, a.stem_channels, a.stem_kernel_px, 2, a.stem_kernel_px // 2, bias=False),
            nn.BatchNorm2d(a.stem_channels),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        ]
        channels = a.stem_channels
        for stage, blocks in enumerate(a.blocks):
            width = a.cardinality * a.base_width * 2**stage
            outputs = a.output_channels * 2**stage
            for block in range(blocks):
                stride = 2 if block == 0 and stage > 0 else 1
                layers.append(Block(channels, outputs, width, a.cardinality, stride))
                channels = outputs
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Sequential(nn.Dropout(a.dropout), nn.Linear(channels, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        logits: torch.Tensor = self.head(self.features(x))
        return logits

    def raise_logits(self, by: torch.Tensor) -> None:
        """Add ``by``, float32 (classes,), to all logits to come, in the head's bias."""
        with torch.no_grad():
            linear = self.head[-1]
            assert isinstance(linear, nn.Linear)
            linear.bias.add_(by)
