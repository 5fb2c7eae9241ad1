"""What a trained network is worth on patients that were held out, after calibration."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bloodcell.metrics import auroc, expected_calibration_error
from bloodcell.scheme import Scheme
from bloodcell.training.fit import Pixels, infer


@dataclass(frozen=True)
class Validation:
    """How the network does on the patients that were held out, after calibration."""

    temperature: float
    patients: int
    cells: int
    blasts: int
    blast_auroc: float
    accuracy: float
    blast_calibration_error: float


def validate(
    network: nn.Module, validation: Pixels, patients: npt.NDArray[np.str_], scheme: Scheme
) -> Validation:
    """Calibrate and measure on held-out cells; ``patients``: the patient of each."""
    logits = infer(network, validation.pixels)
    temperature = fit_temperature(logits, validation.labels)
    probabilities = torch.softmax(logits / temperature, 1).numpy()
    labels = validation.labels.numpy()
    is_blast = scheme.is_blast[labels]
    blast = probabilities[:, scheme.is_blast].sum(axis=1)
    return Validation(
        temperature=temperature,
        patients=len(set(patients)),
        cells=len(labels),
        blasts=int(is_blast.sum()),
        blast_auroc=auroc(blast, is_blast),
        accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
        blast_calibration_error=expected_calibration_error(blast, is_blast),
    )


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature with the smallest log loss (Guo et al. 2017, arXiv 1706.04599).

    ``logits`` float32 (N, C), ``labels`` int64 (N,). Searched from 0.1 to 10 in steps of 1 %.
    """
    candidates = torch.logspace(-1, 1, 464).tolist()
    losses = [float(nn.functional.cross_entropy(logits / t, labels)) for t in candidates]
    return float(candidates[int(np.argmin(losses))])
