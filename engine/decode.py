"""Images to normalised pixels: the one DALI graph of scoring and training."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from nvidia.dali import fn, pipeline_def, types

from bloodcell._core import REASONS
from bloodcell.engine.batches import Batch, DecodedBatch, ImageBatch
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.rewriting import CORRUPT, passed_images
from bloodcell.engine.staining import SAMPLES_PER_SIDE, Smears, is_stained
from bloodcell.errors import EngineError

_INTERPOLATION = {
    "linear": types.INTERP_LINEAR,
    "cubic": types.INTERP_CUBIC,
    "triangular": types.INTERP_TRIANGULAR,
    "lanczos3": types.INTERP_LANCZOS3,
}

_DEEP_WHITE = 0.26
"""An image of 16 bits that nowhere is as bright uses 14 bits or fewer; where their white lies, it
does not say. Every stained smear has brighter places."""

_NAMED = re.compile(r"Failed to decode sample #(\d+)")
"""DALI's words for an image that it cannot decode; of several it names one."""

_FEW = 8
"""Images of a thread that DALI is given at once where some cannot be decoded: with each of those
the others are decoded anew. Where all can, whole batches are 3 to 5 % faster."""
_WATCHED = 1024
"""Images after one that could not be decoded for which this holds."""

Encoded: TypeAlias = Sequence[npt.NDArray[np.uint8]]
"""The bytes of each image."""
Takes: TypeAlias = Literal["encoded", "decoded", "decoded_on_device"]
"""What a graph is given: encoded bytes uint8 (B,), or RGB uint8 (height, width, 3), on the host or
where the graph runs."""
Pixels = TypeVar("Pixels")


def build_graph(preprocessing: Preprocessing, **options: Any) -> Any:
    """Build the DALI pipeline of ``define_graph``, which is then ready to run."""
    pipeline = define_graph(preprocessing, **options)
    pipeline.build()
    return pipeline


def define_graph(
    preprocessing: Preprocessing,
    *,
    batch_size: int,
    threads: int,
    device_id: int | None = None,
    hardware_decoder: bool = False,
    takes: Takes = "encoded",
    float16: bool = False,
) -> Any:
    """Define the DALI pipeline for ``preprocessing``; one input, called as ``takes``, two outputs.

    The pixels, and of these, as they are before they are normalised, samples for ``is_stained``.

    On the CPU (``device_id=None``) as on a GPU (``mixed``) the same operators run. The queue
    depth is one because the stream overlaps decoding with the network by its own means.
    ``hardware_decoder``: of a GPU, for all JPEGs or for none. A share between would send an image
    to one or the other by its place in the batch, and its pixels would depend on its neighbours.
    ``float16``: pixels rounded to it, for a network that would round them itself.
    """
    on_gpu = device_id is not None

    def graph() -> Any:
        images = _images(takes, on_gpu=on_gpu, hardware_decoder=hardware_decoder)
        resized = cropped_and_resized(images, preprocessing)
        pixels = fn.crop_mirror_normalize(
            resized,
            dtype=types.FLOAT16 if float16 else types.FLOAT,
            output_layout="CHW",
            mean=[255.0 * value for value in preprocessing.mean],
            std=[255.0 * value for value in preprocessing.std],
        )
        sides = [SAMPLES_PER_SIDE, SAMPLES_PER_SIDE]
        return pixels, fn.resize(resized, size=sides, interp_type=types.INTERP_NN, antialias=False)

    define = pipeline_def(
        batch_size=batch_size,
        num_threads=threads,
        device_id=device_id,
        prefetch_queue_depth=1,
        # On the CPU the dynamic executor frees and takes its buffers anew for every batch:
        # resident memory then creeps up by fragmentation. The other one keeps them, but only the
        # dynamic one hands its output over in stream order.
        exec_dynamic=on_gpu,
    )
    return define(graph)()


