"""Runs a plan on the GPU. No GPU has run one yet: every CUDA call here is unproved.

What can be decided without a GPU (keys, refusals, chunks, the kernel's arithmetic) is elsewhere
and tested; here is only the order of calls.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from bloodcell.caches import user_cache
from bloodcell.engine.backends.contract import PENDING, Network
from bloodcell.engine.backends.cuda import driver_version, first_device, why_no_cuda
from bloodcell.engine.backends.device import OneSizeBackend, Slot
from bloodcell.engine.backends.tensorrt import kernel
from bloodcell.engine.backends.tensorrt.builder import collecting_log, without_collection
from bloodcell.engine.backends.tensorrt.cache import PlanCache
from bloodcell.engine.backends.tensorrt.flavour import Flavour, installed_flavour
from bloodcell.engine.backends.tensorrt.plan import Plan, PlanMaker, PlanOptions
from bloodcell.errors import EngineError, PackageError

if TYPE_CHECKING:
    import tensorrt_rtx_bindings as trt

_WARM_UPS = 3


class TensorRTBackend(OneSizeBackend):
    """A plan for this GPU with its own stream, its buffers and a CUDA graph of one batch.

    ``options``: None for those that ``bloodcell build`` kept last for this network, else its
    defaults. Raises PackageError without TensorRT or CuPy, EngineError if there is no GPU or too
    little memory.
    """

    def __init__(self, network: Network, options: PlanOptions | None = None) -> None:
        # Before anything of TensorRT is imported: without a GPU it can crash the process.
        if reason := why_no_cuda():
            raise EngineError(f"TensorRT cannot be used here: {reason}")
        self._cupy = _imported_cupy()
        flavour = installed_flavour()
        cache = PlanCache(user_cache() / "plans")
        self.maker = PlanMaker(flavour, first_device(), driver_version(), cache)
        self.options = options or self.maker.chosen(network)
        self.plan: Plan = self.maker.plan(network, self.options)
        self.class_count = network.class_count
        # The plan alone: another build, of the same versions too, may choose other kernels.
        self.made_of = {
            flavour.name: flavour.version,
            "plan": hashlib.sha256(self.plan.content).hexdigest(),
        }
        self._network = network
        self.largest_batch = self.options.largest_batch
        with self._failing_in_one_line():
            self._prepare(flavour)

    def _copy_up(self, slot: Slot, places: slice) -> None:
        self._pixels[places].set(slot.pixels[places], stream=self.stream)

    def _launch(self, slot: Slot) -> None:
        self._graph.launch(self.stream)
        self._on_device.get(stream=self.stream, out=slot.probabilities, blocking=False)

    def _on_stream(self) -> AbstractContextManager[Any]:
        return self.stream  # type: ignore[no-any-return]

    @contextmanager
    def _failing_in_one_line(self) -> Iterator[None]:
        try:
            yield
        except self._device_errors as error:
            raise self._refused(error) from error

    def _as_array(self, pixels: Any) -> Any:
        array = pixels if isinstance(pixels, np.ndarray) else self._cupy.asarray(pixels)
        expected = (3, self._network.input_px, self._network.input_px)
        if array.ndim != 4 or array.shape[1:] != expected or array.dtype != np.float32:
            raise EngineError(
                f"the network takes float32 of shape (N, {', '.join(map(str, expected))}), "
                f"found {array.dtype} of shape {array.shape}"
            )
        return array

    def _prepare(self, flavour: Flavour) -> None:
        """Buffers, engine, warm-up and the graph. The order matters: nothing may be allocated
        while the graph is captured.
        """
        import cupyx

        cupy, rows, classes = self._cupy, self.largest_batch, self.class_count
        side = self._network.input_px
        self.stream = cupy.cuda.Stream(non_blocking=True)
        with self.stream:
            self._pixels = cupy.zeros((rows, 3, side, side), np.float32)
            self._logits = cupy.zeros((rows, classes), np.float32)
            self._on_device = cupy.zeros((rows, classes), np.float32)
            ratios = self._network.prior_ratios or (0.0,) * classes
            self._prior_ratios = cupy.asarray(np.array(ratios, np.float64))
        self._slots = [
            Slot(
                cupyx.empty_pinned(self._pixels.shape, np.float32),
                cupyx.empty_pinned(self._logits.shape, np.float32),
                cupy.cuda.Event(block=True, disable_timing=True),
            )
            for _ in range(PENDING)
        ]
        self._softmax = cupy.RawKernel(kernel.SOURCE, kernel.NAME)
        self._open_engine(flavour)
        for _ in range(_WARM_UPS):
            self._enqueue()
        self.stream.synchronize()
        self._keep_kernels(flavour)
        with self.stream:
            self.stream.begin_capture()
            try:
                self._enqueue()
            finally:
                # Also after a failure: a stream left capturing can be used for nothing else.
                self._graph = self.stream.end_capture()

    def _enqueue(self) -> None:
        with self.stream:
            if not self._context.execute_async_v3(self.stream.ptr):
                raise self._failure("TensorRT could not run the plan")
            blocks = -(-self.largest_batch // kernel.BLOCK)
            arguments = (
                self._logits,
                self._on_device,
                np.int32(self.largest_batch),
                np.int32(self.class_count),
                np.float64(self._network.temperature),
                self._prior_ratios,
            )
            self._softmax((blocks,), (kernel.BLOCK,), arguments)

    @without_collection()
    def _open_engine(self, flavour: Flavour) -> None:
        api = flavour.module
        # Kept: engine and context refer to the runtime and the log.
        self._log = collecting_log(api)
        self._runtime: trt.Runtime = api.Runtime(self._log)
        engine: trt.ICudaEngine | None = self._runtime.deserialize_cuda_engine(self.plan.content)
        if engine is None:
            raise self._failure("TensorRT refused the plan; deleted, it is built anew")
        names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        inputs = [n for n in names if engine.get_tensor_mode(n) == api.TensorIOMode.INPUT]
        outputs = [n for n in names if n not in inputs]
        self._engine, self._context = engine, self._new_context(flavour, engine)
        accepted = (
            self._context.set_input_shape(inputs[0], self._pixels.shape)
            and self._context.set_tensor_address(inputs[0], self._pixels.data.ptr)
            and self._context.set_tensor_address(outputs[0], self._logits.data.ptr)
        )
        if not accepted or tuple(self._context.get_tensor_shape(outputs[0])) != self._logits.shape:
            raise EngineError(
                f"the plan {self.plan.path} takes {inputs} and gives {outputs}: pixels "
                f"{self._pixels.shape} and logits {self._logits.shape} are expected"
            )

    def _new_context(self, flavour: Flavour, engine: trt.ICudaEngine) -> trt.IExecutionContext:
        self._kernels: trt.IRuntimeCache | None = None
        context: trt.IExecutionContext | None
        if flavour.compiles_at_load:
            config = engine.create_runtime_config()
            # Lazily, kernels would be exchanged for others in the middle of a run, and with them
            # the last bits of its results.
            strategies = flavour.module.DynamicShapesKernelSpecializationStrategy
            config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
            self._kernels = config.create_runtime_cache()
            kept = self.maker.cache.read(self.plan.about, "kernels")
            if kept is not None:
                self._kernels.deserialize(kept)
            config.set_runtime_cache(self._kernels)
            context = engine.create_execution_context(config)
        else:
            context = engine.create_execution_context()
        if context is None:
            # What lies between the layers is allocated here.
            raise MemoryError(self._log.said())
        return context

    def _keep_kernels(self, flavour: Flavour) -> None:
        """Keep what a flavour that compiles at load compiled, unless it was kept before."""
        about, cache = self.plan.about, self.maker.cache
        if flavour.compiles_at_load and self._kernels and cache.read(about, "kernels") is None:
            with cache.locked():
                cache.write(about, "kernels", bytes(self._kernels.serialize()))

    @property
    def _device_errors(self) -> tuple[type[Exception], ...]:
        cuda = self._cupy.cuda
        return (
            MemoryError,  # CuPy's OutOfMemoryError is one
            cuda.runtime.CUDARuntimeError,
            cuda.driver.CUDADriverError,
            cuda.compiler.CompileException,
        )

    def _failure(self, what: str) -> Exception:
        said = self._log.said()
        if "memory" in said.lower():
            return MemoryError(said)
        return EngineError(f"{what} ({self.plan.path}): {said}")

    def _refused(self, error: Exception) -> EngineError:
        said = " ".join(str(error).split())[:300]
        if isinstance(error, MemoryError) or "MemoryAllocation" in said:
            return out_of_memory(self.largest_batch, said)
        return EngineError(f"the GPU failed on a batch of {self.largest_batch} cells: {said}")


def out_of_memory(batch: int, said: str) -> EngineError:
    """What to tell a user whose GPU has too little memory."""
    return EngineError(
        f"the GPU has too little memory for batches of {batch} cells ({said}): end what else uses "
        "it and run the same command again, what is scored is kept; or, for a new run, build a "
        f"plan for batches of {max(1, batch // 2)}"
    )


def _imported_cupy() -> Any:
    try:
        return importlib.import_module("cupy")
    except ImportError as error:
        raise PackageError(
            f"TensorRT needs CuPy ({error}): pip install 'bloodcell[gpu]'"
        ) from error
