"""What every network of cells here is: penultimate features and one linear layer."""

import torch
from torch import nn


class CellNetwork(nn.Module):
    """Pixels float32 (N, 3, H, W) to logits float32 (N, classes)."""

    @property
    def last(self) -> nn.Linear:
        """The layer that makes logits of features."""
        raise NotImplementedError

    def penultimate(self, pixels: torch.Tensor) -> torch.Tensor:
        """What the last layer sees, float32 (N, F)."""
        raise NotImplementedError

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class."""
        logits: torch.Tensor = self.last(self.penultimate(pixels))
        return logits

    @property
    def class_count(self) -> int:
        """Number of classes."""
        return self.last.out_features

    def raise_logits(self, by: torch.Tensor) -> None:
        """Add ``by``, float32 (classes,), to all logits to come, in the last layer's bias."""
        with torch.no_grad():
            self.last.bias.add_(by)
