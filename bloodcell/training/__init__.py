"""Training a network from labelled cells; needs the ``train`` extra (torch, onnx)."""

from bloodcell.errors import PackageError

try:
    from bloodcell.training.train import train
except ModuleNotFoundError as missing:
    raise PackageError(
        f"training needs {missing.name}, which is not installed: pip install 'bloodcell[train]'"
    ) from missing

__all__ = ["train"]
