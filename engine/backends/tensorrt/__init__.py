"""TensorRT: an ONNX network becomes a plan for one GPU, is kept, and scores.

``flavour`` says how TensorRT's versions differ, ``builder`` makes a plan, ``cache`` keeps it,
``plan`` joins the three, ``runtime`` runs it. Nothing here imports TensorRT or CuPy before a
function needs them.
"""

from bloodcell.engine.backends.tensorrt.plan import PlanOptions
from bloodcell.engine.backends.tensorrt.runtime import TensorRTBackend

__all__ = ["PlanOptions", "TensorRTBackend"]
