"""The plan of a network for a GPU: from the cache, or built and kept."""

import hashlib
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bloodcell.engine.backends.contract import Network
from bloodcell.engine.backends.cuda import Device
from bloodcell.engine.backends.onnx.fp16 import to_float16
from bloodcell.engine.backends.onnx.groups import merged_groups
from bloodcell.engine.backends.tensorrt.builder import build_plan
from bloodcell.engine.backends.tensorrt.cache import About, PlanCache
from bloodcell.engine.backends.tensorrt.flavour import Flavour

_LOG = logging.getLogger(__name__)
_FORMAT = 1
"""Of the cache's files and of what is done to a network before it is built."""


@dataclass(frozen=True)
class PlanOptions:
    """What a user may ask of a plan."""

    largest_batch: int = 256
    """Cells; every batch is filled up to it, so that all have the same shape."""
    merge_groups: int = 0
    """Groups of a convolution with fewer channels are merged to about so many; 0: as they are."""
    precision: Literal["float16", "float32"] = "float16"


@dataclass(frozen=True)
class Plan:
    """A plan ready to be deserialised."""

    content: bytes
    about: About
    path: Path
    built_s: float | None
    """Seconds that building took; None if it lay in the cache."""


@dataclass(frozen=True)
class PlanMaker:
    """Plans of one TensorRT for one GPU. ``target``: see ``build_plan``."""

    flavour: Flavour
    device: Device
    driver: str
    """The driver's version."""
    cache: PlanCache
    target: str = "CURRENT"

    def plan(self, network: Network, options: PlanOptions) -> Plan:
        """The plan for ``network``, built if the cache has none that is whole.

        Raises EngineError if it cannot be built, DiskError if it cannot be kept.
        """
        onnx_bytes = network.weights.read_bytes()
        about = self.about(onnx_bytes, options)
        content, built_s = self.cache.read(about, "plan"), None
        if content is None:
            with self.cache.locked():
                # Another process may have built it while this one waited.
                content = self.cache.read(about, "plan")
                if content is None:
                    started = time.monotonic()
                    content = self._build(onnx_bytes, options)
                    built_s = time.monotonic() - started
                    self.cache.write(about, "plan", content)
        return Plan(content, about, self.cache.path(about, "plan"), built_s)

    def about(self, onnx_bytes: bytes, options: PlanOptions) -> About:
        """All that a plan depends on: a change of any of it is another plan."""
        return {**self._place(onnx_bytes), **asdict(options)}

    def keep_choice(self, network: Network, options: PlanOptions) -> None:
        """Let ``chosen`` answer ``options`` for this network, GPU and version from now on."""
        place = self._place(network.weights.read_bytes())
        with self.cache.locked():
            self.cache.write(place, "options", json.dumps(asdict(options)).encode())

    def chosen(self, network: Network) -> PlanOptions:
        """What ``keep_choice`` kept last; the defaults if nothing."""
        kept = self.cache.read(self._place(network.weights.read_bytes()), "options")
        return PlanOptions(**json.loads(kept)) if kept else PlanOptions()

    def _build(self, onnx_bytes: bytes, options: PlanOptions) -> bytes:
        # A warning, so that it is seen where no log is set up: from Python, and while scoring.
        _LOG.warning(
            "building a %s plan for %s, batches of %d: this can take minutes, once",
            self.flavour.name, self.device.name, options.largest_batch,
        )  # fmt: skip
        timed = {"for": "timings", **self._machine()}
        built = build_plan(
            self.flavour,
            _prepared(onnx_bytes, self.flavour, options),
            largest_batch=options.largest_batch,
            float16=options.precision == "float16",
            timings=self.cache.read(timed, "timings") or b"",
            target=self.target,
        )
        if built.timings:
            self.cache.write(timed, "timings", built.timings)
        return built.plan

    def _place(self, onnx_bytes: bytes) -> dict[str, str | int]:
        return {"network": hashlib.sha256(onnx_bytes).hexdigest(), **self._machine()}

    def _machine(self) -> dict[str, str | int]:
        return {
            "format": _FORMAT,
            "flavour": self.flavour.name,
            "version": self.flavour.version,
            "target": self.target,
            # Without the UUID: two equal GPUs share a plan.
            "gpu": self.device.name,
            "compute_capability": self.device.compute_capability,
            "driver": f"{self.driver}, CUDA {self.device.cuda_version}",
        }


def _prepared(onnx_bytes: bytes, flavour: Flavour, options: PlanOptions) -> bytes:
    """The network as this flavour takes it."""
    if options.merge_groups:
        onnx_bytes = merged_groups(onnx_bytes, options.merge_groups)
    if options.precision == "float16" and not flavour.fp16_flag:
        onnx_bytes = to_float16(onnx_bytes)
    return onnx_bytes
