"""The table of backends, one row each, and which of them scores here.

Light, so that ``--help`` can list the names: a row loads its backend when it opens it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bloodcell.engine.backends.contract import CPU, REFERENCE, USE_REFERENCE, Choice
from bloodcell.engine.backends.cuda import first_device, why_no_cuda
from bloodcell.engine.machine import computes_in_bfloat16, is_faster_in_bfloat16
from bloodcell.errors import EngineError, InputError

if TYPE_CHECKING:
    from bloodcell.engine.backends.contract import Backend, DeviceBackend, Network

FP32_DIFFERENCE, FP16_DIFFERENCE, BFLOAT16_DIFFERENCE = 1e-3, 0.02, 0.05
"""By how much a probability may differ from the reference's in FP32."""


@dataclass(frozen=True)
class OnCpu:
    """How a backend runs on the CPU."""

    open: Callable[[Network, int, int], Backend]
    """Of a network, the CPU threads of a call, and how many threads may call at a time."""
    because: str
    """Why ``auto`` takes it, for ``run.json``."""
    largest_difference: float = FP32_DIFFERENCE
    open_prompt: Callable[[Network, int, int], Backend] | None = None
    """The same where cells come one by one, if another one then answers sooner."""
    spreads_a_call: bool = False
    """Whether one call at a time uses all threads; else each thread makes calls of its own."""
    why_not: Callable[[], str | None] = lambda: None
    """What stands in the way although its packages are there; None if nothing does."""
    why_not_unasked: Callable[[], str | None] = lambda: None
    """Why ``auto`` leaves it although it can run; None if it does not."""


@dataclass(frozen=True)
class OnGpu:
    """How a backend runs on a GPU."""

    open: Callable[[Network], DeviceBackend]
    largest_difference: float = FP16_DIFFERENCE
    why_not: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Row:
    """All that is known of a backend before it is loaded."""

    packages: tuple[tuple[str, str], ...]
    """What must be importable, modules of which one will do divided by ``|``; and for each what
    to install."""
    on_cpu: OnCpu | None = None
    on_gpu: OnGpu | None = None


def _open_onnxruntime(network: Network, threads: int, _calls: int) -> Backend:
    from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(network, threads)


def _open_openvino(network: Network, threads: int, calls: int) -> Backend:
    from bloodcell.engine.backends.openvino import OpenVINOBackend

    return OpenVINOBackend(network, threads, calls)


def _open_prompt_openvino(network: Network, threads: int, calls: int) -> Backend:
    from bloodcell.engine.backends.openvino import OpenVINOBackend

    return OpenVINOBackend(network, threads, calls, prompt=True)


def _open_tensorrt(network: Network) -> DeviceBackend:
    from bloodcell.engine.backends.tensorrt import TensorRTBackend

    return TensorRTBackend(network)


def _open_torch(network: Network, threads: int, _calls: int) -> Backend:
    from bloodcell.engine.backends.torch import TorchBackend

    return TorchBackend(network, threads)


def _open_torch_on_gpu(network: Network) -> DeviceBackend:
    from bloodcell.engine.backends.torch_device import TorchDeviceBackend

    return TorchDeviceBackend(network)


def _why_no_bfloat16() -> str | None:
    if computes_in_bfloat16():
        return None
    return "this CPU does not compute in bfloat16, and in FP32 ONNX Runtime is as fast"


def _why_bfloat16_is_slow() -> str | None:
    if is_faster_in_bfloat16():
        return None
    return "on this CPU bfloat16 takes longer than FP32"


def _why_no_torch_on_gpu() -> str | None:
    import torch

    if torch.cuda.is_available():
        return None
    return f"torch {torch.__version__} cannot use this GPU: install a build for its CUDA"


