"""How patients' own calibration curves differ from the network's: what shares rest on."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell._core import CURVE_FREEDOM, RecalibrationPrior, curve_chances, curves
from bloodcell.error_model.case_mix import CaseMix
from bloodcell.error_model.histograms import Floats
from bloodcell.errors import ModelError
from bloodcell.toml import is_number

_ROUNDS = 30
_LEAST_SPREAD = 1e-6
"""Standard deviation of a feature; what varies less does so by rounding."""
_WIDER = 1.1
"""Scales as fitted hold too few of the held-out patients at other shares than their own: .911 of
draws of 5,000 cells by the default network's, .926 so much wider (``benchmarks/test_coverage.py``).
"""


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

    def centres(self, features: Floats) -> Floats:
        """Intercept and log slope of the centre at each row of ``features`` (V, 3), (V, 2)."""
        centres: Floats = features @ np.array([self.intercept, self.log_slope]).T
        return centres

    @property
    def scale_matrix(self) -> Floats:
        """Of the t distribution, (2, 2)."""
        scales = np.array([self.intercept_scale, self.log_slope_scale])
        return np.outer(scales, scales) * [[1, self.correlation], [self.correlation, 1]]

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


@dataclass(frozen=True)
class Start:
    """What a fit starts from and is drawn towards."""

    recalibration: Recalibration
    patients: float
    """As many of the fit's weigh as much."""


USUAL_START = Start(Recalibration((0.0,) * 3, (0.0,) * 3, 1.4, 0.3, 0.0, 100.0), 4.0)
"""The network is right on average; scales as a network of one laboratory had them."""


def fit_recalibration(
    blasts: npt.NDArray[np.int64],
    cells: npt.NDArray[np.int64],
    all_cells: npt.NDArray[np.int64],
    start: Start = USUAL_START,
) -> Recalibration:
    """Estimate the prior from labelled histograms, all (P, 64): blasts, and all leukocytes.

    ``all_cells`` are those that the labelled ones stand for, which may be themselves. How labelled
    ones were drawn by their log-odds does not matter to the curve.

    Maximum a posteriori by expectation and maximisation over the core's grid of curves, the t
    distribution as a mixture of normal ones (Lange, Little & Taylor 1989, J. Am. Statist. Assoc.
    84:881). Patients are taken at other shares of blasts too (``CaseMix``): the prior is one of how
    the network misreads, whatever shares its patients happen to have. Variances are widened by
    1 + 3/P, because the centre's three coefficients are estimated from the same P, and scales,
    which those of ``start`` have behind them, by ``_WIDER``. The
    worth is the mean number of cells a patient: labels of so many cannot tell whether more cells
    would follow the curve or lie in clumps, so more are not taken to tell more.
    """
    mix = CaseMix.of(blasts, cells, all_cells)
    fit = fit_curves(mix, mix.features[:, 1:], start)
    intercept, log_slope = np.vstack([fit.constant, fit.slopes]).T
    return Recalibration(
        intercept=_rounded(start.recalibration.intercept + intercept),
        log_slope=_rounded(start.recalibration.log_slope + log_slope),
        intercept_scale=round(float(fit.scales[0]), 6),
        log_slope_scale=round(float(fit.scales[1]), 6),
        correlation=round(fit.correlation, 6),
        worth_cells=round(float(cells.sum(axis=1).mean()), 1),
    )


@dataclass(frozen=True)
class CurveFit:
    """How patients' curves lie about a centre that is linear in F features."""

    constant: Floats
    """What is added to intercept and log slope of the start's centre where features are 0, (2,)."""
    slopes: Floats
    """And for each unit of a feature, (F, 2)."""
    scales: Floats
    """Of intercept and log slope, widened, (2,)."""
    correlation: float


def fit_curves(mix: CaseMix, features: Floats, start: Start) -> CurveFit:
    """Fit the curves of ``mix`` with the ``features`` (V, F) of its rows."""
    centre = np.average(features, axis=0, weights=mix.weight)
    off_centre = features - centre
    spread = np.sqrt(np.average(off_centre**2, axis=0, weights=mix.weight))
    # A feature that patients share but for rounding tells nothing: its slope would be of noise.
    differs = spread > _LEAST_SPREAD
    design = np.column_stack([np.ones(len(features)), off_centre[:, differs] / spread[differs]])
    moved, covariance = _maximise(mix, design, start)
    slopes = np.zeros((features.shape[1], 2))
    slopes[differs] = moved[1:] / spread[differs, None]
    patients = mix.weight.sum() + start.patients
    return CurveFit(
        constant=moved[0] - centre @ slopes,
        slopes=slopes,
        scales=_WIDER * np.sqrt(np.diag(covariance) * (1 + design.shape[1] / patients)),
        correlation=float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])),
    )


def _maximise(mix: CaseMix, design: Floats, start: Start) -> tuple[Floats, Floats]:
    """What to add to the start's coefficients, on ``design`` (V, D), and the scale matrix.

    (D, 2) and (2, 2).
    """
    chance = curve_chances()
    log_likelihood = mix.blasts @ np.log(chance).T + (mix.cells - mix.blasts) @ np.log1p(-chance).T
    nodes, usual = curves(), start.recalibration.scale_matrix / _WIDER**2
    from_start = start.recalibration.centres(mix.features)
    coefficients, covariance = np.zeros((design.shape[1], 2)), usual
    patients = mix.weight.sum() + start.patients
    for _ in range(_ROUNDS):
        centres = from_start + design @ coefficients
        square = _squares(nodes, centres, covariance)
        log_posterior = log_likelihood - (CURVE_FREEDOM + 2) / 2 * np.log1p(square / CURVE_FREEDOM)
        posterior = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
        posterior *= mix.weight[:, None] / posterior.sum(axis=1, keepdims=True)
        # How much each counts as one of the mixture's normal distribution of usual width.
        weight = posterior * (CURVE_FREEDOM + 2) / (CURVE_FREEDOM + square)
        of_row = weight.sum(axis=1)[:, None]
        moments = design.T @ (design * of_row) + start.patients * np.eye(design.shape[1])
        from_there = weight @ nodes - of_row * from_start
        coefficients = np.linalg.solve(moments, design.T @ from_there)
        scatter = _scatter(nodes, from_start + design @ coefficients, weight)
        covariance = (scatter + start.patients * usual) / patients
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
