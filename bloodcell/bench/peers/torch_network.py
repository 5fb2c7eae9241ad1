"""The model as users of torch run it; shared by the contenders that do."""

from typing import Any

import torch
from torch import Tensor

from bloodcell.engine.backends.onnx.module import OnnxModule
from bloodcell.engine.backends.torch_device import probabilities_on_device, ratios_on_device
from bloodcell.model import Model


class TorchNetwork:
    """The model's weights, channels_last: FP16 on a CUDA GPU, else FP32 on ``threads`` threads.

    ``compiled``: by torch.compile, for batches of one size.
    """

    def __init__(self, model: Model, threads: int, *, compiled: bool = False) -> None:
        torch.set_num_threads(threads)
        self.on_cuda = torch.cuda.is_available()
        self.device, self._type = (
            ("cuda", torch.float16) if self.on_cuda else ("cpu", torch.float32)
        )
        module: Any = OnnxModule(model.network.weights.read_bytes()).eval()
        self._module = module.to(self.device, self._type, memory_format=torch.channels_last)
        if compiled:
            self._module.compile(mode="max-autotune", dynamic=False)
        self._calibration = model.temperature, ratios_on_device(model.network, self.device)
        mean, std = (
            torch.tensor(values, device=self.device, dtype=self._type).view(3, 1, 1) * 255
            for values in (model.preprocessing.mean, model.preprocessing.std)
        )
        self._factor, self._shift = 1 / std, -mean / std

    def classes_of_images(self, images: Tensor) -> Tensor:
        """Pixels 0 to 255, uint8 (N, H, W, 3), in pinned memory if on CUDA; see ``classes``."""
        pixels = images.to(self.device, non_blocking=True).permute(0, 3, 1, 2).to(self._type)
        return self.classes(pixels.mul_(self._factor).add_(self._shift))

    def classes(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (N, 3, H, W), channels_last, to class numbers (N,) on the device.

        On CUDA the call does not wait for them.
        """
        with torch.inference_mode():
            probabilities = probabilities_on_device(self._module(pixels), *self._calibration)
            called: Tensor = probabilities.argmax(dim=1)
        return called
