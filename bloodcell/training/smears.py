"""What a model card says of how its training images look."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.staining import Looks, looks_of
from bloodcell.looks import samples_in
from bloodcell.smears import fit_smears
from bloodcell.training.sources import SourceCells


def smears_of(
    sources: list[SourceCells],
    is_learnt: torch.Tensor,
    preprocessing: Preprocessing,
    threads: int,
    made_by: str = "bloodcell train",
) -> dict[str, Any] | None:
    """The table ``[smears]``, see ``fit_smears``, of the patients' cells that are learnt from.

    ``is_learnt``: bool (N,). Raises InputError if scoring would reject an image.
    """
    learnt = is_learnt.numpy()
    looks = np.concatenate([_looks(one, preprocessing, threads) for one in sources])
    return fit_smears(looks[learnt], _patients(sources)[learnt], made_by=made_by)


def _looks(source: SourceCells, preprocessing: Preprocessing, threads: int) -> Looks:
    batches = samples_in(source.root, source.images, preprocessing, threads)
    return np.concatenate([looks_of(samples) for samples in batches])


def _patients(sources: list[SourceCells]) -> npt.NDArray[np.str_]:
    """Of each cell; one name in two sources is two patients."""
    return np.array(
        [
            f"{number}/{name}" if name else ""
            for number, one in enumerate(sources)
            for name in one.patients.tolist()
        ]
    )
