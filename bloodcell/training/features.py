"""Features of all cells by an encoder that was not trained on them, computed once."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.files import write_whole
from bloodcell.training.cells import decode_pixels
from bloodcell.training.fit import infer, mixed_precision
from bloodcell.training.recipe import SIDE_MULTIPLE_PX, Family
from bloodcell.training.sources import SourceCells
from bloodcell.training.teacher import open_encoder

_ROWS = 512


def frozen_features(
    family: Family,
    sources: list[SourceCells],
    rows: torch.Tensor,
    preprocessing: Preprocessing,
    folder: Path,
) -> torch.Tensor:
    """float16 (M, F) of the cells ``rows``, int64 (M,) ascending, by the encoder of ``family``.

    Kept in ``folder``, every 512 cells a file, so that what was computed is not computed again;
    the folder is that of one training, which holds its sources to be the same.
    """
    encoder = open_encoder(family, preprocessing)
    assert isinstance(encoder, torch.nn.Module)
    side = preprocessing.input_px // SIDE_MULTIPLE_PX[family] * SIDE_MULTIPLE_PX[family]
    seen = replace(preprocessing, input_px=side)
    parts = []
    for number, chosen in enumerate(torch.split(rows, _ROWS)):
        path = folder / family / f"{number:05}.npy"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = decode_pixels(sources, chosen, seen, torch.get_num_threads())
            with mixed_precision(torch.device("cpu")):
                features = infer(encoder, pixels).numpy().astype(np.float16)
            write_whole(path, partial(_save, features=features))
        parts.append(np.load(path))
    return torch.from_numpy(np.concatenate(parts))


def _save(path: Path, features: npt.NDArray[np.float16]) -> None:
    with path.open("wb") as file:  # np.save would add a suffix to the name
        np.save(file, features)
