"""Many cells through what takes only so many at a time, without a row's bits depending on it."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def chunks(count: int, batch: int) -> Iterator[tuple[int, int]]:
    """First and end row of each chunk of at most ``batch`` of ``count`` rows, in order."""
    for start in range(0, count, batch):
        yield start, min(start + batch, count)


def in_passes(
    run: Callable[[Array], Array], pixels: Array, pass_cells: int, class_count: int
) -> Array:
    """Logits (N, ``class_count``) of ``pixels`` (N, 3, side, side), ``pass_cells`` at a time.

    Every pass has that one size, the last one filled up with zeros: a library may choose other
    arithmetic for another size.
    """
    logits = np.empty((len(pixels), class_count), np.float32)
    for start, end in chunks(len(pixels), pass_cells):
        whole = pixels[start:end]
        if len(whole) < pass_cells:
            whole = np.zeros((pass_cells, *pixels.shape[1:]), np.float32)
            whole[: end - start] = pixels[start:end]
        logits[start:end] = run(whole)[: end - start]
    return logits
