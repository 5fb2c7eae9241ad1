"""What may be given as an image: encoded bytes, or RGB pixels on the host or on the GPU."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from bloodcell._core import LARGEST_SIDE_PX, LEAST_SIDE_PX, REASONS, digest, read_memory
from bloodcell.digests import DIGEST_BYTES
from bloodcell.engine.batches import Batch, DecodedBatch, EncodedBatch
from bloodcell.engine.device_images import copied_on_device, on_device
from bloodcell.errors import BloodcellError, InputError

_Had = TypeVar("_Had")
Kind: TypeAlias = Literal["encoded", "decoded", "decoded_on_device"]

_ON_HOST, _ON_GPU = (1, 3), (2, 13)
"""DLPack's numbers: CPU and CUDA's pinned memory; CUDA and its managed memory."""
_EXPECTED = "uint8 of shape (height, width, 3), RGB, is expected"
_TOO_SMALL, _TOO_LARGE = REASONS.index("too_small"), REASONS.index("too_large")


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is the engine's own: whatever it was copied from may change."""

    kind: Kind
    content: Any
    """bytes, or uint8 (height, width, 3) of NumPy or CuPy."""


def copied(image: Any, *, on_gpu: bool) -> Image:
    """A copy of what a user gives.

    InputError for what is no image by its kind, type or shape, or cannot be had; PackageError if
    it lies on a GPU and CuPy is missing.
    """
    if isinstance(image, memoryview) and (dimensions := _had(lambda: image.ndim)) != 1:
        raise InputError(
            f"a memoryview of the bytes of a file has one dimension, {dimensions} given: give "
            "pixels as a NumPy array (numpy.asarray)"
        )
    if isinstance(image, bytes | bytearray | memoryview):
        return Image("encoded", _had(lambda: bytes(image)))
    if isinstance(image, np.ndarray):
        return _pixels(image)
    if not hasattr(image, "__dlpack_device__"):
        raise InputError(
            "an image is bytes of a file, a NumPy array, or an object with __dlpack__; "
            f"{type(image).__name__} given"
        )
    device = _had(lambda: _device_of(image))
    if device[0] in _ON_HOST:
        return _pixels(_had(lambda: np.from_dlpack(image)))
    if device[0] in _ON_GPU and on_gpu:
        array = _had(lambda: on_device(image))
        _check(array)
        return Image("decoded_on_device", copied_on_device(array))
    raise InputError(
        f"the image lies in memory of the DLPack device {device}, which this engine cannot read: "
        "copy it to the CPU"
    )


def _device_of(image: Any) -> tuple[int, int]:
    kind, number = image.__dlpack_device__()
    return int(kind), int(number)


def _had(get: Callable[[], _Had]) -> _Had:
    """What ``get`` gives; InputError for whatever another library's buffer or __dlpack__ raises."""
    try:
        return get()
    except (BloodcellError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"the image cannot be had ({type(error).__name__}: {error}): bytes of a file or "
            f"pixels are expected, {_EXPECTED}"
        ) from error


def batch_of(kind: Kind, images: list[Any], rows: Any) -> Batch:
    """A batch for a lane of the contents of images of one kind; ``rows``: int64 (N,)."""
    if kind == "encoded":
        return EncodedBatch(rows, *read_memory(images))
    reasons = np.array([_reason_of(image.shape) for image in images], np.uint8)
    on_device = kind == "decoded_on_device"
    digests = np.zeros((len(images), DIGEST_BYTES), np.uint8)
    if not on_device:
        for place, image in enumerate(images):
            if image.size:
                digests[place] = np.frombuffer(digest(image), np.uint8)
    passed = [images[place] for place in np.flatnonzero(reasons == 0).tolist()]
    return DecodedBatch(rows, reasons, passed, digests, on_device)


def _reason_of(shape: tuple[int, ...]) -> int:
    """As the gate says it of a header."""
    if min(shape[:2]) < LEAST_SIDE_PX:
        return _TOO_SMALL
    return _TOO_LARGE if max(shape[:2]) > LARGEST_SIDE_PX else 0


def _pixels(array: Any) -> Image:
    _check(array)
    return Image("decoded", np.array(array, order="C"))


def _check(array: Any) -> None:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        hint = " (bytes of a file are given as bytes)" if array.ndim == 1 else ""
        raise InputError(f"{_EXPECTED}; {array.dtype} of shape {array.shape} given{hint}")
