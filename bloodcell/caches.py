"""The one folder outside a run that anything is written to: ``bloodcell`` in the user's cache."""

import os
from pathlib import Path

_OF_LIBRARIES = {
    "CUDA_CACHE_PATH": "cuda",
    "CUPY_CACHE_DIR": "cupy",
    "KERAS_HOME": "keras",
    "MPLCONFIGDIR": "matplotlib",
    "TORCHINDUCTOR_CACHE_DIR": "torch",
}
"""The variables that name libraries' caches, and the folders they get."""


def user_cache() -> Path:
    """``bloodcell`` in the user's cache folder, after the XDG base directory specification."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The specification has relative paths ignored.
    return (base if base.is_absolute() else Path.home() / ".cache") / "bloodcell"


def keep_library_caches_together() -> None:
    """For a command, before it loads a library: what libraries keep goes into ``user_cache``.

    A variable that the user has set stays. Never for a library to call: it holds for a process.
    """
    try:
        together = user_cache()
    except RuntimeError:  # the user has no home: libraries then keep nothing
        return
    for variable, folder in _OF_LIBRARIES.items():
        os.environ.setdefault(variable, str(together / folder))
