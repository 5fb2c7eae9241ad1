"""VGG-16 (Simonyan and Zisserman 2015, arXiv 1409.1556), its weights named as torchvision's."""

from dataclasses import dataclass

import torch
from torch import nn

from bloodcell.architectures.network import CellNetwork

_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each stage; a pooling after it halves the sides."""
_HIDDEN = 4096


@dataclass(frozen=True)
class VGG16Architecture:
    """VGG-16, as published or narrower."""

    width: float = 1.0
    """Times the published number of channels, and of hidden features."""
    norms: bool = False
    """A batch norm after each convolution, as torchvision's ``vgg16_bn``."""
    dropout: float = 0.5

    def build(self, classes: int, input_px: int) -> CellNetwork:
        """A network with random weights; its head sees 7 x 7 features, fewer below 224 px."""
        return VGG16(self, classes, min(7, self.last_rows(input_px)))

    def last_rows(self, side_px: int) -> int:
        """Rows of the last feature map: halved five times, rounded down."""
        return side_px // 32


class VGG16(CellNetwork):
    """See ``CellNetwork``. ``rows``: of the features that the head sees."""

    def __init__(self, architecture: VGG16Architecture, classes: int, rows: int) -> None:
        super().__init__()
        a, layers, channels = architecture, list[nn.Module](), 3
        for published, convolutions in _STAGES:
            outputs = round(published * a.width)
            for _ in range(convolutions):
                layers.append(nn.Conv2d(channels, outputs, 3, padding=1))
                if a.norms:
                    layers.append(nn.BatchNorm2d(outputs))
                layers.append(nn.ReLU(inplace=True))
                channels = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pooled = nn.AdaptiveAvgPool2d(rows)
        hidden = round(_HIDDEN * a.width)
        self.classifier = nn.Sequential(
            nn.Linear(channels * rows**2, hidden), nn.ReLU(inplace=True), nn.Dropout(a.dropout),
            nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(a.dropout),
            nn.Linear(hidden, classes),
        )  # fmt: skip
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                # Too deep for torch's own start (He et al. 2015, arXiv 1502.01852).
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    @property
    def last(self) -> nn.Linear:
        """See ``CellNetwork``."""
        layer = self.classifier[-1]
        assert isinstance(layer, nn.Linear)
        return layer

    def penultimate(self, pixels: torch.Tensor) -> torch.Tensor:
        """See ``CellNetwork``."""
        pooled = self.pooled(self.features(pixels)).flatten(1)
        features: torch.Tensor = nn.Sequential(*list(self.classifier)[:-1])(pooled)
        return features
