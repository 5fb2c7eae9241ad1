"""Loads the backend of a choice; it may score only after its self-test."""

from bloodcell.engine.backends.choice import BACKENDS
from bloodcell.engine.backends.contract import (
    CPU,
    REFERENCE,
    Backend,
    Choice,
    DeviceBackend,
    Network,
)
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.backends.self_test import prove
from bloodcell.errors import EngineError

_CPU_CELLS = 18
"""Cells in the self-test's largest batch on a CPU: more than a backend takes in one pass."""


def open_backend(
    choice: Choice, network: Network, threads: int, calls: int = 1, *, prompt: bool = False
) -> Backend:
    """Load ``network`` and prove it.

    ``threads``: CPU threads of a call; ``calls``: as many threads may call it at a time;
    ``prompt``: see ``Setup.prompt``.
    Raises ModelError for a network that its card does not describe or the backend does not know,
    and EngineError if the backend cannot be loaded or fails its self-test.
    """
    if choice.on_gpu:
        return open_device_backend(choice, network, threads)
    on_cpu = BACKENDS[choice.name].on_cpu
    if on_cpu is None:
        raise EngineError(f"the backend {choice.name} does not run on a {CPU}")
    # First, for every backend: it also holds the file against its card.
    reference = OnnxRuntimeBackend(network, threads)
    is_reference = choice.name == REFERENCE
    open_other = (prompt and on_cpu.open_prompt) or on_cpu.open
    opened = reference if is_reference else open_other(network, threads, calls)
    prove(
        opened,
        None if is_reference else reference,
        input_px=network.input_px,
        largest_difference=on_cpu.largest_difference,
        rows=_CPU_CELLS,
    )
    return opened


def open_device_backend(choice: Choice, network: Network, threads: int) -> DeviceBackend:
    """See ``open_backend``; for a choice that is on a GPU."""
    on_gpu = BACKENDS[choice.name].on_gpu
    if on_gpu is None:
        raise EngineError(f"the backend {choice.name} does not run on a GPU")
    # Before a plan is built, which may take minutes: it also holds the file against its card.
    reference = OnnxRuntimeBackend(network, threads)
    opened = on_gpu.open(network)
    prove_on_gpu(opened, reference, network, on_gpu.largest_difference)
    return opened


def prove_on_gpu(
    backend: DeviceBackend, reference: Backend, network: Network, largest_difference: float
) -> None:
    """EngineError, with the numbers, unless ``backend`` may score; see ``prove``."""
    prove(
        backend,
        reference,
        input_px=network.input_px,
        largest_difference=largest_difference,
        rows=2 * backend.largest_batch + 1,
    )
