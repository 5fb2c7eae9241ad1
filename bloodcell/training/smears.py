"""What a model card says of how its training images look.

usage: python -m bloodcell.training.smears FOLDER IMAGES LABELS
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from bloodcell.engine.decode import Decoder
from bloodcell.engine.machine import usable_cores
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.rewriting import passed_images
from bloodcell.engine.source import batches_of, read_files
from bloodcell.engine.staining import Looks, looks_of
from bloodcell.errors import BloodcellError, InputError, ModelError
from bloodcell.files import write_whole
from bloodcell.model import load_model
from bloodcell.smears import fit_smears
from bloodcell.toml import read_toml
from bloodcell.training.recipe import Source
from bloodcell.training.sources import SourceCells, read_source

_BATCH = 64
_COMMAND = "python -m bloodcell.training.smears"


def looks_of_sources(
    sources: list[SourceCells], preprocessing: Preprocessing, threads: int
) -> Looks:
    """``looks_of`` the cells of all sources, in their order; all of them must be such as score."""
    decoder = Decoder(preprocessing, batch_size=_BATCH, threads=threads)
    looks = []
    for one in sources:
        for encoded in read_files(one.root, batches_of(one.images, _BATCH)):
            images = passed_images(encoded)
            _, samples, why_not = decoder.decode_passed(images.encoded, images.is_deep)
            if images.reasons.any() or why_not.any():
                raise InputError(f"source {one.name!r} has images that would be rejected")
            looks.append(looks_of(samples))
    return np.concatenate(looks)


def patients_of(sources: list[SourceCells]) -> "np.ndarray[Any, np.dtype[np.str_]]":
    """The patient of each cell of all sources, who is another in another source; "" for none."""
    return np.concatenate(
        [
            np.array([f"{number}/{name}" if name else "" for name in one.patients.tolist()])
            for number, one in enumerate(sources)
        ]
    )


def refit(folder: Path, images: Path, labels: Path) -> None:
    """Write ``[smears]`` of the labelled images into the folder's card.

    ``labels``: as ``bloodcell train`` takes them, of the images that the network learnt from.
    Raises InputError, also of fewer than ten patients, ModelError, DiskError.
    """
    model = load_model(folder)
    source = Source("data", ".", str(labels.resolve()), share=1.0, data={})
    sources = [read_source(source, images, model.scheme.codes)]
    looks = looks_of_sources(sources, model.preprocessing, usable_cores())
    table = fit_smears(looks, patients_of(sources), made_by=_COMMAND)
    if table is None:
        raise InputError(f"{labels} names too few patients: at least ten are needed")
    path = model.folder / "card.toml"
    card = read_toml(path, ModelError) | {"smears": table}
    write_whole(path, lambda beside: beside.write_text(tomli_w.dumps(card), "utf-8"))


if __name__ == "__main__":
    try:
        refit(*map(Path, sys.argv[1:]))
    except (BloodcellError, OSError) as error:
        sys.exit(f"error: {error}")
