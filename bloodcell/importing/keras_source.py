"""Keras models, HDF5 and ``.keras``, as modules of torch, channels first.

Keras' own export keeps its channels last: a transposition around every layer, and batch norms that
nothing folds. Needs keras alone, with torch as what computes.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bloodcell.errors import ModelError, PackageError
from bloodcell.importing.keras_layers import layer_of
from bloodcell.importing.source import Array, SourceNetwork
from bloodcell.importing.torch_source import exported


def read_keras(path: Path, input_px: int) -> SourceNetwork:
    """The Keras model in ``path``, with its weights.

    Raises ModelError if it is none, holds code or a layer that is not known here, PackageError if
    keras is not installed.
    """
    keras = _keras()
    model = _loaded(keras, path)
    shapes = [tuple(one.shape[1:]) for one in model.inputs]
    fits = len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][2] == 3
    if not fits or any(side not in (None, input_px) for side in shapes[0][:2]):
        raise ModelError(
            f"{path} takes images of shape {shapes}: one of {input_px} x {input_px} px with 3 "
            "channels last is expected. Is input_px right?"
        )
    network = KerasNetwork(model).eval()
    softmaxes = network.drop_softmax()

    def outputs(pixels: Array) -> Array:
        given = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
        with torch.no_grad():
            made: Array = keras.ops.convert_to_numpy(model(given, training=False))
        return made

    return SourceNetwork(
        model=exported(network, input_px),
        outputs=outputs,
        gives_probabilities=softmaxes,
        made_of={
            "format": "Keras HDF5" if path.suffix != ".keras" else "Keras",
            "keras": keras.__version__,
            "torch": torch.__version__,
        },
    )


def _keras() -> Any:
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "torch"
    try:
        import keras
    except ModuleNotFoundError as missing:
        raise PackageError(
            "a Keras model needs keras, which is not installed: pip install 'bloodcell[import]'"
        ) from missing
    if keras.backend.backend() != "torch":
        raise PackageError(
            f"keras computes by {keras.backend.backend()} here: set KERAS_BACKEND=torch"
        )
    return keras


def _loaded(keras: Any, path: Path) -> Any:
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras and h5py raise what they like
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        if "Lambda" in str(error):
            raise ModelError(
                f"{path} has Lambda layers, which are code of whoever made the file; none is run. "
                "If it is Matek 2019's network, --architecture matek2019 reads its weights alone"
            ) from error
        raise ModelError(f"{path} cannot be read as a Keras model: {first}") from error


class KerasNetwork(nn.Module):
    """The layers of a Keras model, each called as there: pixels (N, 3, H, W) to outputs (N, R)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        graph = getattr(model, "_functional", None) or model
        self._input = id(graph.inputs[0])
        self._output = id(graph.outputs[0])
        self._calls: list[tuple[str, list[int], int]] = []
        self._layers: dict[str, nn.Module] = {}
        by_depth = graph._nodes_by_depth
        nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
        for number, node in enumerate(nodes):
            if node.is_input:
                continue
            name = f"{number}_{node.operation.name}".replace(".", "_")
            is_model = hasattr(node.operation, "_nodes_by_depth") or hasattr(
                node.operation, "_functional"
            )
            make: Callable[[Any], nn.Module] = KerasNetwork if is_model else layer_of
            layer = make(node.operation)
            self.add_module(name, layer)
            self._calls.append((name, [id(t) for t in node.input_tensors], id(node.outputs[0])))
        # The tensors' identities are names as long as the model is there.
        self._model = [model]

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class."""
        values = {self._input: pixels}
        for name, inputs, output in self._calls:
            values[output] = self.get_submodule(name)(*[values[one] for one in inputs])
        return values[self._output]

    def drop_softmax(self) -> bool:
        """Take the softmax from the end, so that logits come out; False if there is none."""
        name = next(name for name, _, output in self._calls if output == self._output)
        last = self.get_submodule(name)
        if isinstance(last, KerasNetwork):
            return last.drop_softmax()
        if isinstance(last, nn.Softmax):
            self.add_module(name, nn.Identity())
            return True
        if isinstance(last, nn.Sequential) and len(last) and isinstance(last[-1], nn.Softmax):
            self.add_module(name, last[:-1])
            return True
        return False
