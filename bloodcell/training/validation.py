"""What a trained network is worth on patients that were held out, after calibration."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch.nn import functional

from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.error_model import ErrorModel, fit_error_model
from bloodcell.errors import InputError
from bloodcell.evaluation.blast import blast_figures
from bloodcell.evaluation.classes import class_figures, unidentified_figures
from bloodcell.evaluation.join import Joined
from bloodcell.evaluation.shares import share_figures
from bloodcell.scheme import Scheme
from bloodcell.shares import ADJUSTED
from bloodcell.training.shares_by_others import shares_by_others

_LOG = logging.getLogger(__name__)

_OFFSET_DECAY = 1e-3
_PRIOR_EXPONENT = 0.5
"""Of how often classes other than blasts occur: in full it silences the rare ones. The exponent is
that of the weights with which classes are learnt, and was not fitted."""


@dataclass(frozen=True)
class Calibration:
    """Probabilities are the softmax of ``(logits + offsets) / temperature``.

    Guo et al. 2017 (arXiv 1706.04599): their temperature, with offsets as in their vector scaling.
    """

    temperature: float
    offsets: torch.Tensor
    """float32 (C,)."""
    prior_ratios: tuple[float, ...] = ()
    """See ``calibrated_probabilities``; not of the held-out cells but of ``fit_prior_ratios``."""


@dataclass(frozen=True)
class Offsets:
    """Which offsets are given, and which are fitted besides."""

    given: torch.Tensor
    """float32 (C,)."""
    is_fitted: torch.Tensor
    """Bool (C,)."""


def all_fitted(classes: int) -> Offsets:
    """Nothing is known of how often the ``classes`` occur by their logits."""
    return Offsets(torch.zeros(classes), torch.ones(classes, dtype=torch.bool))


def blasts_fitted(occurrence: torch.Tensor, is_blast: npt.NDArray[np.bool_]) -> Offsets:
    """For logits of classes that occur as ``occurrence``, float32 (C,), says, in logarithms.

    The blasts' offset makes their probability right; the others keep the square root of their
    occurrence, or rare ones would hardly ever be called.
    """
    return Offsets((_PRIOR_EXPONENT - 1) * occurrence, torch.from_numpy(is_blast))


@dataclass(frozen=True)
class HeldOut:
    """N held-out cells, each as the network that never saw its patient has it."""

    logits: torch.Tensor
    """float32 (N, C)."""
    labels: torch.Tensor
    """int64 (N,)."""
    patients: npt.NDArray[np.str_]
    """(N,)."""
    trust: torch.Tensor
    """float32 (N,): how far the label is believed, 0 to 1."""
    offsets: Offsets

    def where(self, chosen: npt.NDArray[np.bool_]) -> "HeldOut":
        """The cells where ``chosen``, bool (N,), is true."""
        rows = torch.from_numpy(chosen)
        return HeldOut(
            self.logits[rows],
            self.labels[rows],
            self.patients[chosen],
            self.trust[rows],
            self.offsets,
        )


def fit_calibration(cells: HeldOut) -> Calibration:
    """Find the smallest log loss, every patient weighing alike, its cells as they are trusted.

    If all offsets are fitted, over all classes; else of what they can change, the fitted classes
    against the others. They are drawn towards 0, so that a class of which there are few cells keeps
    the network's word.
    """
    logits, labels = cells.logits + cells.offsets.given, cells.labels
    is_fitted = cells.offsets.is_fitted
    groups = torch.arange(len(is_fitted)) if is_fitted.all() else is_fitted.long()
    _, number = np.unique(cells.patients, return_inverse=True)
    own = cells.trust.double()
    total = torch.zeros(int(number.max()) + 1, dtype=torch.float64)
    total.index_add_(0, torch.from_numpy(number), own)
    weight = (own / total.clamp(min=1e-6)[number]).float()
    log_sharpness = torch.zeros((), requires_grad=True)
    fitted = torch.zeros(int(is_fitted.sum()), requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [log_sharpness, fitted], max_iter=200, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        raised = torch.zeros(logits.shape[1]).masked_scatter(is_fitted, fitted)
        scaled = logits * log_sharpness.exp() + raised
        losses = functional.nll_loss(_grouped(scaled, groups), groups[labels], reduction="none")
        total = (losses * weight).sum() / weight.sum() + _OFFSET_DECAY * fitted.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    temperature = float((-log_sharpness.detach()).exp())
    raised = torch.zeros(logits.shape[1]).masked_scatter(is_fitted, fitted.detach())
    return Calibration(temperature, cells.offsets.given + raised * temperature)


def _grouped(logits: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """Log probabilities of groups of classes, float32 (N, G); ``groups`` int64 (C,)."""
    of_class = functional.log_softmax(logits, 1)
    each = [of_class[:, groups == one].logsumexp(1) for one in range(int(groups.max()) + 1)]
    return torch.stack(each, 1)


def calibrated_by_others(
    cells: HeldOut, prior_ratios: tuple[float, ...]
) -> npt.NDArray[np.float32]:
    """Probabilities float32 (N, C), each patient's by the calibration of all other patients.

    So what is measured on them is what a new patient may expect. With one patient only, by its
    own. ``prior_ratios`` rest on none of them.
    """
    names = np.unique(cells.patients)
    probabilities = np.empty(cells.logits.shape, np.float32)
    for name in names:
        own = cells.patients == name
        fitted = fit_calibration(cells.where(~own) if len(names) > 1 else cells)
        probabilities[own] = calibrated_probabilities(
            (cells.where(own).logits + fitted.offsets).numpy(), fitted.temperature, prior_ratios
        )
    return probabilities


def held_out_cells(cells: HeldOut, scheme: Scheme, calibration: Calibration) -> Joined:
    """The held-out cells as a run would hold them, with their labels.

    Their probabilities are by the calibration of the others; what ranks them is by ``calibration``,
    one for all: a patient of many blasts is judged by the lower offset of the others, and with few
    patients the rank of a cell would be that of its patient's share, turned around.
    """
    probabilities = calibrated_by_others(cells, calibration.prior_ratios)
    by_one = calibrated_probabilities(
        (cells.logits + calibration.offsets).numpy(),
        calibration.temperature,
        calibration.prior_ratios,
    )
    codes = np.array(scheme.codes)
    return Joined(
        patient=cells.patients,
        label=codes[cells.labels.numpy()],
        called=codes[probabilities.argmax(axis=1)],
        blast_probability=probabilities[:, scheme.is_blast].sum(axis=1, dtype=np.float64),
        top_probability=probabilities.max(axis=1).astype(np.float64),
        ranking=by_one[:, scheme.is_blast].sum(axis=1, dtype=np.float64),
        label_scheme=scheme,
        run_scheme=scheme,
        cells={
            "labelled": len(cells.labels),
            "rejected": 0,
            "unlabelled": 0,
            "labels_not_in_run": 0,
            "labels_left_out": 0,
        },
    )


def kept_figures(
    called: npt.NDArray[np.int64], label_sets: npt.NDArray[np.bool_], scheme: Scheme
) -> dict[str, Any]:
    """What the card states of K cells of a source that no network learnt from.

    ``called``, (K,): the class of each; ``label_sets`` (K, C). Of each label how many cells there
    are, what they were called and how many rightly; how many leukocytes, other than blasts, were
    called blasts.
    """
    codes = np.array(scheme.codes)
    is_right = label_sets[np.arange(len(called)), called]
    names = np.array(["|".join(codes[one].tolist()) for one in label_sets])
    rows = []
    for name in np.unique(names):
        own = names == name
        to, cells = np.unique(codes[called[own]], return_counts=True)
        rows.append(
            {
                "class": str(name),
                "sensitivity": round(float(is_right[own].mean()), 4),
                "n": int(own.sum()),
                "called": dict(zip(to.tolist(), cells.tolist(), strict=True)),
            }
        )
    is_other = ~label_sets[:, scheme.is_blast | ~scheme.is_leukocyte].any(axis=1)
    return {
        "cells": len(called),
        "leukocytes": int(is_other.sum()),
        "leukocytes_called_blast": int((scheme.is_blast[called] & is_other).sum()),
        "class": rows,
    }


def held_out_figures(cells: Joined) -> dict[str, Any]:
    """What the model card states of the held-out cells: in all, by class, by patient.

    Adjusted shares are by error models of other patients, and left out where these are too few.
    """
    by_class, blast = class_figures(cells), blast_figures(cells)
    of_blasts = ("auroc", "auroc_low", "auroc_high", "calibration_error")
    figures = {
        **{name: blast[name] for name in ("patients", "cells", "blasts")},
        **{f"blast_{name}": blast[name] for name in of_blasts},
        **{name: by_class[name] for name in ("accuracy", "balanced_accuracy")},
    }
    shares = share_figures(_adjusted(cells), cells)
    return _known(figures) | {
        "unidentified": _known(unidentified_figures(cells)),
        "shares": _known(shares["totals"]),
        "class": [_known(row) for row in by_class["classes"]],
        "patient": [_known(row) for row in shares["patients"]],
    }


def _adjusted(cells: Joined) -> pa.Table:
    try:
        return shares_by_others(cells)
    except InputError:
        names = np.unique(cells.patient)
        unknown = pa.nulls(len(names), pa.float64())
        return pa.table({"patient": names, **dict.fromkeys(ADJUSTED, unknown)})


def held_out_error_model(cells: Joined, held_out: str) -> ErrorModel | None:
    """What adjusted shares will rest on; None, with a warning, if the cells are too few for it.

    ``held_out``: how these patients were held out, for the card.
    """
    try:
        return fit_error_model(
            cells.blast_probability,
            cells.true.is_blast,
            cells.naive.is_leukocyte,
            cells.patient,
            held_out=held_out,
        )
    except InputError as too_few:
        _LOG.warning("the model will give naive shares only: %s", too_few)
        return None


def _known(figures: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: what is not known is not stated."""
    return {name: value for name, value in figures.items() if value is not None}
