"""Inception v3 (Szegedy et al. 2016, arXiv 1512.00567), its weights named as torchvision's.

Without the second head, which only training of the published one used.
"""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional

from bloodcell.architectures.network import CellNetwork

_Kernel: TypeAlias = int | tuple[int, int]
_LINE, _COLUMN = (1, 7), (7, 1)
_SHORT_LINE, _SHORT_COLUMN = (1, 3), (3, 1)


@dataclass(frozen=True)
class InceptionArchitecture:
    """Inception v3, as published or narrower."""

    width: float = 1.0
    """Times the published number of channels."""
    dropout: float = 0.5

    def build(self, classes: int, _input_px: int) -> CellNetwork:
        """A network with random weights; it takes any side from 75 px on."""
        return InceptionV3(self, classes)

    def last_rows(self, side_px: int) -> int:
        """Rows of the last feature map: five halvings, most of them without padding."""
        rows = (side_px - 3) // 2 + 1 - 2
        rows = (rows - 3) // 2 + 1 - 2
        for _ in range(3):
            rows = (rows - 3) // 2 + 1
        return rows


class _Convolution(nn.Module):
    """Without bias, a batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: _Kernel, stride: int = 1, pads: bool = True
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if pads else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


class _Mixed(nn.Module):
    """Branches side by side, their outputs one after another.

    ``branches``: of each its name and, one after another, (outputs, kernel) or (outputs, kernel,
    stride); a stride of 2 goes without padding. A branch called ``branch_pool`` averages first.
    """

    def __init__(
        self, inputs: int, width: float, branches: dict[str, list[tuple[int, _Kernel, int]]],
        *, halves: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.halves, self.outputs = halves, inputs if halves else 0
        self.branches: dict[str, list[str]] = {}
        for branch, steps in branches.items():
            channels, names = inputs, []
            for number, (published, kernel, stride) in enumerate(steps, start=1):
                name = branch if len(steps) == 1 else f"{branch}_{number}"
                outputs = round(published * width)
                layer = _Convolution(channels, outputs, kernel, stride, pads=stride == 1)
                self.add_module(name, layer)
                names.append(name)
                channels = outputs
            self.branches[branch] = names
            self.outputs += channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = []
        for branch, names in self.branches.items():
            part = functional.avg_pool2d(x, 3, 1, 1) if branch == "branch_pool" else x
            for name in names:
                part = self.get_submodule(name)(part)
            parts.append(part)
        if self.halves:
            parts.append(functional.max_pool2d(x, 3, 2))
        return torch.cat(parts, 1)


def _wide(inputs: int, width: float, pooled: int) -> _Mixed:
    return _Mixed(inputs, width, {
        "branch1x1": [(64, 1, 1)],
        "branch5x5": [(48, 1, 1), (64, 5, 1)],
        "branch3x3dbl": [(64, 1, 1), (96, 3, 1), (96, 3, 1)],
        "branch_pool": [(pooled, 1, 1)],
    })  # fmt: skip


def _first_halving(inputs: int, width: float) -> _Mixed:
    return _Mixed(inputs, width, {
        "branch3x3": [(384, 3, 2)],
        "branch3x3dbl": [(64, 1, 1), (96, 3, 1), (96, 3, 2)],
    }, halves=True)  # fmt: skip


def _factored(inputs: int, width: float, inner: int) -> _Mixed:
    return _Mixed(inputs, width, {
        "branch1x1": [(192, 1, 1)],
        "branch7x7": [(inner, 1, 1), (inner, _LINE, 1), (192, _COLUMN, 1)],
        "branch7x7dbl": [
            (inner, 1, 1), (inner, _COLUMN, 1), (inner, _LINE, 1), (inner, _COLUMN, 1),
            (192, _LINE, 1),
        ],
        "branch_pool": [(192, 1, 1)],
    })  # fmt: skip


def _second_halving(inputs: int, width: float) -> _Mixed:
    return _Mixed(inputs, width, {
        "branch3x3": [(192, 1, 1), (320, 3, 2)],
        "branch7x7x3": [(192, 1, 1), (192, _LINE, 1), (192, _COLUMN, 1), (192, 3, 2)],
    }, halves=True)  # fmt: skip


class _Split(nn.Module):
    """The last two: branches that part once more, into a line and a column."""

    def __init__(self, inputs: int, width: float) -> None:
        super().__init__()

        def convolution(inputs: int, published: int, kernel: _Kernel) -> _Convolution:
            return _Convolution(inputs, round(published * width), kernel)

        two, double = round(384 * width), round(448 * width)
        self.branch1x1 = convolution(inputs, 320, 1)
        self.branch3x3_1 = convolution(inputs, 384, 1)
        self.branch3x3_2a = convolution(two, 384, _SHORT_LINE)
        self.branch3x3_2b = convolution(two, 384, _SHORT_COLUMN)
        self.branch3x3dbl_1 = convolution(inputs, 448, 1)
        self.branch3x3dbl_2 = convolution(double, 384, 3)
        self.branch3x3dbl_3a = convolution(two, 384, _SHORT_LINE)
        self.branch3x3dbl_3b = convolution(two, 384, _SHORT_COLUMN)
        self.branch_pool = convolution(inputs, 192, 1)
        self.outputs = round(320 * width) + 4 * two + round(192 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = functional.avg_pool2d(x, 3, 1, 1)
        return torch.cat([
            self.branch1x1(x),
            self.branch3x3_2a(one), self.branch3x3_2b(one),
            self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double),
            self.branch_pool(pooled),
        ], 1)  # fmt: skip


class InceptionV3(CellNetwork):
    """See ``CellNetwork``."""

    def __init__(self, architecture: InceptionArchitecture, classes: int) -> None:
        super().__init__()
        width = architecture.width
        first, second, third, fourth = (round(c * width) for c in (32, 64, 80, 192))
        self.Conv2d_1a_3x3 = _Convolution(3, first, 3, 2, pads=False)
        self.Conv2d_2a_3x3 = _Convolution(first, first, 3, pads=False)
        self.Conv2d_2b_3x3 = _Convolution(first, second, 3)
        self.Conv2d_3b_1x1 = _Convolution(second, third, 1)
        self.Conv2d_4a_3x3 = _Convolution(third, fourth, 3, pads=False)
        self.Mixed_5b = _wide(fourth, width, 32)
        self.Mixed_5c = _wide(self.Mixed_5b.outputs, width, 64)
        self.Mixed_5d = _wide(self.Mixed_5c.outputs, width, 64)
        self.Mixed_6a = _first_halving(self.Mixed_5d.outputs, width)
        self.Mixed_6b = _factored(self.Mixed_6a.outputs, width, 128)
        self.Mixed_6c = _factored(self.Mixed_6b.outputs, width, 160)
        self.Mixed_6d = _factored(self.Mixed_6c.outputs, width, 160)
        self.Mixed_6e = _factored(self.Mixed_6d.outputs, width, 192)
        self.Mixed_7a = _second_halving(self.Mixed_6e.outputs, width)
        self.Mixed_7b = _Split(self.Mixed_7a.outputs, width)
        self.Mixed_7c = _Split(self.Mixed_7b.outputs, width)
        self.dropout = nn.Dropout(architecture.dropout)
        self.fc = nn.Linear(self.Mixed_7c.outputs, classes)

    @property
    def last(self) -> nn.Linear:
        """See ``CellNetwork``."""
        return self.fc

    def penultimate(self, pixels: torch.Tensor) -> torch.Tensor:
        """See ``CellNetwork``."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(pixels)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, 2)))
        x = functional.max_pool2d(x, 3, 2)
        for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = self.get_submodule(f"Mixed_{name}")(x)
        pooled: torch.Tensor = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        features: torch.Tensor = self.dropout(pooled)
        return features
