"""Lanes: what takes one batch after another from encoded bytes to probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bloodcell.engine.backends.choice import BACKENDS
from bloodcell.engine.backends.contract import IN_FLIGHT, PENDING, Backend, DeviceBackend
from bloodcell.engine.backends.opening import open_backend, open_device_backend
from bloodcell.engine.batches import Batch, ScoreBatch, scored_batch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.jpeg_decoders import decoder_count
from bloodcell.engine.setup import Setup

_HOST_BATCH = 32
"""64 were 1 to 3 % faster and took a third more memory (``bloodcell-bench run --batch-size``)."""


class Begun(Protocol):
    """A batch that a lane has taken on."""

    def finish(self) -> ScoreBatch:
        """Wait for the probabilities. Batches of a lane are finished in the order they began."""


class Lane(Protocol):
    """One thread uses it. Which lane scores a cell never changes the cell's result."""

    @property
    def depth(self) -> int:
        """How many batches may be in flight: begun, not finished."""

    def begin(self, batch: Batch) -> Begun:
        """Take on a batch. Raises EngineError if decoding or the network fails as a whole."""


@dataclass(frozen=True)
class Scored:
    """A batch that was done as soon as it had begun."""

    batch: ScoreBatch

    def finish(self) -> ScoreBatch:
        """See ``Begun.finish``."""
        return self.batch


@dataclass(frozen=True)
class HostLane:
    """Decodes a batch on the CPU and runs the network on it, one after the other.

    With a lane a core, every core always has work: no stage waits for another, and no thread of
    one library takes the core of another's.
    """

    decoder: Decoder
    backend: Backend
    depth: int = 1

    def begin(self, batch: Batch) -> Scored:
        """See ``Lane.begin``."""
        images = self.decoder.decode_batch(batch)
        decoded = self.backend.probabilities(images.pixels) if len(images.pixels) else None
        return Scored(
            scored_batch(
                images.rows,
                images.reasons,
                decoded,
                self.backend.class_count,
                digests=batch.digests,
                stained=images.stained,
            )
        )


@dataclass(frozen=True)
class Lanes:
    """What one process scores with, the network loaded and proved."""

    lanes: Sequence[Lane]
    batch_size: int
    """Most cells of a batch that a lane may begin."""
    pass_cells: int
    """See ``Backend.pass_cells``."""
    made_of: dict[str, str]
    """Versions, digests and choices, by name, that results depend on."""


def open_lanes(setup: Setup) -> Lanes:
    """Lanes that together use the setup's threads, or its GPU.

    Raises ModelError or EngineError if the network cannot be opened or fails its self-test.
    """
    return _open_device_lanes(setup) if setup.choice.on_gpu else _open_host_lanes(setup)


def _open_host_lanes(setup: Setup) -> Lanes:
    on_cpu = BACKENDS[setup.choice.name].on_cpu
    count = 1 if on_cpu and on_cpu.spreads_a_call else setup.threads
    threads = setup.threads // count
    batch_size = setup.batch_size or _HOST_BATCH
    backend = open_backend(setup.choice, setup.network, threads, count, prompt=setup.prompt)
    lanes = [
        HostLane(
            Decoder(
                setup.preprocessing, batch_size=batch_size, threads=threads, smears=setup.smears
            ),
            backend,
        )
        for _ in range(count)
    ]
    return Lanes(lanes, batch_size, backend.pass_cells, backend.made_of)


def _open_device_lanes(setup: Setup) -> Lanes:
    backend = open_device_backend(setup.choice, setup.network, setup.threads)
    batch_size = min(setup.batch_size or backend.largest_batch, backend.largest_batch)
    jpeg_decoder = "hardware" if setup.hardware_decoder else "CUDA"
    made_of = backend.made_of | {"jpeg_decoder": jpeg_decoder}
    lanes = device_lanes(setup, backend, batch_size)
    return Lanes(lanes, batch_size, backend.pass_cells, made_of)


def device_lanes(setup: Setup, backend: DeviceBackend, batch_size: int) -> list[Lane]:
    """Lanes with a decoder each that feed one network; they share out the setup's threads."""
    from bloodcell.engine.device_decode import open_device_decoder
    from bloodcell.engine.device_lane import DeviceLane

    count = decoder_count(setup.threads, hardware_decoder=setup.hardware_decoder)
    decoders = [
        open_device_decoder(
            setup.preprocessing,
            batch_size=batch_size,
            threads=setup.threads // count,
            stream=backend.stream,
            hardware_decoder=setup.hardware_decoder,
            float16=backend.takes_float16,
            smears=setup.smears,
        )
        for _ in range(count)
    ]
    depth = min(IN_FLIGHT, PENDING // count)
    return [DeviceLane(decoder, backend, depth) for decoder in decoders]
