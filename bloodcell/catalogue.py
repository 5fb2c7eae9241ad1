"""What there is to score with and what there is to train, with its speed measured here."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.contract import Backend, Network
from bloodcell.engine.backends.opening import open_backend
from bloodcell.engine.machine import usable_cores
from bloodcell.model import load_model
from bloodcell.paths import model_names

Progress: TypeAlias = Callable[[int, int], None]

_BATCH = 32
_SECONDS = 1.0


def shipped_models(progress: Progress = lambda *_: None) -> list[dict[str, Any]]:
    """One entry a model that comes with bloodcell. ``progress``: how many are done, and in all."""
    return _told(model_names(), _model_entry, progress)


def trainable_recipes(progress: Progress = lambda *_: None) -> list[dict[str, Any]]:
    """One entry a recipe of ``bloodcell train``; networks with random weights are measured.

    ``progress``: as of ``shipped_models``. Raises PackageError if the ``train`` extra is not
    installed.
    """
    from bloodcell.training.recipe import recipe_names

    return _told(recipe_names(), _recipe_entry, progress)


def _told(
    names: list[str], entry_of: Callable[[str], dict[str, Any]], progress: Progress
) -> list[dict[str, Any]]:
    entries = []
    for done, name in enumerate(names):
        progress(done, len(names))
        entries.append(entry_of(name))
    progress(len(names), len(names))
    return entries


def _model_entry(name: str) -> dict[str, Any]:
    model = load_model(name)
    return {
        "model": model.name,
        "scheme": model.scheme.name,
        "input_px": model.preprocessing.input_px,
        "parameters": model.card["parameters"],
        "gmacs": model.card["gmacs"],
        "cells_per_s": measured_cells_per_s(model.network),
        "blast_auroc_held_out": model.card["metrics"]["validation"]["blast_auroc"],
    }


def _recipe_entry(name: str) -> dict[str, Any]:
    from bloodcell.training.crossvalidation import new_network
    from bloodcell.training.onnx_export import export_onnx, gmacs_of, parameters_of
    from bloodcell.training.recipe import read_recipe

    recipe = read_recipe(name)
    input_px = recipe.preprocessing.input_px
    network = new_network(recipe)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.onnx"
        export_onnx(network, input_px, weights)
        speed = measured_cells_per_s(
            Network(weights, input_px, network.class_count, temperature=1.0)
        )
    return {
        "recipe": name,
        "architecture": recipe.architecture,
        "input_px": input_px,
        "parameters": parameters_of(network),
        "gmacs": gmacs_of(network, input_px),
        "cells_per_s": speed,
    }


def measured_cells_per_s(network: Network) -> float:
    """Cells a second of the network alone, without decoding, on the backend ``auto`` takes."""
    backend = open_backend(choose_backend("auto"), network, threads=usable_cores())
    shape = (_BATCH, 3, network.input_px, network.input_px)
    pixels = np.random.default_rng(0).standard_normal(shape, np.float32)
    _duration_s(backend, pixels)  # the first batch also allocates
    durations = [_duration_s(backend, pixels) for _ in range(3)]
    while sum(durations) < _SECONDS:
        durations.append(_duration_s(backend, pixels))
    # The median, so that another program's burst does not count.
    return _BATCH / float(np.median(durations))


def _duration_s(backend: Backend, pixels: Any) -> float:
    started = time.perf_counter()
    backend.probabilities(pixels)
    return time.perf_counter() - started
