"""The backends that `make gpu-check` opens itself, for batches of any size, in either precision."""

from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from network_speed import Candidate

from bloodcell.engine.backends.contract import Backend, Network


def candidates() -> tuple[list[Candidate], list[str]]:
    """What can be measured here, FP16 first, and why the rest cannot."""
    found, lacking = [], []
    for name, wanted, opener, on_device in (
        ("tensorrt", ("tensorrt|tensorrt_rtx", "cupy"), open_tensorrt, _by_cupy),
        ("torch", ("torch",), open_torch, _by_torch),
    ):
        missing = [one for one in wanted if not any(map(find_spec, one.split("|")))]
        if missing:
            lacking.append(f"backend {name}: {', '.join(missing)} not installed")
            continue
        sources = {"host": lambda pixels: pixels, "device": on_device}
        for precision in ("float16", "float32"):
            opened = partial(opener, precision=precision)
            found.append(Candidate(name, precision, opened, sources))
    return sorted(found, key=lambda candidate: candidate.precision), lacking


def open_tensorrt(network: Network, batch: int, precision: Any = "float16") -> Backend:
    from bloodcell.engine.backends.tensorrt import PlanOptions, TensorRTBackend

    return TensorRTBackend(network, PlanOptions(largest_batch=batch, precision=precision))


def open_torch(network: Network, batch: int, precision: str = "float16") -> Backend:
    import torch

    from bloodcell.engine.backends.torch_device import TorchDeviceBackend

    # FP32 is to mean FP32, as for TensorRT.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return TorchDeviceBackend(network, batch, float16=precision == "float16")


def _by_cupy(pixels: Any) -> Any:
    return import_module("cupy").asarray(pixels)


def _by_torch(pixels: Any) -> Any:
    return import_module("torch").from_numpy(pixels).to("cuda")
