"""The seam between the stream and whatever runs the network."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backend_names import BackendName
from bloodcell.engine.backends.cuda import first_device, why_no_cuda
from bloodcell.engine.machine import computes_in_bfloat16
from bloodcell.errors import EngineError

if TYPE_CHECKING:
    from bloodcell.engine.backends.device import DeviceBackend

_MODULES: dict[str, tuple[str, ...]] = {
    "onnxruntime": (),
    "openvino": ("openvino",),
    "torch": ("torch", "onnx"),
    "tensorrt": ("tensorrt|tensorrt_rtx|tensorrt_rtx_bindings", "cupy", "onnx"),
}
"""What must be importable; of several names one will do."""
BACKENDS = tuple(_MODULES)
_PACKAGES = {"cupy": "cupy-cuda13x"}
"""Where a package is not named as what it holds."""
_CPU_ONLY = ("onnxruntime", "openvino")
_CPU_CELLS, _GPU_CELLS = 18, 513
"""Cells in the self-test's largest batch: more than a backend takes in one pass."""
FP32_DIFFERENCE, FP16_DIFFERENCE, BFLOAT16_DIFFERENCE = 1e-3, 0.02, 0.05
"""By how much a probability may differ from ONNX Runtime's in FP32."""


class Backend(Protocol):
    """A loaded network that gives what is stored of a cell: calibrated, quantised probabilities.

    A row's result depends on that row's pixels alone, bit for bit.
    """

    @property
    def class_count(self) -> int:
        """Number of classes C."""

    @property
    def made_of(self) -> dict[str, str]:
        """Versions and digests, by name, that its results depend on besides the network."""

    def probabilities(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Pixels float32 (N, 3, input_px, input_px) to probabilities float32 (N, C) on the host.

        They are what ``calibrated_probabilities`` makes of the logits: multiples of
        ``PROBABILITY_STEP``, and NaN in every class of a row whose logits are not all finite.
        Raises EngineError if the network cannot be run at all.
        """


@dataclass(frozen=True)
class Network:
    """What a backend needs to know of a model."""

    weights: Path
    input_px: int
    class_count: int
    temperature: float
    """Divides the logits before the softmax."""


CPU = "CPU"
"""The device of a choice that needs no GPU."""


@dataclass(frozen=True)
class Choice:
    """Which backend a request led to, and why."""

    name: str
    why: str
    device: str
    """``CPU``, or the GPU's name; with ``name`` it decides what a run's results are."""

    @property
    def on_gpu(self) -> bool:
        """Whether the network runs on a GPU, and with it decoding."""
        return self.device != CPU


def choose_backend(requested: BackendName) -> Choice:
    """Resolve ``auto``. An explicit request never falls back: EngineError if it cannot be met."""
    if requested == "auto":
        return _best_here()
    why_not = why_not_here(requested)
    if why_not:
        raise EngineError(
            f"backend {requested!r} cannot run here: {why_not}. Or use --backend onnxruntime"
        )
    if requested in _CPU_ONLY:
        return Choice(requested, "asked for", CPU)
    why_cpu = why_not_on_gpu(requested)
    if why_cpu:
        return Choice(requested, f"asked for; on the CPU: {why_cpu}", CPU)
    return Choice(requested, "asked for", first_device().name)


def why_not_here(name: str) -> str | None:
    """None if the backend can run here, on the CPU or a GPU; else one line saying why not."""
    why_no_gpu = why_no_cuda() if name == "tensorrt" else None
    if why_no_gpu:
        return f"it needs a CUDA GPU, and {why_no_gpu}"
    wanted = [modules.split("|") for modules in _MODULES[name]]
    lacking = [names[0] for names in wanted if not any(map(find_spec, names))]
    missing = [_PACKAGES.get(name, name) for name in lacking]
    if missing:
        return f"not installed: pip install {' '.join(missing)}"
    if name == "openvino" and not computes_in_bfloat16():
        return "this CPU does not compute in bfloat16, and in FP32 ONNX Runtime is as fast"
    return None


def why_not_on_gpu(name: str) -> str | None:
    """None if the backend can use this machine's GPU; else one line saying why not."""
    if name in _CPU_ONLY:
        return "bloodcell uses it for the CPU only"
    why_not = why_no_cuda() or why_not_here(name)
    if why_not is None and name == "torch":
        import torch

        if not torch.cuda.is_available():
            return f"torch {torch.__version__} cannot use this GPU: install a build for its CUDA"
    return why_not


def open_backend(choice: Choice, network: Network, threads: int, calls: int = 1) -> Backend:
    """Load ``network``; it may score only after its self-test.

    ``threads``: CPU threads of a call; ``calls``: as many threads may call it at a time.
    Raises ModelError for a network that its card does not describe or the backend does not know,
    and EngineError if the backend cannot be loaded or fails its self-test.
    """
    from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
    from bloodcell.engine.backends.self_test import prove

    if choice.on_gpu:
        return open_device_backend(choice, network, threads)
    # First, for every backend: it also holds the file against its card.
    reference: Backend = OnnxRuntimeBackend(network, threads)
    opened, other, allowed = reference, None, FP32_DIFFERENCE
    if choice.name == "torch":
        from bloodcell.engine.backends.torch import TorchBackend

        opened, other = TorchBackend(network, threads), reference
    elif choice.name == "openvino":
        from bloodcell.engine.backends.openvino import OpenVINOBackend

        opened, other = OpenVINOBackend(network, threads, calls), reference
        allowed = BFLOAT16_DIFFERENCE
    prove(opened, other, input_px=network.input_px, largest_difference=allowed, rows=_CPU_CELLS)
    return opened


def open_device_backend(choice: Choice, network: Network, threads: int) -> DeviceBackend:
    """See ``open_backend``; for a choice that is on a GPU."""
    from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
    from bloodcell.engine.backends.self_test import prove

    reference = OnnxRuntimeBackend(network, threads)
    opened = _load_on_gpu(choice, network)
    prove(
        opened, reference, input_px=network.input_px, largest_difference=FP16_DIFFERENCE,
        rows=_GPU_CELLS,
    )  # fmt: skip
    return opened


def _load_on_gpu(choice: Choice, network: Network) -> DeviceBackend:
    if choice.name == "torch":
        from bloodcell.engine.backends.torch_device import TorchDeviceBackend

        return TorchDeviceBackend(network)
    from bloodcell.engine.backends.tensorrt import TensorRTBackend

    return TensorRTBackend(network)


def _best_here() -> Choice:
    no_gpu = why_no_cuda()
    if no_gpu:
        return _best_on_cpu(no_gpu)
    device = first_device().name
    against: list[str] = []
    for name in ("tensorrt", "torch"):
        why_not = why_not_on_gpu(name)
        if why_not is None:
            return Choice(name, "; ".join([f"it runs on the {device}", *against]), device)
        against.append(f"not {name}: {why_not}")
    return _best_on_cpu("; ".join(against))


def _best_on_cpu(why_no_gpu: str) -> Choice:
    why_not = why_not_here("openvino")
    if why_not is None:
        return Choice("openvino", f"this CPU computes in bfloat16; {why_no_gpu}", CPU)
    return Choice("onnxruntime", f"it runs on the CPU; {why_no_gpu}; not openvino: {why_not}", CPU)
