"""Small networks as other people's programs save them."""

import os
from pathlib import Path
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "torch"

SIDE = 33
"""Odd, so that "same" padding is not alike on all sides."""


def description(folder: Path, *lines: str, side: int = SIDE, std: float = 1.0) -> Path:
    """A description with x 1/255 and whatever stands in ``lines`` above its pixels."""
    path = folder / "description.toml"
    path.write_text(
        "\n".join([
            *lines,
            "[preprocessing]",
            f"input_px = {side}",
            'region = 1.0\ninterpolation = "linear"\nantialias = true',
            f"mean = [0.0, 0.0, 0.0]\nstd = [{std}, {std}, {std}]",
        ]),
        encoding="utf-8",
    )  # fmt: skip
    return path


def keras_resnext(classes: int, *, with_lambdas: bool = False, blocks: int = 1) -> Any:
    """Matek 2019's network, made small: four stages, two groups, LeakyReLU, "same" padding.

    ``with_lambdas``: groups as slices and a convolution each, as the published one has them.
    """
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)

    def after(y: Any) -> Any:
        return layers.LeakyReLU()(layers.BatchNormalization()(y))

    def grouped(y: Any, channels: int, stride: int) -> Any:
        if not with_lambdas:
            return layers.Conv2D(channels, 3, strides=stride, padding="same", groups=2)(y)
        half = channels // 2
        parts = [
            layers.Lambda(
                lambda z, k=k: z[..., k * half : (k + 1) * half],
                output_shape=lambda shape: (*shape[:-1], half),
            )(y)
            for k in range(2)
        ]  # fmt: skip
        convolved = [layers.Conv2D(half, 3, strides=stride, padding="same")(p) for p in parts]
        return layers.Concatenate()(convolved)

    def block(y: Any, width: int, outputs: int, stride: int) -> Any:
        branch = after(layers.Conv2D(width, 1, padding="same")(y))
        branch = after(grouped(branch, width, stride))
        branch = layers.BatchNormalization()(layers.Conv2D(outputs, 1, padding="same")(branch))
        if stride != 1 or y.shape[-1] != outputs:
            y = layers.Conv2D(outputs, 1, strides=stride, padding="same")(y)
            y = layers.BatchNormalization()(y)
        return layers.LeakyReLU()(layers.Add()([y, branch]))

    pixels = layers.Input((SIDE, SIDE, 3))
    x = after(layers.Conv2D(4, 7, strides=2, padding="same")(pixels))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for stage in range(4):
        for number in range(blocks):
            x = block(x, 4 * 2**stage, 8 * 2**stage, 2 if stage and not number else 1)
    x = layers.Dense(classes, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(pixels, x)
    shake(model)
    return model


def shake(model: Any) -> None:
    """Give batch norms statistics of their own, as training would."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            low = [0.5, -0.1, -0.1, 0.5]
            weights = [random.uniform(a, a + 0.9, w.shape) for a, w in
                       zip(low, layer.get_weights(), strict=True)]  # fmt: skip
            layer.set_weights(weights)