def _images(takes: Takes, *, on_gpu: bool, hardware_decoder: bool) -> Any:
    """DALI's operators up to RGB pixels as the image has them."""
    if takes == "encoded":
        return fn.decoders.image(
            fn.external_source(name=takes, dtype=types.UINT8, ndim=1),
            device="mixed" if on_gpu else "cpu",
            # RGB, never ANY_DATA: a gray JPEG decoded with ANY_DATA corrupts the heap.
            output_type=types.RGB,
            hw_decoder_load=1.0 if hardware_decoder else 0.0,
        )
    device = "gpu" if takes == "decoded_on_device" else "cpu"
    images = fn.external_source(name=takes, dtype=types.UINT8, ndim=3, layout="HWC", device=device)
    return images.gpu() if on_gpu and device == "cpu" else images


def cropped_and_resized(images: Any, preprocessing: Preprocessing) -> Any:
    """DALI's operator that brings the region in the middle to the network's side."""
    margin = (1.0 - preprocessing.region) / 2.0
    return fn.resize(
        images,
        size=[preprocessing.input_px, preprocessing.input_px],
        roi_start=[margin, margin],
        roi_end=[1.0 - margin, 1.0 - margin],
        roi_relative=True,
        interp_type=_INTERPOLATION[preprocessing.interpolation],
        antialias=preprocessing.antialias,
    )


class Graph:
    """The DALI pipeline of ``build_graph``, built when it is needed and anew after a failure."""

    def __init__(
        self, preprocessing: Preprocessing, *, takes: Takes = "encoded", **options: Any
    ) -> None:
        self._preprocessing, self._takes, self._options = preprocessing, takes, options
        self._pipeline: Any = None

    def run(self, images: Sequence[Any], stream: Any = None) -> Any:
        """DALI's outputs, pixels and samples, for at most a batch of images.

        On a GPU they are ordered on ``stream`` and not waited for. Raises UndecodableError if an
        image cannot be decoded, EngineError if anything else fails.
        """
        if self._pipeline is None:
            self._pipeline = build_graph(self._preprocessing, takes=self._takes, **self._options)
        try:
            pixels, samples = self._pipeline.run(stream, **{self._takes: list(images)})
        except RuntimeError as error:
            # The pipeline is dead, which one image did.
            self._pipeline = None
            if "decoders.image" not in str(error):
                raise EngineError(f"DALI failed outside image decoding: {error}") from error
            named = _NAMED.search(str(error))
            raise UndecodableError(int(named[1]) if named else None) from error
        return pixels, samples


class UndecodableError(Exception):
    """One image or more cannot be decoded; ``place``: of the one that is named, if any."""

    def __init__(self, place: int | None = None) -> None:
        super().__init__(place)
        self.place = place


def decoded_groups(
    run: Callable[[Encoded], Pixels], encoded: Encoded
) -> Iterator[tuple[npt.NDArray[np.int64], Pixels]]:
    """Decode all that can be: which of ``encoded``, in ascending order, and pixels of each group.

    Where ``run`` raises UndecodableError, the image that it names is tried alone and the rest
    together. Where that fails again or it names none they are halved, so that a batch of nothing
    but undecodable images is not tried once for each of them.
    """
    waiting = [(np.arange(len(encoded)), False)] if encoded else []
    while waiting:
        places, is_rest = waiting.pop()
        try:
            pixels = run([encoded[place] for place in places.tolist()])
        except UndecodableError as error:
            if len(places) > 1:
                waiting += _divided(places, error.place, is_rest=is_rest)
        else:
            yield places, pixels


def _divided(
    places: npt.NDArray[np.int64], named: int | None, *, is_rest: bool
) -> list[tuple[npt.NDArray[np.int64], bool]]:
    """What to try instead, the last one first; True for what is left of one that was named."""
    if named is None or named >= len(places):
        return [(half, False) for half in np.array_split(places, 2)]
    rest = np.delete(places, named)
    parts = np.array_split(rest, min(2, len(rest))) if is_rest else [rest]
    # The one alone first: the pipeline that it ends has then held no other image.
    return [*((part, not is_rest) for part in parts), (places[[named]], False)]


