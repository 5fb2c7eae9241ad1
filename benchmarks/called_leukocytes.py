"""How many of the cells that the network calls leukocytes are labelled so, by patient and stratum.

    python benchmarks/called_leukocytes.py [MODEL]

Of the held-out cells of MODEL, by default the default network: prints the share of each stratum and
the constants of csrc/statistics/src/unseen_leukocytes.cpp, those most likely for these counts.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import betaln, logsumexp

from bloodcell.error_model.histograms import log_odds_of
from bloodcell.error_model.refit import HeldOut
from bloodcell.model import load_model
from bloodcell.review.leukocytes import STRATA, stratum_of

Floats = npt.NDArray[np.float64]

_MISSING = np.logspace(-4, -0.01, 400)
"""What a patient's part of leukocytes may lack of 1."""


def counts(folder: Path | None) -> tuple[Floats, Floats]:
    """Cells called leukocytes and, of these, those labelled so: by patient and stratum, (P, 8)."""
    model = load_model(folder)
    held_out = HeldOut.read(model.folder)
    is_leukocyte = dict(zip(model.scheme.codes, model.scheme.is_leukocyte, strict=True))
    called = held_out.is_leukocyte(model.scheme)
    labelled = np.array([is_leukocyte[label] for label in held_out.label])[called]
    names, patient = np.unique(held_out.patient[called], return_inverse=True)
    log_odds = log_odds_of(held_out.blast_probability[called]).astype(np.float32)
    place = patient * STRATA + stratum_of(log_odds)
    shape, places = (len(names), STRATA), len(names) * STRATA
    cells = np.bincount(place, minlength=places).reshape(shape)
    leukocytes = np.bincount(place, labelled, places).reshape(shape)
    return cells.astype(np.float64), leukocytes.astype(np.float64)


def fitted(cells: Floats, leukocytes: Floats) -> Floats:
    """Leukocytes and others as if seen of each patient, and cells as if seen of each stratum."""
    part = 1 - _MISSING
    width = np.abs(np.gradient(part))

    def log_loss(logs: Floats) -> float:
        of_patient, others, of_stratum = np.exp(logs)
        alpha, beta = of_stratum * part, of_stratum * (1 - part)
        hits, misses = leukocytes[:, :, None], (cells - leukocytes)[:, :, None]
        chance = (betaln(hits + alpha, misses + beta) - betaln(alpha, beta)).sum(axis=1)
        prior = (of_patient - 1) * np.log(part) + (others - 1) * np.log(1 - part)
        prior += np.log(width) - betaln(of_patient, others)
        return -float(logsumexp(chance + prior, axis=1).sum())

    found = minimize(log_loss, np.log([8.0, 0.5, 4.0]), method="Nelder-Mead")
    likeliest: Floats = np.exp(found.x)
    return likeliest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", metavar="MODEL")
    cells, leukocytes = counts(parser.parse_args().model)
    print(f"{len(cells)} patients, {cells.sum():.0f} cells called leukocytes")
    for stratum, (n, k) in enumerate(zip(cells.sum(axis=0), leukocytes.sum(axis=0), strict=True)):
        print(f"stratum {stratum}: {n:.0f} cells, {k / n:.3f} labelled leukocytes")
    of_patient, others, of_stratum = fitted(cells, leukocytes)
    print(f"patient_leukocytes {of_patient:.1f}, patient_others {others:.1f}")
    print(f"stratum_cells {of_stratum:.1f}")


if __name__ == "__main__":
    main()
