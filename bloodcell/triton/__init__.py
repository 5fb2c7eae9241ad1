"""A model as a repository of Triton Inference Server: decoding, network and both together.

``pipeline.py`` and ``engine.backends.onnx.probabilities`` make what Triton runs, ``config.py`` what
it reads, ``repository.py`` the folders.
"""

from bloodcell.triton.config import Options
from bloodcell.triton.repository import export_triton

__all__ = ["Options", "export_triton"]
