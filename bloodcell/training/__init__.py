"""Training a network from labelled cells; needs the ``train`` extra (torch, onnx)."""

from bloodcell.errors import InputError

try:
    from bloodcell.training.recipe import train
except ModuleNotFoundError as missing:
    raise InputError(
        f"training needs {missing.name}, which is not installed: pip install 'bloodcell[train]'"
    ) from missing

__all__ = ["train"]