class Decoder:
    """Decodes batches on the CPU; one undecodable image costs one cell."""

    def __init__(
        self,
        preprocessing: Preprocessing,
        *,
        batch_size: int,
        threads: int,
        smears: Smears | None = None,
    ) -> None:
        self.preprocessing, self.smears = preprocessing, smears
        self._graph = Graph(preprocessing, batch_size=batch_size, threads=threads)
        self._resizing = Graph(
            preprocessing, takes="decoded", batch_size=batch_size, threads=threads
        )
        self._few, self._to_watch = _FEW * threads, 0

    def decode_batch(self, batch: Batch) -> ImageBatch:
        """Decode what passed the gate; a cell that cannot be decoded becomes ``corrupt``."""
        if isinstance(batch, DecodedBatch):
            pixels, samples = self.resize(batch.images)
            return ImageBatch(batch.rows, batch.reasons, pixels, is_stained(samples, self.smears))
        images = passed_images(batch)
        reasons = images.reasons
        pixels, samples, why_not = self.decode_passed(images.encoded, images.is_deep)
        reasons[images.places] = why_not
        return ImageBatch(batch.rows, reasons, pixels, is_stained(samples, self.smears))

    def decode_passed(
        self, encoded: Encoded, is_deep: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Decode up to ``batch_size`` images, of which those that ``is_deep`` must use 16 bits.

        Returns the pixels and samples, as ``decode``, of the D images that can be scored, in order,
        and the reason of each, uint8 (N,), 0 for these.
        """
        pixels, samples, decoded = self.decode(encoded)
        reasons = np.where(decoded, 0, CORRUPT).astype(np.uint8)
        if is_deep.any():
            lacks_white = is_deep[decoded] & (self._brightest(pixels) < _DEEP_WHITE)
            reasons[np.flatnonzero(decoded)[lacks_white]] = REASONS.index("unsupported")
            pixels, samples = pixels[~lacks_white], samples[~lacks_white]
        return pixels, samples, reasons

    def resize(
        self, images: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Pixels and samples, as ``decode``, of up to ``batch_size`` decoded images."""
        if not images:
            return self.decode([])[:2]
        # Copies, as there.
        pixels, samples = (np.array(one.as_tensor()) for one in self._resizing.run(images))
        return pixels, samples

    def _brightest(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The highest level of each image, (D,), on a scale of 0 to 1."""
        levels = pixels.max(axis=(2, 3)) * self.preprocessing.std + self.preprocessing.mean
        return np.asarray(levels.max(axis=1), np.float32)

    def decode(
        self, encoded: Encoded
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Decode up to ``batch_size`` images.

        Returns of the D images that could be decoded, in order, the pixels, float32
        (D, 3, input_px, input_px), and the samples of ``is_stained``, and which these were, bool
        (N,).
        """
        decoded, side = np.zeros(len(encoded), np.bool_), self.preprocessing.input_px
        pixels = np.empty((len(encoded), 3, side, side), np.float32)
        samples = np.empty((len(encoded), SAMPLES_PER_SIDE, SAMPLES_PER_SIDE, 3), np.uint8)
        at_once = self._few if self._to_watch > 0 else max(1, len(encoded))
        for first in range(0, len(encoded), at_once):
            some = encoded[first : first + at_once]
            for places, outputs in decoded_groups(self._graph.run, some):
                own = first + places
                # Copies: DALI reuses the buffers in its next run.
                pixels[own], samples[own] = (np.asarray(one.as_tensor()) for one in outputs)
                decoded[own] = True
        if decoded.all():
            self._to_watch -= min(self._to_watch, len(encoded))
            return pixels, samples, decoded
        self._to_watch = _WATCHED
        return pixels[decoded], samples[decoded], decoded
