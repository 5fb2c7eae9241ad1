"""Layers of Keras as modules of torch that give the same, channels first.

Weights are Keras' (height, width, inputs, outputs) there, (outputs, inputs, height, width) here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bloodcell.architectures.same_padding import SamePadding
from bloodcell.errors import ModelError


def layer_of(layer: Any) -> nn.Module:
    """The module; ModelError for a layer, or an option of one, that is not known here."""
    kind = type(layer).__name__
    if kind not in _LAYERS:
        raise ModelError(
            f"the Keras layer {layer.name!r} is a {kind}, which is not known here; known are "
            f"{', '.join(sorted(_LAYERS))}. Export the network as ONNX instead"
        )
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ModelError(f"the Keras layer {layer.name!r} has its channels first: last is expected")
    return _LAYERS[kind](layer)


class Flatten(nn.Module):
    """Rows, columns and channels one after another, as Keras orders them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, H * W * C)."""
        if x.dim() == 4 and [int(side) for side in x.shape[2:]] != [1, 1]:
            x = x.permute(0, 2, 3, 1)
        return x.flatten(1)


class _Joined(nn.Module):
    """Sum or concatenation, by channels, of its inputs."""

    def __init__(self, join: Callable[[list[torch.Tensor]], torch.Tensor]) -> None:
        super().__init__()
        self.join = join

    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        return self.join(list(parts))


class _SameAverage(nn.Module):
    """Keras' average with "same" padding, which does not count what it pads."""

    def __init__(self, name: str, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.name, self.kernel, self.stride = name, kernel, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right, top, bottom = SamePadding(self.kernel, self.stride).sides(x)
        if (left, top) != (right, bottom):
            raise ModelError(
                f'the Keras layer {self.name!r} averages with "same" padding that is not alike on '
                "all sides, which is not known here. Export the network as ONNX instead"
            )
        return functional.avg_pool2d(
            x, self.kernel, self.stride, (top, left), count_include_pad=False
        )


def _tensor(value: Any) -> torch.Tensor:
    array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    return torch.from_numpy(array.astype(np.float32))


def _filled(module: Any, weight: torch.Tensor, bias: Any) -> Any:
    with torch.no_grad():
        module.weight.copy_(weight)
        if bias is not None:
            module.bias.copy_(_tensor(bias))
    return module


def _activated(module: list[nn.Module], layer: Any) -> nn.Module:
    after = _activation(layer.activation, layer.name)
    return nn.Sequential(*module, *([] if isinstance(after, nn.Identity) else [after]))


def _activation(function: Any, layer_name: str) -> nn.Module:
    name = getattr(function, "__name__", str(function))
    known: dict[str, Callable[[], nn.Module]] = {
        "linear": nn.Identity,
        "relu": nn.ReLU,
        "leaky_relu": lambda: nn.LeakyReLU(0.2),
        "softmax": lambda: nn.Softmax(1),
    }
    if name not in known:
        raise ModelError(
            f"the Keras layer {layer_name!r} has the activation {name}; known here are "
            f"{', '.join(known)}. Export the network as ONNX instead"
        )
    return known[name]()


def _convolution(layer: Any) -> nn.Module:
    kernel = _tensor(layer.kernel)
    return _activated(_padded(layer, kernel.permute(3, 2, 0, 1), layer.groups), layer)


def _depthwise(layer: Any) -> nn.Module:
    kernel = _tensor(layer.kernel)
    height, width, inputs, multiplier = kernel.shape
    weight = kernel.permute(2, 3, 0, 1).reshape(inputs * multiplier, 1, height, width)
    return _activated(_padded(layer, weight, inputs), layer)


def _padded(layer: Any, weight: torch.Tensor, groups: int) -> list[nn.Module]:
    dilation = tuple(layer.dilation_rate)
    outputs, inputs, *size = weight.shape
    module = _filled(
        nn.Conv2d(
            inputs * groups, outputs, (size[0], size[1]), tuple(layer.strides),
            dilation=dilation, groups=groups, bias=layer.use_bias,
        ),
        weight, layer.bias if layer.use_bias else None,
    )  # fmt: skip
    if layer.padding == "valid":
        return [module]
    reach = tuple((one - 1) * d + 1 for one, d in zip(size, dilation, strict=True))
    return [SamePadding((reach[0], reach[1]), tuple(layer.strides)), module]


def _maximum(layer: Any) -> nn.Module:
    pool = nn.MaxPool2d(tuple(layer.pool_size), tuple(layer.strides))
    if layer.padding == "valid":
        return pool
    same = SamePadding(tuple(layer.pool_size), tuple(layer.strides), -torch.inf)
    return nn.Sequential(same, pool)


def _average(layer: Any) -> nn.Module:
    kernel, stride = tuple(layer.pool_size), tuple(layer.strides)
    if layer.padding == "valid":
        return nn.AvgPool2d(kernel, stride)
    return _SameAverage(layer.name, kernel, stride)


def _mean(layer: Any) -> nn.Module:
    pool = nn.AdaptiveAvgPool2d(1)
    return pool if layer.keepdims else nn.Sequential(pool, nn.Flatten())


def _norm(layer: Any) -> nn.Module:
    channels = layer.moving_mean.shape[0]
    of_images = len(layer.input.shape) == 4
    norm = (nn.BatchNorm2d if of_images else nn.BatchNorm1d)(channels, eps=layer.epsilon)
    with torch.no_grad():
        norm.running_mean.copy_(_tensor(layer.moving_mean))  # type: ignore[union-attr]
        norm.running_var.copy_(_tensor(layer.moving_variance))  # type: ignore[union-attr]
        if layer.scale:
            norm.weight.copy_(_tensor(layer.gamma))
        if layer.center:
            norm.bias.copy_(_tensor(layer.beta))
    return norm


def _dense(layer: Any) -> nn.Module:
    kernel = _tensor(layer.kernel)
    inputs, outputs = kernel.shape
    module = nn.Linear(inputs, outputs, bias=layer.use_bias)
    return _activated([_filled(module, kernel.T, layer.bias if layer.use_bias else None)], layer)


def _rectifier(layer: Any) -> nn.Module:
    slope, most = float(layer.negative_slope), layer.max_value
    if float(layer.threshold) or (most is not None and (slope or float(most) != 6)):
        raise ModelError(f"the Keras layer {layer.name!r} is a ReLU with a threshold or maximum")
    if most is not None:
        return nn.ReLU6()
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def _zeros(layer: Any) -> nn.Module:
    (top, bottom), (left, right) = layer.padding
    return nn.ZeroPad2d((left, right, top, bottom))


def _rescaling(layer: Any) -> nn.Module:
    """As a convolution of one pixel, which all backends know."""
    scale = torch.full((3,), 1.0) * torch.as_tensor(np.asarray(layer.scale, np.float32))
    offset = torch.full((3,), 1.0) * torch.as_tensor(np.asarray(layer.offset, np.float32))
    module: nn.Module = nn.Conv2d(3, 3, 1, groups=3)
    _filled(module, scale.view(3, 1, 1, 1), offset.numpy())
    return module


_LAYERS: dict[str, Callable[[Any], nn.Module]] = {
    "Activation": lambda layer: _activation(layer.activation, layer.name),
    "Add": lambda _: _Joined(sum),  # type: ignore[arg-type]
    "AveragePooling2D": _average,
    "BatchNormalization": _norm,
    "Concatenate": lambda _: _Joined(lambda parts: torch.cat(parts, 1)),
    "Conv2D": _convolution,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Dropout": lambda _: nn.Identity(),
    "Flatten": lambda _: Flatten(),
    "GlobalAveragePooling2D": _mean,
    "LeakyReLU": lambda layer: nn.LeakyReLU(float(layer.negative_slope)),
    "MaxPooling2D": _maximum,
    "ReLU": _rectifier,
    "Rescaling": _rescaling,
    "Softmax": lambda _: nn.Softmax(1),
    "SpatialDropout2D": lambda _: nn.Identity(),
    "ZeroPadding2D": _zeros,
}
"""How to make each kind."""
