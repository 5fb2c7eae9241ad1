"""Images that lie in a GPU's memory already."""

import importlib
from typing import Any

from bloodcell.errors import PackageError


def on_device(image: Any) -> Any:
    """A view of an object with ``__dlpack__`` in CUDA memory, as CuPy's array.

    Raises what CuPy says if it cannot be had, and PackageError without CuPy.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise PackageError(
            f"images on a GPU need CuPy ({error}): pip install 'bloodcell[gpu]'"
        ) from error
    return cupy.from_dlpack(image)


def copied_on_device(array: Any) -> Any:
    """A copy, C-contiguous, that is whole when this returns: ``array`` may then be written to."""
    cupy = importlib.import_module("cupy")
    own = cupy.array(array, order="C")
    cupy.cuda.get_current_stream().synchronize()
    return own
