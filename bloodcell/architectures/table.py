"""The table of architectures that a recipe or a description may name."""

from typing import Protocol

from bloodcell.architectures.inception import InceptionArchitecture
from bloodcell.architectures.network import CellNetwork
from bloodcell.architectures.resnext import MATEK_2019, RESNEXT50_32X4D, Architecture
from bloodcell.architectures.vgg import VGG16Architecture


class Buildable(Protocol):
    """A frozen dataclass whose entries are all that a network's shape depends on."""

    def build(self, classes: int, input_px: int, /) -> CellNetwork:
        """A network with torch's random weights, for a square input of ``input_px``."""

    def last_rows(self, side_px: int, /) -> int:
        """Rows of the last feature map where ``side_px`` rows are seen."""


ARCHITECTURES: dict[str, Buildable] = {
    # Groups of 16 channels and more: narrower ones leave half of a CPU's vector idle.
    "resnext14_4x16d": Architecture((1, 1, 1, 1), 4, 16, 128, 32),
    "resnext26_4x16d": Architecture((2, 2, 2, 2), 4, 16, 128, 32),
    "resnext50_32x4d": RESNEXT50_32X4D,
    "matek2019": MATEK_2019,
    "vgg16": VGG16Architecture(),
    "vgg16_bn": VGG16Architecture(norms=True),
    "vgg16_bn_eighth": VGG16Architecture(0.125, norms=True),
    "inception_v3": InceptionArchitecture(),
    "inception_v3_eighth": InceptionArchitecture(0.125),
}
"""ResNeXts named as Xie et al. name them: layers, cardinality x base width."""
