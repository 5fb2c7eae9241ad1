"""Makes the papers' networks in Keras with random weights, imports them and says how they differ.

    python benchmarks/imported_networks.py FOLDER [NAME]...

NAME: matek2019, acevedo2019-vgg16, acevedo2019-inception; all of them by default. FOLDER
gets each network's file and model folder, which `bloodcell score --model` takes. Needs the extra
`import`, 4 GB of memory and some minutes.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

os.environ["KERAS_BACKEND"] = "torch"
import keras
from keras import layers

from bloodcell.importing import import_network


def activated(features: object) -> object:
    return layers.LeakyReLU()(layers.BatchNormalization()(features))


def block(features: object, width: int, outputs: int, strides: int, *, projects: bool) -> object:
    shortcut = features
    features = activated(layers.Conv2D(width, 1, padding="same")(features))
    grouped = layers.Conv2D(width, 3, strides=strides, padding="same", groups=32)(features)
    features = layers.Conv2D(outputs, 1, padding="same")(activated(grouped))
    features = layers.BatchNormalization()(features)
    if projects:
        shortcut = layers.Conv2D(outputs, 1, strides=strides, padding="same")(shortcut)
        shortcut = layers.BatchNormalization()(shortcut)
    return layers.LeakyReLU()(layers.add([shortcut, features]))


def matek2019() -> keras.Model:
    """400 px, 16 outputs, padding "same" of even sides."""
    pixels = layers.Input((400, 400, 3))
    features = activated(layers.Conv2D(64, 7, strides=2, padding="same")(pixels))
    features = layers.MaxPool2D(3, 2, padding="same")(features)
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for number in range(blocks):
            features = block(
                features, 128 << stage, 256 << stage, 2 if number == 0 and stage else 1,
                projects=number == 0,
            )  # fmt: skip
    pooled = layers.GlobalAveragePooling2D()(features)
    return keras.Model(pixels, layers.Dense(16, activation="softmax")(pooled))


NETWORKS: dict[str, tuple[str, Callable[[], keras.Model]]] = {
    "matek2019": ("hdf5", matek2019),
    "acevedo2019-vgg16": ("keras", lambda: keras.applications.VGG16(weights=None, classes=8)),
    "acevedo2019-inception": (
        "hdf5", lambda: keras.applications.InceptionV3(weights=None, classes=8)
    ),
}  # fmt: skip


def shaken(network: keras.Model) -> keras.Model:
    """With batch norms that do something: new ones only copy."""
    random = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            *scale, shift, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    *(random.uniform(0.5, 1.5, one.shape) for one in scale),
                    random.normal(0, 0.1, shift.shape),
                    random.normal(0, 0.1, mean.shape),
                    random.uniform(0.5, 1.5, variance.shape),
                ]
            )
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NETWORKS))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in given.names or NETWORKS:
        kind, made = NETWORKS[name]
        path = given.folder / f"{name}.{kind}"
        keras.utils.set_random_seed(0)
        shaken(made()).save(path)
        model = import_network(path, given.folder / name, description=name)
        print(name, model.card["import"]["largest_difference"], flush=True)


if __name__ == "__main__":
    main()
