"""Features of all cells by an encoder that was not trained on them, computed once."""

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.files import write_whole
from bloodcell.training.cells import decode_pixels
from bloodcell.training.fit import infer, mixed_precision, training_device
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

    Kept in ``folder``, every 512 cells a file, so that what was computed is not computed again:
    below a name that is of the cells, of what is seen of them and of the encoder.
    """
    encoder = open_encoder(family, preprocessing)
    assert isinstance(encoder, torch.nn.Module)
    device = training_device()
    encoder.to(device)
    side = preprocessing.input_px // SIDE_MULTIPLE_PX[family] * SIDE_MULTIPLE_PX[family]
    seen = replace(preprocessing, input_px=side)
    parts, own = [], folder / f"{family}-{_digest_of(sources, rows, seen)}"
    for number, chosen in enumerate(torch.split(rows, _ROWS)):
        path = own / f"{number:05}.npy"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = decode_pixels(sources, chosen, seen, torch.get_num_threads())
            with mixed_precision(device):
                features = infer(encoder, pixels).numpy().astype(np.float16)
            write_whole(path, partial(_save, features=features))
        parts.append(np.load(path))
    return torch.from_numpy(np.concatenate(parts))


def _digest_of(sources: list[SourceCells], rows: torch.Tensor, seen: Preprocessing) -> str:
    digest = hashlib.sha256(repr(seen).encode())
    for source in sources:
        digest.update(repr((str(source.root), source.images.to_pylist())).encode())
    digest.update(rows.numpy().tobytes())
    return digest.hexdigest()[:16]


def _save(path: Path, features: npt.NDArray[np.float16]) -> None:
    with path.open("wb") as file:  # np.save would add a suffix to the name
        np.save(file, features)
