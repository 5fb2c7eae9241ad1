"""Plans drawn patients: what each cell is, from the seed and its own place alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bloodcell.errors import InputError
from bloodcell.phantom.draw import Stain, draw_cell, draw_stain
from bloodcell.phantom.encode import VARIANTS, encode
from bloodcell.phantom.looks import CLASSES

FORMATS: Mapping[str, tuple[str, ...]] = {
    "jpeg": ("jpeg",),
    "tiff": ("tiff_rgba",),
    "png": ("png",),
    "bmp": ("bmp",),
    "mixed": VARIANTS,
}
"""Variants that a patient's cells cycle through, for each ``image_format``."""

BLAST = "blast_no_lineage_spec"
_BLAST_SHARES = (0.0, 0.05, 0.12, 0.3, 0.6)

_COMMON_CLASSES: Mapping[str, float] = {
    "segmented_neutrophils": 30.0,
    "lymphocyte": 25.0,
    "monocyte": 8.0,
    "smudge_cells": 6.0,
    "band_neutrophils": 4.0,
    "eosinophils": 3.0,
}
"""How common the classes are among cells that are not blasts; all others count 1."""

# What a random stream is for: part of its seed, so that no two streams are the same.
_FOR_SHARES, _FOR_PATIENT, _FOR_CELL, _FOR_REUSED = range(4)


@dataclass(frozen=True)
class Plan:
    """What every cell is, each from the seed and its own place alone."""

    patients: int
    cells: int
    """Of each patient."""
    image_format: str = "jpeg"
    seed: int = 1
    blast_share: float | Sequence[float] | None = None
    """Expected share of blasts, 0 to 1: of all patients, of patients in turn, or as drawn."""
    distinct: int | None = None
    """How many images are drawn at most; None draws each anew."""

    def __post_init__(self) -> None:
        for name, least in (("patients", 1), ("cells", 1), ("distinct", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} must be at least {least}, not {value}")
        if self.image_format not in FORMATS:
            known = ", ".join(FORMATS)
            raise InputError(f"Unknown image format {self.image_format!r}; known: {known}")
        shares = self._given_shares()
        if shares is not None and (not shares or not all(0.0 <= share <= 1.0 for share in shares)):
            raise InputError(f"blast_share must be from 0 to 1, not {self.blast_share}")

    def _given_shares(self) -> Sequence[float] | None:
        if isinstance(self.blast_share, (int, float)):
            return [self.blast_share]
        return self.blast_share

    @property
    def kinds(self) -> int:
        """How many pairs there are of a class and a variant of the format."""
        return len(CLASSES) * len(FORMATS[self.image_format])

    def rng(self, *key: int) -> np.random.Generator:
        """Return the random stream of one purpose and place."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def blast_share_of(self, patient: int) -> float:
        """Return the expected share of blasts, 0 to 1; five patients in turn cover all levels."""
        given = self._given_shares()
        if given is not None:
            return given[patient % len(given)]
        turn, place = divmod(patient, len(_BLAST_SHARES))
        return float(self.rng(_FOR_SHARES, turn).permutation(_BLAST_SHARES)[place])

    def patient(self, patient: int) -> "Patient":
        """Return the slide and the class mix of one patient."""
        rng = self.rng(_FOR_PATIENT, patient)
        stain = draw_stain(rng)
        weights = np.array([_COMMON_CLASSES.get(name, 1.0) for name in CLASSES])
        weights = rng.gamma(2.0 * weights) * np.array([name != BLAST for name in CLASSES])
        mix = (1.0 - self.blast_share_of(patient)) * weights / weights.sum()
        mix[CLASSES.index(BLAST)] = self.blast_share_of(patient)
        return Patient(self, patient, stain, mix)


@dataclass(frozen=True)
class Patient:
    """One drawn patient of a plan."""

    plan: Plan
    index: int
    stain: Stain
    mix: npt.NDArray[np.float64]
    """Probability of each class, float64 (len(CLASSES),)."""

    @property
    def name(self) -> str:
        """Name of the patient and of its folder."""
        return f"phantom-{self.index:03d}"

    def cell(self, cell: int) -> "Cell":
        """Return what one cell is; drawing comes later."""
        rng = self.plan.rng(_FOR_CELL, self.index, cell)
        cell_class = int(rng.choice(len(CLASSES), p=self.mix))
        variants = FORMATS[self.plan.image_format]
        variant = variants[cell % len(variants)]
        if self.plan.distinct is None:
            return Cell(CLASSES[cell_class], variant, rng, self.stain)
        slot = (self.index + cell) % max(self.plan.distinct // self.plan.kinds, 1)
        rng = self.plan.rng(_FOR_REUSED, cell_class, slot)
        return Cell(CLASSES[cell_class], variant, rng, None, (cell_class, slot, variant))


@dataclass(frozen=True)
class Cell:
    """One cell to draw."""

    cell_class: str
    variant: str
    rng: np.random.Generator
    stain: Stain | None
    reused_as: tuple[int, int, str] | None = None
    """Cells with the same key have the same bytes; None stands alone."""

    def encoded(self) -> bytes:
        """Draw and encode; to be called once, as it uses up ``rng``."""
        size = draw_size(self.rng, self.variant)
        return encode(draw_cell(self.cell_class, self.rng, size, self.stain), self.variant)


def draw_size(rng: np.random.Generator, variant: str) -> tuple[int, int]:
    """Draw width and height in pixels, spread as in real sets; TIFF is 400 x 400."""
    kind, width, height = rng.random(), rng.integers(361, 417), rng.integers(364, 409)
    if variant.startswith("tiff"):
        return 400, 400
    if kind < 0.75:
        return 360, 363
    if kind < 0.85:
        return 360, 365
    return (int(width), 363) if kind < 0.95 else (360, int(height))
