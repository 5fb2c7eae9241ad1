"""`bloodcell build`: the TensorRT plan of a model for this machine's GPU, made ahead of time."""

from typing import Any

from bloodcell.engine.backends.choice import FP16_DIFFERENCE
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.backends.opening import prove_on_gpu
from bloodcell.engine.backends.tensorrt import PlanOptions, TensorRTBackend
from bloodcell.engine.machine import usable_cores
from bloodcell.errors import EngineError
from bloodcell.model import load_model


def build(model: str, options: PlanOptions) -> dict[str, Any]:
    """Build the plan, or find it in the cache, and prove it; scoring then takes these options.

    Returns what to tell the user, by name. Raises ModelError for a model that may not be used,
    and EngineError if there is no GPU or TensorRT, the build fails or the plan fails its
    self-test; scoring then keeps to the options it had.
    """
    network = load_model(model).network
    backend = TensorRTBackend(network, options)
    try:
        reference = OnnxRuntimeBackend(network, usable_cores())
        prove_on_gpu(backend, reference, network, FP16_DIFFERENCE)
    except EngineError:
        # Another build may choose other kernels; what was refused is never tried again.
        backend.plan.path.unlink(missing_ok=True)
        raise
    backend.maker.keep_choice(network, options)
    plan, maker = backend.plan, backend.maker
    return {
        "plan": plan.path,
        "size": f"{len(plan.content) / 2**20:.1f} MiB",
        "built": "lay ready" if plan.built_s is None else f"in {plan.built_s:.1f} s",
        "for": f"{maker.device.name}, {maker.flavour.name} {maker.flavour.version}",
        "self-test": "passed",
    }
