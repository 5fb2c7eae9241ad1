"""What every kind of source is read into."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SourceNetwork:
    """A network that was made elsewhere, as ONNX and as what made it runs it."""

    model: onnx.ModelProto
    """Pixels float32 (N, 3, H, W), the channels in the network's own order, to logits."""
    outputs: Callable[[Array], Array]
    """The same pixels to the outputs of what made it: its arithmetic, not ours."""
    gives_probabilities: bool
    """Whether these are probabilities: the softmax is taken out of ``model``."""
    made_of: dict[str, str]
    """Format, and what computed ``outputs``, for the card."""
    unused: list[str] = field(default_factory=list)
    """Names of weights that are not part of the network as it scores."""
