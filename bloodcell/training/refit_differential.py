"""Fit a trained model's prior ratios anew, to the cells of its further sources that were kept back.

usage: python -m bloodcell.training.refit_differential FOLDER IMAGES RECIPE
"""

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import tomli_w
import torch

from bloodcell.engine.backends.onnx.session import session_of
from bloodcell.engine.machine import usable_cores
from bloodcell.error_model.refit import HELD_OUT
from bloodcell.errors import BloodcellError, InputError, ModelError
from bloodcell.files import write_whole
from bloodcell.model import Model, load_model
from bloodcell.toml import read_toml
from bloodcell.training.cells import decode_pixels
from bloodcell.training.differential import (
    RESTS_ON,
    KeptCells,
    called_by_others,
    figures_by_source,
    fit_prior_ratios,
    occurrence_of,
)
from bloodcell.training.lessons import gather
from bloodcell.training.recipe import read_recipe
from bloodcell.training.sources import KEPT_FOLD, keep_a_fifth, read_source

_BATCH = 64


def refit(folder: Path, images: Path, recipe: str) -> None:
    """Write prior ratios and ``[metrics.kept]`` into a trained model's card, and print both ways.

    The figures of held-out patients stay those of before. ``recipe``: the one it was trained by,
    whose further sources lie below ``images``. Raises InputError, also if the model was trained by
    other sources or by one only, ModelError, DiskError.
    """
    model = load_model(folder)
    kept = _kept_cells(model, images, recipe)
    codes = {code: number for number, code in enumerate(model.scheme.codes)}
    labels = pq.read_table(folder / HELD_OUT, columns=["label"])["label"].to_pylist()
    occurrence = occurrence_of(np.array([codes[label] for label in labels]), len(codes))
    fit = kept, model.temperature, occurrence, model.scheme.is_blast
    path = folder / "card.toml"
    card = read_toml(path, ModelError)
    card["calibration"] |= {
        "prior_ratios": list(fit_prior_ratios(*fit)),
        "prior_ratios_rest_on": f"{RESTS_ON}; [metrics.validation] is of before them",
    }
    without = figures_by_source(kept, kept.logits.numpy().argmax(1), model.scheme)
    card["metrics"]["kept"] = figures_by_source(kept, called_by_others(*fit), model.scheme)
    for title, figures in (("without", without), ("with", card["metrics"]["kept"])):
        _print(f"{title} prior ratios", figures)
    write_whole(path, lambda beside: beside.write_text(tomli_w.dumps(card), "utf-8"))


def _print(title: str, figures: dict[str, dict[str, Any]]) -> None:
    for source, of_source in figures.items():
        called = of_source["leukocytes_called_blast"]
        click.echo(
            f"{title}, {source}: {called} of {of_source['leukocytes']} leukocytes called blast"
        )
        for row in of_source["class"]:
            to = ", ".join(f"{code} {cells}" for code, cells in row["called"].items())
            click.echo(f"  {row['class']}: {row['sensitivity']:.3f} of {row['n']}, called {to}")


def _kept_cells(model: Model, images: Path, recipe: str) -> KeptCells:
    codes, named = model.scheme.codes, read_recipe(recipe).source
    learnt = [one["name"] for one in model.card["training"]["source"]]
    if [one.name for one in named] != learnt or len(learnt) < 2:
        raise InputError(
            f"{model.folder} learnt from the sources {learnt}, the recipe {recipe} names "
            f"{[one.name for one in named]}: the same, and more than one, are expected"
        )
    sources = [read_source(one, images, codes) for one in named[1:]]
    cells = gather(sources, codes)
    kept = np.concatenate([keep_a_fifth(one) for one in sources]) == KEPT_FOLD
    rows = torch.from_numpy(np.flatnonzero(kept))
    pixels = decode_pixels(sources, rows, model.preprocessing, usable_cores())
    names = np.array([one.name for one in sources])
    return KeptCells(
        _logits(model.network.weights, pixels.numpy()),
        cells.label_sets[cells.labels[rows]],
        names[cells.sources[rows].numpy()],
    )


def _logits(weights: Path, pixels: npt.NDArray[np.float32]) -> torch.Tensor:
    session = session_of(weights.read_bytes())
    name = session.get_inputs()[0].name
    parts = [pixels[begin : begin + _BATCH] for begin in range(0, len(pixels), _BATCH)]
    return torch.from_numpy(np.concatenate([session.run(None, {name: part})[0] for part in parts]))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        refit(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except (BloodcellError, OSError) as error:
        sys.exit(f"error: {error}")
