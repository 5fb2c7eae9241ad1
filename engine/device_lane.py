"""A GPU's lane: decoding, network and copies of several batches at once, in stream order."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bloodcell.engine.backends.contract import IN_FLIGHT, DeviceBackend, Pending
from bloodcell.engine.batches import Batch, ScoreBatch, scored_batch
from bloodcell.engine.device_decode import DeviceBatch, DeviceDecoder


@dataclass(frozen=True)
class DeviceLane:
    """Pixels go from DALI to the network on the GPU; the host waits for probabilities alone."""

    decoder: DeviceDecoder
    backend: DeviceBackend
    depth: int = IN_FLIGHT

    def begin(self, batch: Batch) -> "DeviceBegun":
        """See ``Lane.begin``."""
        images = self.decoder.decode_batch(batch)
        count = int((images.reasons == 0).sum())
        pending = self.backend.begin(images.parts, count) if count else None
        return DeviceBegun(images, batch.digests, pending, self.backend.class_count)


@dataclass(frozen=True)
class DeviceBegun:
    """A batch on the GPU. Its decoded pixels are kept until its probabilities are there."""

    images: DeviceBatch
    digests: npt.NDArray[np.uint8]
    pending: Pending | None
    class_count: int

    def finish(self) -> ScoreBatch:
        """See ``Begun.finish``."""
        decoded = self.pending.probabilities() if self.pending else None
        images = self.images
        return scored_batch(
            images.rows,
            images.reasons,
            decoded,
            self.class_count,
            digests=self.digests,
            stained=images.stained(),
        )
