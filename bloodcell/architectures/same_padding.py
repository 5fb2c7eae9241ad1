"""Keras' padding "same", which torch has for a stride of 1 only."""

import math

import torch
from torch import nn
from torch.nn import functional


class SamePadding(nn.Module):
    """Pads with ``value`` what the layer that follows, of that kernel and stride, lacks.

    That has then ceil(H / stride) rows. Of an odd number of pixels the larger part lies right and
    below. ``kernel``: in pixels, as wide as its dilation makes it.
    """

    def __init__(
        self, kernel: tuple[int, int], stride: tuple[int, int], value: float = 0.0
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.value = kernel, stride, value

    def sides(self, x: torch.Tensor) -> list[int]:
        """Pixels left, right, above and below of (N, C, H, W)."""
        top, left = (
            max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            # Plain numbers, which the ONNX exporter would otherwise keep as values of the graph.
            for side, kernel, stride in zip(
                map(int, x.shape[2:]), self.kernel, self.stride, strict=True
            )
        )
        return [left // 2, left - left // 2, top // 2, top - top // 2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W), padded."""
        return functional.pad(x, self.sides(x), value=self.value)
