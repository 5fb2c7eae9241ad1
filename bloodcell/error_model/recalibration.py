"""How a patient's own calibration curve differs from the network's: prior of what reviews learn."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell._core import (
    CURVE_FREEDOM,
    RecalibrationPrior,
    curve_chances,
    curve_features,
    curves,
)
from bloodcell.error_model.histograms import Floats
from bloodcell.errors import ModelError
from bloodcell.toml import is_number

_ROUNDS = 30
_USUAL_SCALES = (1.4, 0.3)
"""Of intercept and log slope, as a network of one laboratory had them."""
_PSEUDO_PATIENTS = 4.0
"""What the usual scales count for, and coefficients of 0 on standardised features."""


@dataclass(frozen=True)
class Recalibration:
    """Parameters of ``recalibration.hpp`` in csrc/statistics."""

    intercept: tuple[float, ...]
    """Coefficients of the centre of intercepts on the three features of a histogram."""
    log_slope: tuple[float, ...]
    """The same for the logarithms of slopes."""
    intercept_scale: float
    log_slope_scale: float
    correlation: float
    worth_cells: float
    """How many independent cells a patient's cells are worth beside the curve."""

    def core(self) -> RecalibrationPrior:
        """The prior of the C++ core with these parameters."""
        entries = asdict(self)
        for name in ("intercept", "log_slope"):
            entries[name] = np.array(entries[name], np.float64)
        return RecalibrationPrior(**entries)

    def to_card(self) -> dict[str, Any]:
        """The table ``[error_model.recalibration]`` of a model card."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @staticmethod
    def from_card(table: Any) -> "Recalibration":
        """Read ``[error_model.recalibration]``; ModelError saying what was expected, if wrong."""
        names = {field.name for field in fields(Recalibration)}
        if not isinstance(table, dict) or table.keys() != names:
            raise ModelError(
                f"[error_model.recalibration] has the entries {sorted(names)}: {table!r}"
            )
        for name, value in table.items():
            numbers = value if name in ("intercept", "log_slope") else [value]
            if not isinstance(numbers, list) or not all(map(is_number, numbers)):
                raise ModelError(f"error_model.recalibration.{name} is {value!r}: no finite number")
        entries: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in table.items()
        }
        recalibration = Recalibration(**entries)
        try:
            recalibration.core()
        except ValueError as wrong:
            raise ModelError(f"[error_model.recalibration]: {wrong}") from wrong
        return recalibration


def fit_recalibration(
    blasts: npt.NDArray[np.int64], cells: npt.NDArray[np.int64], all_cells: npt.NDArray[np.int64]
) -> Recalibration:
    """Estimate the prior from labelled histograms, all (P, 64): blasts, and all leukocytes.

    ``all_cells`` are those that the labelled ones stand for, which may be themselves. How labelled
    ones were drawn by their log-odds does not matter to the curve.

    Maximum a posteriori by expectation and maximisation over the core's grid of curves, the t
    distribution as a mixture of normal ones (Lange, Little & Taylor 1989, J. Am. Statist. Assoc.
    84:881). Scales are widened by 1 + 1/P, because the centre is estimated from the same P. The
    worth is the mean number of cells a patient: labels of so many cannot tell whether more cells
    would follow the curve or lie in clumps, so more are not taken to tell more.
    """
    features = np.array([curve_features(own) for own in all_cells])
    centre, spread = features[:, 1:].mean(axis=0), features[:, 1:].std(axis=0) + 1e-9
    design = np.column_stack([features[:, 0], (features[:, 1:] - centre) / spread])
    coefficients, covariance = _maximise(_log_likelihood(blasts, cells), design)
    slopes = coefficients[1:] / spread[:, None]
    constant = coefficients[0] - centre @ slopes
    intercept, log_slope = np.vstack([constant, slopes]).T
    scales = np.sqrt(np.diag(covariance) * (1 + 1 / len(cells)))
    return Recalibration(
        intercept=_rounded(intercept),
        log_slope=_rounded(log_slope),
        intercept_scale=round(float(scales[0]), 6),
        log_slope_scale=round(float(scales[1]), 6),
        correlation=round(
            float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])), 6
        ),
        worth_cells=round(float(cells.sum(axis=1).mean()), 1),
    )


def _log_likelihood(blasts: npt.NDArray[np.int64], cells: npt.NDArray[np.int64]) -> Floats:
    """Of each patient's labels under each curve of the grid, (P, G)."""
    chance = curve_chances()
    likelihood: Floats = blasts @ np.log(chance).T + (cells - blasts) @ np.log1p(-chance).T
    return likelihood


def _maximise(log_likelihood: Floats, design: Floats) -> tuple[Floats, Floats]:
    """Coefficients (3, 2) of the centre on ``design`` (P, 3), and the scale matrix (2, 2)."""
    nodes, usual = curves(), np.diag(np.square(_USUAL_SCALES))
    coefficients, covariance = np.zeros((design.shape[1], 2)), usual
    ridge = _PSEUDO_PATIENTS * np.diag([0.0, 1.0, 1.0])
    patients = len(log_likelihood) + _PSEUDO_PATIENTS
    for _ in range(_ROUNDS):
        square = _squares(nodes, design @ coefficients, covariance)
        log_posterior = log_likelihood - (CURVE_FREEDOM + 2) / 2 * np.log1p(square / CURVE_FREEDOM)
        posterior = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        # How much each counts as one of the mixture's normal distribution of usual width.
        weight = posterior * (CURVE_FREEDOM + 2) / (CURVE_FREEDOM + square)
        moments = design.T @ (design * weight.sum(axis=1)[:, None]) + ridge
        coefficients = np.linalg.solve(moments, design.T @ (weight @ nodes))
        covariance = (_scatter(nodes, design @ coefficients, weight) + _PSEUDO_PATIENTS * usual) / (
            patients
        )
    return coefficients, covariance


def _squares(nodes: Floats, centres: Floats, covariance: Floats) -> Floats:
    """Squared Mahalanobis distances of nodes (G, 2) from centres (P, 2), (P, G)."""
    root = np.linalg.cholesky(np.linalg.inv(covariance))
    at, around = nodes @ root, centres @ root
    first, second = (np.subtract.outer(around[:, i], at[:, i]) for i in (0, 1))
    squares: Floats = first**2 + second**2
    return squares


def _scatter(nodes: Floats, centres: Floats, weight: Floats) -> Floats:
    """Sum over patients and nodes of weight (P, G) times the outer square of the distance."""
    mean = weight @ nodes
    scatter: Floats = (
        nodes.T @ (weight.sum(axis=0)[:, None] * nodes)
        - mean.T @ centres
        - centres.T @ mean
        + centres.T @ (weight.sum(axis=1)[:, None] * centres)
    )
    return scatter


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
