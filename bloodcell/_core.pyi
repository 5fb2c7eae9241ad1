"""Header gate, batch reader, patient accumulator, blast shares, reviews, string hashes; see csrc/.

Arrays must be NumPy arrays, C-contiguous and of exactly the dtype named; nothing is converted.
One of another dtype, or what is no array, is a TypeError everywhere.
"""

from collections.abc import Sequence
from typing import ClassVar, Final, Literal, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

# --- images: csrc/bindings/images.cpp

REASONS: tuple[str, ...]
"""The words for why a cell was rejected, indexed by the numbers below; "" first, not rejected."""

LEAST_SIDE_PX: int
"""An image with a shorter side, in pixels, is ``too_small``."""
LARGEST_SIDE_PX: int
"""One with a longer side is ``too_large``."""
NEEDS_REWRITING: int
"""A bit of what ``traits`` gives: DALI does not get the image right, Pillow does."""
IS_DEEP: int
"""Another: its samples have 16 bits, of which it may use but a few."""
IS_PACKED: int
"""Another: a TIFF packed without loss, that DALI decodes also where its data are broken."""

@final
class ImageHeader:
    """What an image's bytes say about it."""

    @property
    def reason(self) -> str:
        """Why the image is rejected, one of ``REASONS``; "" if it may be decoded."""

    @property
    def format(self) -> Literal["unknown", "jpeg", "tiff", "png", "bmp"]:
        """The format by its magic bytes."""

    @property
    def width(self) -> int:
        """Pixels as stored, before any turn by an EXIF orientation; 0 where unknown."""

    @property
    def height(self) -> int:
        """The same of the other side."""

    @property
    def needs_rewriting(self) -> bool:
        """As ``NEEDS_REWRITING``; for one that may be decoded."""

    @property
    def is_deep(self) -> bool:
        """Its samples have 16 bits, of which it may use but a few."""

def inspect(
    data: Buffer | NDArray[np.uint8],
    *,
    min_side_px: int = 16,
    max_side_px: int = 4096,
    follows_codes: bool = True,
) -> ImageHeader:
    """Look at one whole encoded image without decoding it.

    Args:
        data: The encoded file, any object with contiguous bytes.
        min_side_px: An image with a shorter side, in pixels, is ``too_small``.
        max_side_px: An image with a longer side, in pixels, is ``too_large``.
        follows_codes: A JPEG's codes to their end, which takes a hundred times as long.

    Raises:
        BufferError: ``data`` is not contiguous (NumPy raises ``ValueError`` instead).
        TypeError: ``data`` has no bytes, or a limit is not a 32-bit unsigned integer.
    """

