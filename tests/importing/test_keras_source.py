"""Keras models become model folders that give the same, layer by layer."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers.foreign_networks import SIDE, description, keras_resnext

from bloodcell.architectures.resnext import Architecture
from bloodcell.architectures.table import ARCHITECTURES
from bloodcell.errors import ModelError
from bloodcell.importing import import_network
from bloodcell.importing.self_test import golden_images
from bloodcell.model import Model

keras = pytest.importorskip("keras")
from keras import layers  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns of its own older format
MERGED = "merge = [{ column = 2, into = 1 }]"


def imported(
    folder: Path, model: Any, *lines: str, suffix: str = ".keras", **options: Any
) -> Model:
    """Save and import; the network is held against Keras' own arithmetic once more."""
    path = folder / f"network{suffix}"
    model.save(path)
    made = import_network(
        path, folder / "model", description=description(folder, *lines), **options
    )
    pixels = golden_images(made.preprocessing)
    expected = np.asarray(model(pixels.transpose(0, 2, 3, 1), training=False).detach())
    if made.card["import"]["merge"]:
        expected[:, 1] += expected[:, 2]
        expected = np.delete(expected, 2, axis=1)
    session = onnxruntime.InferenceSession(made.network.weights)
    logits = session.run(None, {"pixels": pixels})[0]
    own = np.exp(logits - logits.max(1, keepdims=True))
    assert np.abs(own / own.sum(1, keepdims=True) - expected).max() < 1e-5
    assert np.ptp(expected, axis=0).max() > 1e-3, "all images look the same to it"
    return made


@pytest.mark.parametrize("suffix", [".hdf5", ".keras"])
def test_mateks_network_with_sixteen_outputs(tmp_path: Path, suffix: str) -> None:
    model = keras_resnext(16)
    made = imported(tmp_path, model, 'scheme = "lmu15"', MERGED, suffix=suffix)
    assert made.scheme.name == "lmu15"
    assert made.error_model is None
    operators = {node.op_type for node in onnx.load(made.network.weights).graph.node}
    assert operators == {"Add", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "LeakyRelu",
                         "MaxPool", "Softplus", "Sub"}  # fmt: skip
    card = made.card["import"]
    assert card["merge"] == [{"column": 2, "into": 1}]
    assert card["largest_difference"]["probability"] < 1e-5
    assert card["format"].startswith("Keras")


def of(*inner: Any, side: int = SIDE) -> Any:
    """A network of 8 classes with these layers."""
    keras.utils.set_random_seed(2)
    return keras.Sequential([layers.Input((side, side, 3)), *inner])


HEAD = lambda: [layers.GlobalAveragePooling2D(), layers.Dense(8, activation="softmax")]  # noqa: E731


@pytest.mark.parametrize(
    "inner",
    [
        [layers.Conv2D(4, 2, padding="same", activation="relu"), layers.Flatten(),
         layers.Dense(8, activation="softmax")],
        [layers.Conv2D(4, 4, strides=3, padding="same"), layers.ReLU(6.0), *HEAD()],
        [layers.ZeroPadding2D(((1, 2), (3, 0))), layers.Conv2D(4, 3, strides=2), *HEAD()],
        [layers.Rescaling(2.0, offset=-1.0), layers.DepthwiseConv2D(3, padding="same"), *HEAD()],
        [layers.Conv2D(4, 3), layers.AveragePooling2D(3, 1, padding="same"), *HEAD()],
        [layers.Conv2D(4, 3), layers.ReLU(), layers.BatchNormalization(), *HEAD()],
        [keras.Sequential([layers.Input((SIDE, SIDE, 3)), layers.Conv2D(4, 3, dilation_rate=2)]),
         layers.MaxPooling2D(2), layers.GlobalAveragePooling2D(), layers.Dense(8),
         layers.Activation("softmax")],
    ],
    ids=["even kernel", "even stride", "zeros", "rescaled", "same average", "late norm", "nested"],
)  # fmt: skip
def test_layers_and_paddings(tmp_path: Path, inner: list[Any]) -> None:
    made = imported(tmp_path, of(*inner), 'scheme = "pbc8"')
    assert len(made.scheme.codes) == 8


