"""State dicts of torch, torchvision and timm, and safetensors, in an architecture known here."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx
import torch

from bloodcell.architectures.published import classes_in, fill, read_state_dict
from bloodcell.architectures.table import ARCHITECTURES
from bloodcell.errors import InputError
from bloodcell.importing.source import Array, SourceNetwork
from bloodcell.training.onnx_export import write_onnx


def read_torch(path: Path, architecture: str | None, input_px: int) -> SourceNetwork:
    """The network of ``architecture`` with the weights in ``path``.

    Raises InputError for an architecture that is not known, ModelError if the weights are not its.
    """
    if architecture not in ARCHITECTURES:
        raise InputError(
            f"{path} holds weights, not what they are weights of: give --architecture, one of "
            f"{', '.join(ARCHITECTURES)}"
        )
    state, known = read_state_dict(path), ARCHITECTURES[architecture]
    network = known.build(classes_in(state, known, input_px, path), input_px)
    unused = fill(network, state, path)
    network.eval()

    return SourceNetwork(
        model=exported(network, input_px),
        outputs=outputs_of(network),
        gives_probabilities=False,
        made_of={"format": "torch state dict", "torch": torch.__version__},
        unused=unused,
    )


def outputs_of(network: torch.nn.Module) -> Callable[[Array], Array]:
    """What a network of torch gives: pixels to logits, see ``SourceNetwork``."""

    def outputs(pixels: Array) -> Array:
        with torch.no_grad():
            logits: Array = network(torch.from_numpy(pixels)).numpy()
        return logits

    return outputs


def exported(network: torch.nn.Module, input_px: int) -> onnx.ModelProto:
    """A network of torch as ONNX with a free first axis."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(network, torch.zeros(2, 3, input_px, input_px), path)
        return onnx.load(path)
