"""What the tests of backends share: networks as bytes, the shipped one and random ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from bloodcell.engine.backends.contract import Network
from bloodcell.model import load_model


def shipped() -> bytes:
    return load_model().network.weights.read_bytes()


def random_resnext(folder: Path, input_px: int, blocks: tuple[int, int, int, int]) -> Network:
    """A ResNeXt of 32 groups, 4 channels wide in the first stage; the same at every call.

    Its residual branches have weights too. ``blocks`` of (3, 4, 6, 3) make a ResNeXt-50 32x4d.
    """
    import torch

    from bloodcell.architectures.resnext import RESNEXT50_32X4D, Block, ResNeXt
    from bloodcell.training.onnx_export import export_onnx

    torch.manual_seed(0)
    classes = 5
    network = ResNeXt(replace(RESNEXT50_32X4D, blocks=blocks), classes)
    for block in network.modules():
        if isinstance(block, Block):
            torch.nn.init.constant_(block.residual[-1].weight, 0.5)  # type: ignore[arg-type]
    export_onnx(network, input_px, folder / "random.onnx")
    return Network(folder / "random.onnx", input_px, classes, temperature=1.0)


def logits_of(onnx_bytes: bytes, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """By ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
    logits: npt.NDArray[np.float32] = session.run(None, {"pixels": pixels})[0]
    return logits


def normal_pixels(cells: int, input_px: int) -> npt.NDArray[np.float32]:
    shape = (cells, 3, input_px, input_px)
    return np.random.default_rng(0).standard_normal(shape, np.float32)
