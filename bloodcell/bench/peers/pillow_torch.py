"""Pillow in torch's DataLoader, and eager torch: what most would write first."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from bloodcell.bench.peers.contender import Classes, batch_size_of, image_paths, in_batches
from bloodcell.bench.peers.torch_network import TorchNetwork
from bloodcell.bench.scoring_options import Scoring
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.model import load_model

_FILTERS = {
    "linear": Image.Resampling.BILINEAR,
    "triangular": Image.Resampling.BILINEAR,
    "cubic": Image.Resampling.BICUBIC,
    "lanczos3": Image.Resampling.LANCZOS,
}


class PillowTorch:
    """Worker processes decode and resize by Pillow, two batches ahead each; torch runs eagerly.

    There is a worker a thread, started before the clock is. Pixels come as bytes, a quarter of
    FP32's traffic, in pinned memory if there is a GPU, and are normalised where the network is.
    """

    def __init__(self, scoring: Scoring) -> None:
        model = load_model(scoring.model)
        self._network = TorchNetwork(model, scoring.threads)
        self._batch_size = batch_size_of(scoring)
        # One list for all passes: the loader's workers outlive what is in it.
        self._batches: list[list[str]] = []
        self._loader = DataLoader(
            _Images(model.preprocessing),
            batch_sampler=self._batches,
            num_workers=scoring.threads,
            prefetch_factor=2,
            persistent_workers=True,
            pin_memory=self._network.on_cuda,
        )

    def ready(self, manifest: Path) -> Callable[[], Classes]:
        """See ``Contender.ready``."""
        self._batches[:] = in_batches(image_paths(manifest), self._batch_size)
        return self._score

    def _score(self) -> Classes:
        called = [self._network.classes_of_images(images) for images in self._loader]
        return torch.cat(called).cpu().numpy()


class _Images(Dataset[npt.NDArray[np.uint8]]):
    """Path to pixels."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._preprocessing = preprocessing

    def __getitem__(self, path: str) -> npt.NDArray[np.uint8]:
        return by_pillow(path, self._preprocessing)


def by_pillow(file: str | BinaryIO, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Decode an image and resize its central region; uint8 (input_px, input_px, 3)."""
    side, margin = preprocessing.input_px, (1 - preprocessing.region) / 2
    with Image.open(file) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    width, height = image.size
    resized = image.resize(
        (side, side),
        _FILTERS[preprocessing.interpolation],
        box=(margin * width, margin * height, (1 - margin) * width, (1 - margin) * height),
    )
    return np.array(resized)
