"""An ONNX network to the bytes of a plan."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bloodcell.engine.backends.tensorrt.flavour import Flavour
from bloodcell.errors import EngineError

if TYPE_CHECKING:
    # All flavours share this interface; our stubs of it are checked against this one.
    import tensorrt_rtx_bindings as trt

_LOG = logging.getLogger(__name__)
_LARGEST_TENSOR = 2**31 - 1
"""Elements; TensorRT counts them in 32 bits."""


@dataclass(frozen=True)
class Built:
    """What a build gives."""

    plan: bytes
    timings: bytes
    """TensorRT's timing cache, empty where the flavour has none: makes the next build faster."""


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python's collector from running in a block, or in a function that it decorates.

    TensorRT calls our log with a lock of its own held. A collection that begins there may end
    a builder that an earlier failure left behind, which waits for that lock for ever.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@without_collection()
def build_plan(
    flavour: Flavour,
    onnx_bytes: bytes,
    *,
    largest_batch: int,
    float16: bool,
    timings: bytes = b"",
    target: str = "CURRENT",
) -> Built:
    """Build a plan for batches of 1 to ``largest_batch``, at its best at the largest.

    ``onnx_bytes`` has one input float32 (N, 3, side, side) with a free N. With ``float16`` its
    types already say FP16, but for a flavour with ``fp16_flag``, which takes the FP32 network.
    ``target``: a member of ``ComputeCapability``, for a flavour that compiles at load; others
    build for the GPU they run on. Raises EngineError with TensorRT's own words.
    """
    api = flavour.module
    log = collecting_log(api)
    builder: trt.Builder = api.Builder(log)
    network, parser = _parsed(flavour, builder, log, onnx_bytes)
    config = builder.create_builder_config()
    if flavour.compiles_at_load:
        _set_target(api, config, target)
    else:
        _set_timings(config, timings)
    if flavour.fp16_flag and float16:
        config.set_flag(api.BuilderFlag.FP16)
    if not float16:
        # FP32 is to mean FP32; TensorRT would use TF32 where the GPU has it.
        config.clear_flag(api.BuilderFlag.TF32)
    _set_tactic_sources(flavour, config)
    _add_profile(builder, config, network, largest_batch, log)
    plan = builder.build_serialized_network(network, config)
    del parser  # owns the weights that the network refers to until here
    if plan is None:
        raise EngineError(f"{flavour.name} {flavour.version} built no plan: {log.said()}")
    kept = None if flavour.compiles_at_load else config.get_timing_cache()
    return Built(bytes(plan), bytes(kept.serialize()) if kept else b"")


def _parsed(
    flavour: Flavour, builder: trt.Builder, log: Any, onnx_bytes: bytes
) -> tuple[trt.INetworkDefinition, trt.OnnxParser]:
    api, flags = flavour.module, 0
    for name in flavour.network_flags:
        flags |= 1 << int(getattr(api.NetworkDefinitionCreationFlag, name))
    network = builder.create_network(flags)
    parser: trt.OnnxParser = api.OnnxParser(network, log)
    if not parser.parse(onnx_bytes):
        errors = (parser.get_error(number) for number in range(parser.num_errors))
        said = "; ".join(f"node {error.node()}: {error.desc()}" for error in errors)
        raise EngineError(
            f"{flavour.name} {flavour.version} cannot read this network: "
            f"{_one_line(said) or log.said()}"
        )
    return network, parser


def _add_profile(
    builder: trt.Builder,
    config: trt.IBuilderConfig,
    network: trt.INetworkDefinition,
    largest_batch: int,
    log: Any,
) -> None:
    taken = network.get_input(0)
    image = tuple(taken.shape)[1:]
    if network.num_inputs != 1 or len(image) != 3 or min(image) < 1:
        raise EngineError(
            f"the network takes {network.num_inputs} inputs, the first of shape "
            f"{tuple(taken.shape)}: one of shape (N, 3, side, side) is expected"
        )
    fitting = _LARGEST_TENSOR // (image[0] * image[1] * image[2])
    if not 1 <= largest_batch <= fitting:
        raise EngineError(
            f"a largest batch of {largest_batch} cannot be built: 1 to {fitting} images of "
            f"{image} fit TensorRT's tensors"
        )
    profile = builder.create_optimization_profile()
    smallest, largest = (1, *image), (largest_batch, *image)
    try:
        # The bindings raise where C++ returns false; 8.6 and later alike.
        profile.set_shape(taken.name, smallest, largest, largest)
        accepted = bool(profile) and config.add_optimization_profile(profile) >= 0
    except ValueError as error:
        raise EngineError(
            f"TensorRT refused the shapes {smallest} to {largest}: {_one_line(str(error))}"
        ) from error
    if not accepted:
        raise EngineError(f"TensorRT refused the shapes {smallest} to {largest}: {log.said()}")


def _set_tactic_sources(flavour: Flavour, config: trt.IBuilderConfig) -> None:
    sources = [getattr(flavour.module.TacticSource, name) for name in flavour.tactic_sources]
    if sources and not config.set_tactic_sources(sum(1 << int(source) for source in sources)):
        names = ", ".join(flavour.tactic_sources)
        raise EngineError(f"{flavour.name} {flavour.version} refuses kernels of {names} alone")


def _set_target(api: Any, config: trt.IBuilderConfig, target: str) -> None:
    known = api.ComputeCapability.__members__
    if target not in known:
        raise EngineError(f"TensorRT knows no {target!r}: one of {', '.join(known)} is expected")
    config.num_compute_capabilities = 1
    if not config.set_compute_capability(known[target], 0):
        raise EngineError(f"TensorRT cannot build for {target} here")


def _set_timings(config: trt.IBuilderConfig, timings: bytes) -> None:
    """Timings of earlier builds; none, to be measured anew, if TensorRT does not take them."""
    for content in (timings, b""):
        kept = config.create_timing_cache(content)
        if kept is not None and config.set_timing_cache(kept, False):
            return


def collecting_log(api: Any) -> Any:
    """TensorRT's logger: all goes to ``logging``, and errors also into our messages."""
    grave = (api.ILogger.INTERNAL_ERROR, api.ILogger.ERROR)

    class CollectingLog(api.ILogger):  # type: ignore[misc]  # known only at run time
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            _LOG.debug("TensorRT: %s", msg)
            if severity in grave:
                self.errors.append(msg)

        def said(self) -> str:
            return _one_line(self.errors[0]) if self.errors else "it gave no reason"

    return CollectingLog()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]