BACKENDS = {
    "openvino": Row(
        packages=(("openvino", "openvino"),),
        on_cpu=OnCpu(
            _open_openvino, "this CPU computes in bfloat16", BFLOAT16_DIFFERENCE,
            open_prompt=_open_prompt_openvino, why_not=_why_no_bfloat16,
            why_not_unasked=_why_bfloat16_is_slow,
        ),
    ),
    REFERENCE: Row(packages=(), on_cpu=OnCpu(_open_onnxruntime, "it runs on the CPU")),
    "tensorrt": Row(
        packages=(
            ("tensorrt|tensorrt_rtx|tensorrt_rtx_bindings", "tensorrt"),
            ("cupy", "cupy-cuda13x"),
            ("onnx", "onnx"),
        ),
        on_gpu=OnGpu(_open_tensorrt),
    ),
    "torch": Row(
        packages=(("torch", "torch"), ("onnx", "onnx")),
        on_cpu=OnCpu(_open_torch, "it runs on the CPU", spreads_a_call=True),
        on_gpu=OnGpu(_open_torch_on_gpu, why_not=_why_no_torch_on_gpu),
    ),
}  # fmt: skip
"""By name. ``auto`` takes the first that can run on the GPU, else the first on the CPU."""

BACKEND_NAMES = ("auto", *sorted(BACKENDS))
"""What may be asked for."""


def choose_backend(requested: str) -> Choice:
    """Resolve ``auto``. An explicit request never falls back: EngineError if it cannot be met.

    Raises InputError for a name that no backend has.
    """
    if requested not in BACKEND_NAMES:
        raise InputError(f"backend is one of {', '.join(BACKEND_NAMES)}, not {requested!r}")
    if requested == "auto":
        return _best_here()
    why_not = why_not_here(requested)
    if why_not:
        raise EngineError(f"backend {requested!r} cannot run here: {why_not}. {USE_REFERENCE}")
    if BACKENDS[requested].on_gpu is None:
        return Choice(requested, "asked for", CPU)
    why_cpu = why_not_on_gpu(requested)
    if why_cpu:
        return Choice(requested, f"asked for; on the CPU: {why_cpu}", CPU)
    return Choice(requested, "asked for", first_device().name)


def why_not_here(name: str) -> str | None:
    """None if the backend can run here, on the CPU or a GPU; else one line saying why not."""
    row = BACKENDS[name]
    why_no_gpu = why_no_cuda() if row.on_cpu is None else None
    if why_no_gpu:
        return f"it needs a CUDA GPU, and {why_no_gpu}"
    lacking = [
        package for modules, package in row.packages if not any(map(find_spec, modules.split("|")))
    ]
    if lacking:
        return f"not installed: pip install {' '.join(lacking)}"
    return row.on_cpu.why_not() if row.on_cpu else None


def why_not_on_gpu(name: str) -> str | None:
    """None if the backend can use this machine's GPU; else one line saying why not."""
    on_gpu = BACKENDS[name].on_gpu
    if on_gpu is None:
        return "bloodcell uses it for the CPU only"
    return why_no_cuda() or why_not_here(name) or on_gpu.why_not()


def _best_here() -> Choice:
    no_gpu = why_no_cuda()
    if no_gpu:
        return _best_on_cpu(no_gpu)
    device = first_device().name
    against: list[str] = []
    for name, row in BACKENDS.items():
        if row.on_gpu is None:
            continue
        why_not = why_not_on_gpu(name)
        if why_not is None:
            return Choice(name, "; ".join([f"it runs on the {device}", *against]), device)
        against.append(f"not {name}: {why_not}")
    return _best_on_cpu("; ".join(against))


def _best_on_cpu(why_no_gpu: str) -> Choice:
    against = [why_no_gpu]
    for name, row in BACKENDS.items():
        if row.on_cpu is None:
            continue
        why_not = why_not_here(name) or row.on_cpu.why_not_unasked()
        if why_not is None:
            return Choice(name, "; ".join([row.on_cpu.because, *against]), CPU)
        against.append(f"not {name}: {why_not}")
    raise AssertionError(f"{REFERENCE} runs everywhere")
