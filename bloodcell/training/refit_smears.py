"""Fit anew what a model's card says of how its training images look.

usage: python -m bloodcell.training.refit_smears FOLDER IMAGES LABELS
"""

import sys
from pathlib import Path

import tomli_w
import torch

from bloodcell.engine.machine import usable_cores
from bloodcell.errors import BloodcellError, InputError, ModelError
from bloodcell.files import write_whole
from bloodcell.model import load_model
from bloodcell.toml import read_toml
from bloodcell.training.recipe import Source
from bloodcell.training.smears import smears_of
from bloodcell.training.sources import read_source


def refit(folder: Path, images: Path, labels: Path) -> None:
    """Write ``[smears]`` of the labelled images that the model rests on into its card.

    They are those that the network learnt from, or, of a site's own model, its patients'.
    ``labels``: as ``bloodcell train`` takes them. Raises InputError, also of fewer than ten
    patients, ModelError, DiskError.
    """
    model = load_model(folder)
    source = Source("data", ".", str(labels.resolve()), share=1.0, data={})
    cells = read_source(source, images, model.scheme.codes)
    table = smears_of(
        [cells],
        torch.ones(len(cells.labels), dtype=torch.bool),
        model.preprocessing,
        usable_cores(),
        made_by="python -m bloodcell.training.refit_smears",
    )
    if table is None:
        raise InputError(f"{labels} names too few patients: at least ten are needed")
    path = model.folder / "card.toml"
    card = read_toml(path, ModelError) | {"smears": table}
    write_whole(path, lambda beside: beside.write_text(tomli_w.dumps(card), "utf-8"))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        refit(*map(Path, sys.argv[1:]))
    except (BloodcellError, OSError) as error:
        sys.exit(f"error: {error}")
