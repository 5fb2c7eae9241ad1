"""CuPy and TensorRT as far as the runtime uses them, on the CPU: a plan is an ONNX file.

It shows that the order of calls, the padding and the errors are right, never that CUDA is.
"""

import ctypes
import threading
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np
import onnxruntime

from bloodcell.engine.probabilities import calibrated_probabilities


class Array(np.ndarray):
    """An array on the pretended device. What is written to it within a stream is written later."""

    @property
    def data(self) -> Any:  # type: ignore[override]
        return types.SimpleNamespace(ptr=self.ctypes.data)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {}

    def __setitem__(self, places: Any, values: Any) -> None:
        target = np.asarray(self)

        def write() -> None:
            target[places] = values

        Stream.do_now_or_later(write)

    def set(self, host: Any, stream: "Stream") -> None:
        assert not isinstance(host, Array)
        stream.do(lambda: np.copyto(np.asarray(self), host))

    def get(self, stream: "Stream", out: Any, blocking: bool) -> Any:
        assert not blocking, "the host would wait for every batch"
        stream.do(lambda: np.copyto(out, np.asarray(self)))
        return out


class Graph:
    def __init__(self, calls: list[Callable[[], None]]) -> None:
        self._calls = calls

    def launch(self, stream: "Stream") -> None:
        for call in self._calls:
            stream.do(call)


class Stream:
    """Does what it is given as late as it may: when the host waits for it, and no sooner.

    While a graph is captured it does nothing but record.
    """

    ptr = 7
    _of_thread = threading.local()

    def __init__(self, non_blocking: bool) -> None:
        assert non_blocking
        self._in_order = threading.RLock()
        self._recorded: list[Callable[[], None]] | None = None
        self._waiting: list[Callable[[], None]] = []

    def __enter__(self) -> None:
        Stream._of_thread.current = self

    def __exit__(self, *_: object) -> None:
        Stream._of_thread.current = None

    @classmethod
    def do_now_or_later(cls, call: Callable[[], None]) -> None:
        current = getattr(cls._of_thread, "current", None)
        if current is None:
            call()
        else:
            current.do(call)

    def do(self, call: Callable[[], None]) -> None:
        (self._waiting if self._recorded is None else self._recorded).append(call)

    def do_all_until(self, last: Callable[[], None] | None) -> None:
        """Whoever waits does it; two threads never two things at once, nor out of order."""
        with self._in_order:
            while self._waiting and (last is None or last in self._waiting):
                self._waiting.pop(0)()

    def synchronize(self) -> None:
        assert self._recorded is None, "a synchronisation breaks a capture"
        self.do_all_until(None)

    def begin_capture(self) -> None:
        self._recorded = []

    def end_capture(self) -> Graph:
        calls, self._recorded = self._recorded, None
        return Graph(calls or [])


class Event:
    def __init__(self, block: bool, disable_timing: bool) -> None:
        assert block
        assert disable_timing

    def record(self, stream: Stream) -> None:
        self._stream, self._marker = stream, lambda: None
        stream.do(self._marker)

    def synchronize(self) -> None:
        self._stream.do_all_until(self._marker)


class RawKernel:
    def __init__(self, source: str, name: str) -> None:
        assert f"void {name}(" in source

    def __call__(self, grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
        logits, probabilities, rows, classes, temperature, ratios = arguments
        assert logits.shape == probabilities.shape == (rows, classes)
        assert ratios.shape == (classes,)
        assert ratios.dtype == np.float64
        assert grid[0] * block[0] >= rows

        def compute() -> None:
            probabilities[...] = calibrated_probabilities(
                np.asarray(logits), float(temperature), np.asarray(ratios)
            )

        Stream.do_now_or_later(compute)


class Context:
    refuses = False

    def __init__(self, onnx_bytes: bytes) -> None:
        self._session = onnxruntime.InferenceSession(onnx_bytes)
        self._at: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes = {name: shape}
        classes = self._session.get_outputs()[0].shape[1]
        self._shapes["logits"] = (shape[0], classes)
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._at[name] = address
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == Stream.ptr

        def compute() -> None:
            logits = self._session.run(None, {"pixels": self._memory("pixels")})[0]
            np.copyto(self._memory("logits"), logits)

        Stream.do_now_or_later(compute)
        return not self.refuses

    def _memory(self, name: str) -> Any:
        shape = self._shapes[name]
        size = int(np.prod(shape))
        return np.ctypeslib.as_array((ctypes.c_float * size).from_address(self._at[name])).reshape(
            shape
        )


class Engine:
    num_io_tensors = 2

    def __init__(self, onnx_bytes: bytes) -> None:
        self._onnx_bytes = onnx_bytes

    def get_tensor_name(self, number: int) -> str:
        return ("pixels", "logits")[number]

    def get_tensor_mode(self, name: str) -> str:
        return {"pixels": "input", "logits": "output"}[name]

    def create_execution_context(self) -> Context:
        return Context(self._onnx_bytes)


class Runtime:
    def __init__(self, log: Any) -> None:
        self._log = log

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        if not plan.startswith(b"refused"):
            return Engine(plan)
        self._log.log(ILogger.WARNING, "not this")
        self._log.log(ILogger.ERROR, plan.decode())
        return None


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING = range(3)


def fake_tensorrt() -> types.ModuleType:
    return _module(
        "tensorrt",
        __version__="11.4.0",
        Runtime=Runtime,
        ILogger=ILogger,
        TensorIOMode=types.SimpleNamespace(INPUT="input"),
    )


def fake_cupy() -> types.ModuleType:
    class CudaError(RuntimeError):
        pass

    def asarray(array: Any) -> Array:
        return np.asarray(array).view(Array)

    def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
        if shape[0] > 1000:
            raise MemoryError("Out of memory allocating\n1 byte")
        return np.zeros(shape, dtype).view(Array)

    def array(given: Any, order: str) -> Array:
        return np.array(given, order=order).view(Array)  # type: ignore[call-overload]

    cuda = types.SimpleNamespace(
        Stream=Stream,
        get_current_stream=lambda: Stream(non_blocking=True),
        Event=Event,
        runtime=types.SimpleNamespace(CUDARuntimeError=CudaError),
        driver=types.SimpleNamespace(CUDADriverError=CudaError),
        compiler=types.SimpleNamespace(CompileException=CudaError),
    )
    return _module(
        "cupy", cuda=cuda, ndarray=Array, zeros=zeros, RawKernel=RawKernel, asarray=asarray,
        array=array,
        from_dlpack=lambda given: asarray(np.from_dlpack(given)),
    )  # fmt: skip


def fake_cupyx() -> types.ModuleType:
    return _module("cupyx", empty_pinned=np.empty)


def _module(name: str, **content: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    vars(module).update(content)
    return module
