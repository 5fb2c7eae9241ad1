"""How the versions of TensorRT differ, as data; everything else treats them alike.

Only what is named here may depend on the version.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType

from bloodcell.errors import EngineError, PackageError

_MODULES = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")
"""In this order; the last is what the wheels of TensorRT-RTX on PyPI hold."""

_OF_ITS_OWN = ("EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS")
"""Without CUBLAS, CUBLAS_LT and CUDNN, which 8.6 loads in versions of CUDA 11 or 12 that nothing
else here needs; later versions have them off by themselves."""


@dataclass(frozen=True)
class Flavour:
    """One TensorRT as installed."""

    name: str
    version: str
    module: ModuleType
    network_flags: tuple[str, ...]
    """Names of the ``NetworkDefinitionCreationFlag`` that a network needs."""
    fp16_flag: bool
    """FP16 is a flag of the builder, and the network stays FP32; else the network says it."""
    compiles_at_load: bool
    """Plans hold no timed kernels: the GPU's are compiled at load and kept in a runtime cache."""
    tactic_sources: tuple[str, ...] = ()
    """Names of the ``TacticSource`` that kernels may come from; none: TensorRT's default."""


def flavour_of(module: ModuleType) -> Flavour:
    """The flavour of an imported TensorRT. Raises EngineError if it is older than 8.6."""
    version = module.__version__
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if "rtx" in module.__name__:
        return Flavour("TensorRT-RTX", version, module, (), False, True)
    if numbers < (8, 6):
        raise EngineError(f"TensorRT {version} is too old: 8.6 or newer is needed")
    if numbers < (10, 0):
        return Flavour("TensorRT", version, module, ("EXPLICIT_BATCH",), True, False, _OF_ITS_OWN)
    # From 11 on every network is strongly typed, and the flag is ignored.
    flags = ("STRONGLY_TYPED",) if numbers < (11, 0) else ()
    return Flavour("TensorRT", version, module, flags, False, False)


def installed_flavour() -> Flavour:
    """Import TensorRT. Ask ``why_no_cuda`` first: without a GPU its runtime can crash.

    Raises PackageError if there is none, EngineError if it cannot load its libraries.
    """
    name = next((name for name in _MODULES if _is_there(name)), None)
    if name is None:
        raise PackageError(
            "TensorRT is not installed: pip install 'bloodcell[gpu]', or use another backend"
        )
    try:
        return flavour_of(importlib.import_module(name))
    except (ImportError, OSError) as error:
        raise EngineError(
            f"{name} is installed but cannot be loaded ({error}): install its libraries for "
            "this CUDA version"
        ) from error


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # a module that was imported without a specification
        return False