def read_files(
    root: str | bytes,
    path_offsets: NDArray[np.int64],
    path_bytes: NDArray[np.uint8],
    *,
    follows_codes: bool = True,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    """Read a batch of image files into one buffer, digest and gate each; the GIL is released.

    A bad file is never an exception, only a reason.

    Args:
        root: The folder that relative paths start from.
        path_offsets: int64 (N + 1,); path i is ``path_bytes[path_offsets[i]:path_offsets[i + 1]]``.
        path_bytes: uint8 (B,), the paths in UTF-8 one after the other, as Arrow stores them.
        follows_codes: As `inspect`.

    Returns:
        The encoded images, uint8 (E,); their offsets in it, int64 (N + 1,), a rejected one having
        no bytes; their reasons, uint8 (N,), indices of ``REASONS``; and the `digest` of each, uint8
        (N, 16), a rejected one's too, zeros where nothing was read. Nothing is copied: the four
        arrays own the memory that was read into.

    Raises:
        ValueError: The offsets do not ascend from 0 on within ``path_bytes``.
        OSError: The process has run out of file descriptors or the kernel out of memory.
        MemoryError: The batch does not fit into memory.
    """

def read_ranges(
    root: str | bytes,
    shard_offsets: NDArray[np.int64],
    shard_bytes: NDArray[np.uint8],
    range_offsets: NDArray[np.int64],
    range_sizes: NDArray[np.int64],
    *,
    follows_codes: bool = True,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    """Read a batch of images that lie in shards, digest and gate each; the GIL is released.

    A shard is opened once for all of its images that follow one another. A range that is not all
    there is ``truncated``.

    Args:
        root: The folder that relative paths start from.
        shard_offsets: int64 (N + 1,), with the next: the shard of each image, a path.
        shard_bytes: uint8 (B,), as in `read_files`.
        range_offsets: int64 (N,), where image i begins in its shard, in bytes; must not be
            written to during the call.
        range_sizes: int64 (N,), its bytes. Negative, here or above: ``unreadable``.
        follows_codes: As `inspect`.

    Returns:
        As `read_files`.

    Raises:
        ValueError: The shards' offsets do not ascend from 0 on within ``shard_bytes``, or the
            ranges are not one a shard.
        OSError, MemoryError: As `read_files`.
    """

def read_memory(
    images: Sequence[bytes],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    """Take a batch of images that are in memory as `read_files` takes those of files.

    Args:
        images: The encoded files, N of them.

    Returns:
        As `read_files`; a rejected image has no bytes there, and a digest as it would in a file.

    Raises:
        TypeError: One of them is not of the type ``bytes``.
        MemoryError: As `read_files`.
    """

def digest(data: Buffer | NDArray[np.uint8]) -> bytes:
    """The digest by which an image is known: XXH3 of 128 bits in its canonical order of bytes.

    Args:
        data: The encoded file, any object with contiguous bytes.

    Raises:
        BufferError, TypeError: As `inspect`.
    """

def gate(buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Gate images that are in memory already; the GIL is released.

    Args:
        buffer: uint8 (B,), the encoded images; must not be written to during the call.
        offsets: int64 (N + 1,); image i is ``buffer[offsets[i]:offsets[i + 1]]``.

    Returns:
        The reasons, uint8 (N,), indices of ``REASONS``.

    Raises:
        ValueError: The offsets do not ascend from 0 on within ``buffer``.
    """

def traits(buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
    """What a decoder must know of images that have passed the gate; the GIL is released.

    Arguments and errors are those of `gate`.

    Returns:
        uint8 (N,), sums of ``NEEDS_REWRITING``, ``IS_DEEP`` and ``IS_PACKED``; 0 for no bytes.
    """

# --- accumulator: csrc/bindings/accumulator.cpp

BLAST_LOG_ODDS_EDGES: Final[NDArray[np.float64]]
"""Edges of `Accumulator.blast_histogram`, shape (65,): -8 to 8 by 0.25, natural logarithm."""

@final
class Accumulator:
    """Counts of each patient's cells, in integers only.

    Any order of rows, any batching and any split with a later merge give the same `to_bytes()`.
    Threads may share one accumulator; calls on it take turns. Calls work without the GIL, so the
    arrays given must not be written to by another thread meanwhile.

    Args:
        patients: P, number of patients, 0 or more.
        is_blast: bool, shape (C,), C from 1 to 255: classes whose probabilities add up to the
            blast probability.
        is_leukocyte: bool, shape (C,): classes in the denominator; every blast class is one.
        suspicious_per_patient: K, 1 to 65535: how many of the most suspicious cells to keep.

    Raises:
        ValueError: An array's shape or a number is out of its range, or a blast class is not a
            leukocyte class.
    """

    BLAST_LOG_ODDS_EDGES: ClassVar[NDArray[np.float64]]

    def __init__(
        self,
        patients: int,
        is_blast: NDArray[np.bool_],
        is_leukocyte: NDArray[np.bool_],
        suspicious_per_patient: int = 24,
    ) -> None: ...
    def add(
        self,
        patient_index: NDArray[np.int32],
        row: NDArray[np.int64],
        probabilities: NDArray[np.float32],
    ) -> None:
        """Count scored cells; on any error nothing is counted.

        The class called is that of the largest probability after rounding to multiples of 2**-16
        (ties: the lowest class). A cell called a leukocyte also enters the histogram and the
        suspicious cells with the sum of its blast classes' probabilities, at most 1.
        Needs 4 bytes a cell while it runs.

        Args:
            patient_index: int32, shape (N,), 0 to P - 1.
            row: int64, shape (N,), 0 or more: row numbers in the manifest.
            probabilities: float32, shape (N, C), calibrated, each in [0, 1].

        Raises:
            ValueError: Wrong shape or memory layout, or a value out of its range; the message
                names the first cell at fault.
        """

    def reject(self, patient_index: NDArray[np.int32], reason: NDArray[np.uint8]) -> None:
        """Count rejected cells; on any error nothing is counted.

        Args:
            patient_index: int32, shape (N,), 0 to P - 1.
            reason: uint8, shape (N,), 1 to 10, indices of ``REASONS``.

        Raises:
            ValueError: As `add`.
        """

    def merge(self, other: Accumulator) -> None:
        """Add what `other` counted; merging with itself counts everything twice.

        Raises:
            ValueError: The two were not constructed alike; nothing is changed.
        """

    def to_bytes(self) -> bytes:
        """Return the whole state; equal states give equal bytes on every platform.

        So what several processes or nodes have counted travels to the one that merges it.
        """

    @staticmethod
    def from_bytes(data: bytes) -> Accumulator:
        """Return an accumulator in the state that `to_bytes` wrote.

        Raises:
            ValueError: Sizes, flags, order or sums show that `to_bytes` did not write this.
        """

    @property
    def scored(self) -> NDArray[np.int64]:
        """Scored cells, shape (P,); a fresh array, like all below."""

    @property
    def rejected(self) -> NDArray[np.int64]:
        """Rejected cells by reason number, shape (P, 11); column 0 is always 0."""

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """Scored cells by class called, shape (P, C)."""

    @property
    def blast_histogram(self) -> NDArray[np.int64]:
        """Leukocytes by log-odds of blast, shape (P, 64), bins of `BLAST_LOG_ODDS_EDGES`.

        A value on an edge belongs to the bin above; the outermost bins take all beyond.
        """

    @property
    def suspicious_rows(self) -> NDArray[np.int64]:
        """Rows of the leukocytes most likely blasts, shape (P, K): what a review looks at first.

        Most likely first, ties by smallest row; -1 where a patient has fewer.
        """

    @property
    def suspicious_probability(self) -> NDArray[np.float32]:
        """Blast probability of each of `suspicious_rows`, shape (P, K); 0 where there is none."""

# --- blast shares: csrc/bindings/shares.cpp

MIXTURE_FIT: Final[np.dtype[np.void]]
"""How a patient fits, the core's ``MixtureFit``, float64 fields.

``misfit`` is a score, ``shift`` the length of the standardised shifts.
"""

@final
class ShiftModel:
    """The validity gate; ``mixture_fit.hpp`` in csrc/statistics has its formulas.

    Args:
        blast_shape: float64 (56,), masses of a blast's log-odds, -14 to 14 by 0.5; scaled to sum 1.
        other_shape: float64 (56,), the same for other leukocytes.
        blast_scale: scale of the shifts of blasts between patients, in log-odds, 0 or more.
        other_scale: the same for other leukocytes.
        tail: Johnson's tail parameter of both, above 0, at most 2.
        worth_cells: most independent cells that one patient's cells are worth, above 0.

    Raises:
        ValueError: An array's shape or a number is out of its range.
    """

    def __init__(
        self,
        *,
        blast_shape: NDArray[np.float64],
        other_shape: NDArray[np.float64],
        blast_scale: float,
        other_scale: float,
        tail: float,
        worth_cells: float,
    ) -> None: ...
    def fit_mixtures(self, histogram: NDArray[np.int64], threads: int = 1) -> NDArray[np.void]:
        """How each patient fits a mixture of blasts and other cells; the GIL is released.

        ``histogram``: int64 (P, 64), as of `Accumulator.blast_histogram`. ``threads``, 1 or more,
        never change the result. Returns `MIXTURE_FIT` (P,), NaN for a patient
        without cells. Raises ValueError for a wrong shape, a negative count, or fewer threads.
        """

def clopper_pearson(hits: NDArray[np.int64], trials: NDArray[np.int64]) -> NDArray[np.void]:
    """Exact 95 % interval of a binomial share (Clopper & Pearson 1934).

    ``hits``: int64 (N,), 0 to ``trials``, int64 (N,). Returns (N,) with the float64 fields ``low``
    and ``high``, 0 to 1; NaN where ``trials`` is 0. Raises ValueError if the shapes differ or a
    count is out of its range.
    """

# --- reviews: csrc/bindings/review.cpp

SHARE_ESTIMATE: Final[np.dtype[np.void]]
"""A patient's estimate, the core's ``ReviewedShare``: float64 fields, all but the last 0 to 1.

``share`` is the posterior median, ``low`` and ``high`` end the 95 % interval, ``bands`` (4,) has
the chances of under 5, 5 to under 10, 10 to under 20 and 20 % or more; ``surprise`` is the answers'
log score against what was foretold, in standard deviations: far below 0 they contradict the model.
"""

STRATUM_EDGES: Final[NDArray[np.float64]]
"""Log-odds of blast that part the 8 strata, (7,); a value on an edge belongs to the one above."""

CURVE_FREEDOM: float
"""Degrees of freedom of the t distribution of a patient's curve."""

def curves() -> NDArray[np.float64]:
    """The curves considered, float64 (G, 2): intercept and logarithm of the slope."""

def curve_chances() -> NDArray[np.float64]:
    """Chance of a blast in each bin of the histogram under each curve, float64 (G, 64)."""

def curve_features(histogram: NDArray[np.int64]) -> NDArray[np.float64]:
    """What the centre of a patient's curves depends on, float64 (3,).

    ``histogram``: int64 (64,), of one patient. Raises ValueError if a count is negative or all
    are 0.
    """

LEAST_SURPRISE: Final[float]
"""In standard deviations below what was foretold: answers of a lower log score contradict it."""

def sample_share(
    *,
    cells: NDArray[np.int64],
    seen: NDArray[np.int64],
    blasts: NDArray[np.int64],
    others: NDArray[np.int64],
    known: int,
    known_blasts: int,
) -> np.void:
    """The share that a stratified sample gives by itself; `Sample` in review/sample.py.

    Four int64 (H,) of 0 or more. Returns the float64 fields ``share``, ``low``, ``high`` and
    ``bands`` (4,), NaN if no leukocyte is left. Raises ValueError unless in each stratum blasts and
    others are at most those seen, and these at most the cells.
    """

@final
class RecalibrationPrior:
    """How patients' own calibration curves differ; ``recalibration.hpp`` in csrc/statistics.

    Args:
        intercept: float64 (3,), coefficients of the centre of intercepts on `curve_features`.
        log_slope: float64 (3,), the same for the logarithms of slopes.
        intercept_scale: scale of the t distribution, above 0.
        log_slope_scale: likewise.
        correlation: of intercept and logarithm of the slope, between -1 and 1.
        worth_cells: how many independent cells a patient's cells are worth beside the curve.

    Raises:
        ValueError: An array's shape or a number is out of its range.
    """

    def __init__(
        self,
        *,
        intercept: NDArray[np.float64],
        log_slope: NDArray[np.float64],
        intercept_scale: float,
        log_slope_scale: float,
        correlation: float,
        worth_cells: float,
    ) -> None: ...
    def estimate_shares(self, histogram: NDArray[np.int64], threads: int = 1) -> NDArray[np.void]:
        """Each patient's share before any cell was looked at; the GIL is released.

        Interval and bands are of the blood that the cells are a sample of.
        Arguments and errors as of `ShiftModel.fit_mixtures`. Returns `SHARE_ESTIMATE` (P,), NaN for
        a patient without cells.
        """

    def reviewed_share(
        self,
        *,
        histogram: NDArray[np.int64],
        unseen: NDArray[np.int64],
        seen: NDArray[np.int64],
        leukocytes: NDArray[np.int64],
        seen_bin: NDArray[np.uint8],
        seen_blast: NDArray[np.bool_],
        blasts: float,
        others: float,
    ) -> np.void:
        """Posterior of one patient's share after M cells were looked at.

        Args:
            histogram: int64 (64,), as of `Accumulator.blast_histogram`.
            unseen: int64 (64,), cells of each bin that were not looked at.
            seen: int64 (8,), of each stratum the cells drawn and answered.
            leukocytes: int64 (8,), of these.
            seen_bin: uint8 (M,), bins of the cells looked at, in their order.
            seen_blast: bool (M,), whether each is a blast.
            blasts: blasts among all leukocytes looked at, also such as teach nothing.
            others: other leukocytes among these.

        Returns:
            A record of `SHARE_ESTIMATE`.

        Raises:
            ValueError: A shape, bin or number is out of its range.
        """

    def next_strata(
        self,
        *,
        histogram: NDArray[np.int64],
        unseen: NDArray[np.int64],
        seen: NDArray[np.int64],
        leukocytes: NDArray[np.int64],
        seen_bin: NDArray[np.uint8],
        seen_blast: NDArray[np.bool_],
        pending_bin: NDArray[np.uint8],
        waiting: list[NDArray[np.uint8]],
        drawable: NDArray[np.int64],
        drawn: NDArray[np.int64],
        cells: int,
    ) -> NDArray[np.uint8]:
        """Strata of the next cells to look at, uint8 (at most ``cells``,).

        Args:
            histogram: int64 (64,), like the next five as of `reviewed_share`.
            unseen: int64 (64,).
            seen: int64 (8,).
            leukocytes: int64 (8,).
            seen_bin: uint8 (M,).
            seen_blast: bool (M,).
            pending_bin: uint8 (any length,), bins of the cells drawn but not answered.
            waiting: 8 arrays uint8, of each stratum the bins of its next cells in their order.
            drawable: int64 (8,), cells of each stratum that can be or were drawn.
            drawn: int64 (8,), those drawn.
            cells: how many to choose; fewer are chosen if fewer wait.

        Raises:
            ValueError: A shape, bin or number is out of its range.
        """

# --- strings: csrc/bindings/strings.cpp

def hash_strings(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64-bit hash of each of N strings, uint64 (N,).

    String i is ``data[offsets[i]:offsets[i + 1]]``; offsets int64 (N + 1,), data uint8 (B,).
    Raises ValueError unless the offsets ascend within ``data``.
    """
