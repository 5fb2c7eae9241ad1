"""Shapes of blast log-odds and their shifts between patients, estimated from labelled cells."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from bloodcell.error_model.histograms import SHAPE_BINS, SHAPE_EDGES, Floats

TAIL = 0.5
"""Johnson's tail parameter of the shifts, a kurtosis of about 5."""

_GROUPS = np.searchsorted([-4.0, -2.0, 0.0, 2.0, 4.0], (SHAPE_EDGES[1:] + SHAPE_EDGES[:-1]) / 2)
"""Group of each bin of a shape, as in ``shift_model.hpp`` of csrc/statistics."""

_BIN_WIDTH = 0.5
_REACH = 26  # bins that the largest shift, 12, and a spline lead beyond the shape
_CENTRES = (SHAPE_EDGES[1:] + SHAPE_EDGES[:-1]) / 2
_SHIFTS = np.arange(-80, 81) / 10
_SCALES = np.geomspace(0.1, 4, 40)
_USUAL_SCALE = 0.7
_ROUNDS = 6
_LEAST_CHANCE = 1e-12


@dataclass(frozen=True)
class KindFit:
    """Of blasts or other leukocytes: pooled shape, float (56,), and scale of the shifts."""

    shape: Floats
    scale: float


def fit_kind(histogram: Floats, worth_cells: float) -> KindFit:
    """Shape and spread of one kind from ``histogram`` (P, 56); patients without cells do not count.

    In turn: the shape from the cells moved back by their patients' shifts, and shifts and scale
    given the shape. Curves that differ by a shift, estimated together: Lawton, Sylvestre &
    Maggio (1972, Technometrics 14:513); here the shifts have a prior whose scale is estimated.
    Patients weigh as 1 / (1 + n / worth_cells) a cell, as in ``mixture_fit.hpp``.
    """
    histogram = histogram[histogram.sum(axis=1) > 0]
    cells = histogram.sum(axis=1)
    weight = 1 / (1 + cells / worth_cells)
    in_group = np.eye(_GROUPS.max() + 1)[_GROUPS]
    shift = np.zeros(len(cells))
    shape, scale = np.empty(0), _USUAL_SCALE
    for _ in range(_ROUNDS):
        back = moved(histogram, -shift)
        shape = smoothed(weight @ back, effective_cells=(weight @ cells) ** 2 / (weight**2 @ cells))
        chances = moved(shape, _SHIFTS) @ in_group
        log_likelihood = weight[:, None] * (histogram @ in_group @ np.log(chances).T)
        scale = _scale(log_likelihood)
        shift = _mean_shifts(log_likelihood, scale)
        shift -= np.average(shift, weights=cells * weight)
    return KindFit(shape, scale)


def smoothed(counts: Floats, effective_cells: float) -> Floats:
    """A kernel estimate of a shape from its bins, (56,), summing to 1.

    The kernel is normal with Silverman's width (1986, eq. 3.31), at least a bin's; three
    hundredths of it are wide, so that no cell of a new patient is taken for impossible.
    """
    centre = np.average(_CENTRES, weights=counts)
    deviation = np.sqrt(np.average((_CENTRES - centre) ** 2, weights=counts))
    width = max(_BIN_WIDTH, 0.9 * deviation * effective_cells**-0.2)
    shape = (0.97 * _kernel(width) + 0.03 * _kernel(width + 2.0)) @ (counts / counts.sum())
    shape += 1e-6
    normalised: Floats = shape / shape.sum()
    return normalised


def moved(shapes: Floats, shifts: Floats) -> Floats:
    """Shapes moved by ``shifts`` (S,), (S, 56), by the core's cubic B-splines.

    ``shapes``: one for all shifts, (56,), or one each, (S, 56). As in the core, what would leave
    the bins is in the outermost one.
    """
    bins = np.clip(shifts, -12, 12) / _BIN_WIDTH
    whole = np.floor(bins)
    t = (bins - whole)[:, None]
    below = np.broadcast_to(shapes, (len(shifts), SHAPE_BINS)).cumsum(axis=1)
    padded = np.pad(below, ((0, 0), (_REACH, _REACH)), mode="edge")
    padded[:, :_REACH] = 0
    at = _REACH + np.arange(SHAPE_BINS - 1)[None, :] - whole[:, None].astype(int)
    row = np.arange(len(shifts))[:, None]
    moved_below = (
        t**3 * padded[row, at - 2]
        + (((-3 * t + 3) * t + 3) * t + 1) * padded[row, at - 1]
        + ((3 * t - 6) * t**2 + 4) * padded[row, at]
        + (1 - t) ** 3 * padded[row, at + 1]
    ) / 6
    masses: Floats = np.diff(moved_below, axis=1, prepend=0, append=below[:, -1:])
    return masses + _LEAST_CHANCE


def _kernel(width: float) -> Floats:
    kernel = np.exp(-0.5 * ((_CENTRES[:, None] - _CENTRES[None, :]) / width) ** 2)
    normalised: Floats = kernel / kernel.sum(axis=0)
    return normalised


def _scale(log_likelihood: Floats) -> float:
    """Scale of the shifts from their likelihoods (P, S).

    Root of its mean square over its posterior, under a log-normal prior of log-width 1 around
    0.7; times sqrt(1 + 1/P), because the centre of the shifts is estimated from the same P.
    """
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    by_scale = np.log(likelihood @ _prior_of_scales() + 1e-300).sum(axis=0)
    by_scale -= 0.5 * np.log(_SCALES / _USUAL_SCALE) ** 2
    posterior = np.exp(by_scale - by_scale.max())
    mean_square = posterior @ _SCALES**2 / posterior.sum()
    return float(np.sqrt(mean_square * (1 + 1 / len(log_likelihood))))


def _mean_shifts(log_likelihood: Floats, scale: float) -> Floats:
    log_posterior = log_likelihood + _log_priors(np.array([scale]))
    posterior = np.exp(log_posterior - log_posterior.max(axis=1, keepdims=True))
    shifts: Floats = posterior @ _SHIFTS / posterior.sum(axis=1)
    return shifts


@cache
def _prior_of_scales() -> Floats:
    prior: Floats = np.exp(_log_priors(_SCALES)).T
    return prior


def _log_priors(scales: Floats) -> Floats:
    """Log probability of each shift for each scale, (scales, S), Johnson's density normalised."""
    u = TAIL * _SHIFTS[None, :] / scales[:, None]
    log_density = -0.5 * (np.arcsinh(u) / TAIL) ** 2 - 0.5 * np.log1p(u**2)
    log_density -= log_density.max(axis=1, keepdims=True)
    normalised: Floats = log_density - np.log(np.exp(log_density).sum(axis=1, keepdims=True))
    return normalised