def test_blue_first(tmp_path: Path) -> None:
    model = of(layers.Conv2D(4, 3, activation="relu"), *HEAD())
    model.save(tmp_path / "network.keras")
    stated = description(tmp_path, 'scheme = "pbc8"', 'channel_order = "BGR"')
    made = import_network(tmp_path / "network.keras", tmp_path / "model", description=stated)
    pixels = golden_images(made.preprocessing)
    session = onnxruntime.InferenceSession(made.network.weights)
    logits = session.run(None, {"pixels": pixels})[0]
    backwards = np.ascontiguousarray(pixels[:, ::-1].transpose(0, 2, 3, 1))
    expected = np.asarray(model(backwards, training=False).detach())
    assert np.array_equal(logits.argmax(1), expected.argmax(1))
    own = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.abs(own - expected).max() < 1e-5
    as_given = np.asarray(model(pixels.transpose(0, 2, 3, 1), training=False).detach())
    assert np.abs(own - as_given).max() > 1e-3


def test_code_in_a_file_is_not_run_and_its_weights_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = keras_resnext(16, with_lambdas=True)
    model.save(tmp_path / "weights.hdf5")
    stated = description(tmp_path, 'scheme = "lmu15"', MERGED)
    with pytest.raises(ModelError, match="has Lambda layers, which are code"):
        import_network(tmp_path / "weights.hdf5", tmp_path / "model", description=stated)
    small = Architecture(
        (1, 1, 1, 1), 2, 2, 8, 4, stem_kernel_px=7, dropout=0.0, averages_shortcut=False,
        negative_slope=0.3, keras=True,
    )  # fmt: skip
    monkeypatch.setattr("bloodcell.importing.keras_weights.MATEK_2019", small)
    monkeypatch.setitem(ARCHITECTURES, "matek2019", small)
    made = import_network(
        tmp_path / "weights.hdf5", tmp_path / "model", description=stated, architecture="matek2019"
    )
    pixels = golden_images(made.preprocessing)
    expected = np.asarray(model(pixels.transpose(0, 2, 3, 1), training=False).detach())
    logits = onnxruntime.InferenceSession(made.network.weights).run(None, {"pixels": pixels})[0]
    own = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.abs(own[:, 0] - expected[:, 0]).max() < 1e-5
    assert np.abs(own[:, 1] - expected[:, 1] - expected[:, 2]).max() < 1e-5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: of(layers.Conv2D(8, 3, activation="elu"), *HEAD()), "has the activation elu"),
        (lambda: of(layers.Conv2D(8, 3), layers.PReLU(), *HEAD()), "is a PReLU"),
        (lambda: of(*HEAD(), side=SIDE + 1), "Is input_px right"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path: Path, model: Any, message: str) -> None:
    model().save(tmp_path / "network.keras")
    stated = description(tmp_path, 'scheme = "pbc8"')
    with pytest.raises(ModelError, match=message):
        import_network(tmp_path / "network.keras", tmp_path / "model", description=stated)
    assert not (tmp_path / "model").exists()


def test_a_layer_read_wrongly_is_found_by_the_self_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch import nn

    from bloodcell.importing import keras_layers

    model = keras_resnext(16)
    model.save(tmp_path / "network.keras")
    monkeypatch.setitem(keras_layers._LAYERS, "LeakyReLU", lambda _layer: nn.LeakyReLU(0.2))
    stated = description(tmp_path, 'scheme = "lmu15"', MERGED)
    with pytest.raises(ModelError, match=r"the import is refused: of 6 golden images a probabil"):
        import_network(tmp_path / "network.keras", tmp_path / "model", description=stated)
    assert not (tmp_path / "model").exists()
