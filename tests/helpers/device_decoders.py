"""A GPU's decoder on the CPU: what it decodes or resizes lies in pretended device memory."""

from collections.abc import Callable

import numpy as np

from bloodcell.engine.batches import DecodedBatch
from bloodcell.engine.decode import Decoder, Encoded, UndecodableError
from bloodcell.engine.device_decode import DeviceDecoder
from bloodcell.engine.preprocessing import Preprocessing
from helpers import fake_gpu

SIDE = 8
PREPROCESSING = Preprocessing(SIDE, 0.9, "linear", True, (0.8, 0.7, 0.7), (0.2, 0.2, 0.1))
BATCH = 8


def is_jpeg(image: np.ndarray) -> bool:
    return bytes(image[:2]) == b"\xff\xd8"


class InDeviceMemory:
    """What DALI has on a GPU: an array once it is copied."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def as_cpu(self) -> np.ndarray:
        return self._array


def gpu_that_refuses(refused: Callable[[np.ndarray], bool]) -> Callable[[Encoded], object]:
    """Decodes as the CPU does, into device memory, and names, as DALI does, what it refuses."""
    decoder = Decoder(PREPROCESSING, batch_size=BATCH, threads=1)

    def run(encoded: Encoded) -> object:
        assert all(is_jpeg(image) for image in encoded), "only JPEGs are the GPU's"
        pixels, samples, decoded = decoder.decode(encoded)
        for place, image in enumerate(encoded):
            if refused(image) or not decoded[place]:
                raise UndecodableError(place)
        return pixels.view(fake_gpu.Array), InDeviceMemory(samples)

    return run


def resizing_gpu(host: Decoder) -> Callable[[DecodedBatch], object]:
    """Resizes as the CPU does, from its memory or the device's into the device's."""

    def run(batch: DecodedBatch) -> object:
        assert all(isinstance(one, fake_gpu.Array) == batch.on_device for one in batch.images)
        pixels, samples = host.resize([np.asarray(one) for one in batch.images])
        return pixels.view(fake_gpu.Array), InDeviceMemory(samples)

    return run


def device_decoder(refused: Callable[[np.ndarray], bool]) -> DeviceDecoder:
    host = Decoder(PREPROCESSING, batch_size=BATCH, threads=1)
    return DeviceDecoder(gpu_that_refuses(refused), host, resizing_gpu(host))
