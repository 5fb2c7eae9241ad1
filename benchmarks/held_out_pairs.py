"""Two networks on the same held-out cells: figures of the second beside the first's.

    python benchmarks/held_out_pairs.py BEFORE AFTER [--audit docs/default-network/label-audit]

BEFORE and AFTER are model folders, of which `card.toml` and `held_out.parquet` are read. Intervals
are at 95 %, over draws of patients, the same for both. AUDIT: what `audit-labels` wrote; with it
there are figures of the cells not doubted, and of the more reliable half of the patients.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from bloodcell.error_model.histograms import log_odds_of
from bloodcell.error_model.refit import HeldOut
from bloodcell.errors import BloodcellError, InputError
from bloodcell.evaluation.bootstrap import (
    Floats,
    PatientCells,
    draw_patients,
    drawn_aurocs,
    interval_of,
)
from bloodcell.metrics import auroc
from bloodcell.model import Model, load_model

Bools = npt.NDArray[np.bool_]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs=2, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--audit", type=Path)
    options = parser.parse_args(arguments)
    models = [load_model(folder) for folder in options.models]
    cells = [HeldOut.read(model.folder) for model in models]
    if any(not np.array_equal(*(getattr(one, of) for one in cells)) for of in ("patient", "label")):
        raise InputError("the folders' held-out cells are not the same cells in the same order")
    is_blast = cells[1].is_blast(models[1].scheme)
    everything = np.ones(len(is_blast), np.bool_)
    print_aurocs("all cells", cells, is_blast, everything)
    errors = [share_errors(model) for model in models]
    print_errors("all patients", errors, np.ones(len(errors[0]), np.bool_))
    print_sensitivities("all cells", cells, everything)
    if options.audit:
        doubted = pq.read_table(options.audit / "cells.parquet")["is_doubted"].to_numpy()
        print_aurocs("cells not doubted", cells, is_blast, ~doubted)
        print_errors("the more reliable half", errors, in_reliable_half(options.audit, cells[1]))
        print_sensitivities("cells not doubted", cells, ~doubted)


def share_errors(model: Model) -> Floats:
    """Points by which each held-out patient's naive share errs, in the order of their names."""
    patients = model.card["metrics"]["validation"]["patient"]
    return np.array([row.get("naive_error_points", np.nan) for row in patients])


def in_reliable_half(audit: Path, cells: HeldOut) -> Bools:
    """Which patients have leukocytes whose labels are believed as far as the median's, (P,)."""
    table = pa_csv.read_csv(audit / "patients.csv")
    columns = (table[name].to_pylist() for name in ("patient", "leukocyte_reliability"))
    reliability = dict(zip(*columns, strict=True))
    values = np.array([reliability[patient] for patient in np.unique(cells.patient)])
    return np.asarray(values >= np.median(values), np.bool_)


def print_aurocs(what: str, cells: list[HeldOut], is_blast: Bools, among: Bools) -> None:
    names, patient = np.unique(cells[0].patient[among], return_inverse=True)
    times, positive = draw_patients(len(names)), is_blast[among]
    scores = [one.blast_probability[among] for one in cells]
    drawn = [
        drawn_aurocs(PatientCells(patient, score, positive, len(names)), times) for score in scores
    ]
    was, now = (auroc(score, positive) for score in scores)
    together = auroc(sum(log_odds_of(score) for score in scores), positive)
    by = interval_of(drawn[1] - drawn[0])
    print(
        f"AUROC, {what}: {was:.4f}, {now:.4f}: {now - was:+.4f} ({by.low:+.4f} to {by.high:+.4f}); "
        f"of both log-odds added {together:.4f}"
    )


def print_errors(what: str, errors: list[Floats], among: Bools) -> None:
    known = among & np.isfinite(errors).all(axis=0)
    was, now = (one[known] for one in errors)
    print(f"error of the naive share, {what}, {known.sum()} patients, points:")
    print(f"  mean: {was.mean():.1f}, {now.mean():.1f}")
    for name, percent in (("median", 50), ("90th percentile", 90)):
        print(f"  {name}: {np.percentile(was, percent):.1f}, {np.percentile(now, percent):.1f}")
    by = interval_of(draw_patients(len(now)) @ (now - was) / len(now))
    print(f"  mean difference: {np.mean(now - was):+.2f} ({by.low:+.2f} to {by.high:+.2f})")


def print_sensitivities(what: str, cells: list[HeldOut], among: Bools) -> None:
    print(f"sensitivity by class, {what}:")
    label = cells[0].label
    for name in np.unique(label[among]):
        own = among & (label == name)
        was, now = (float((one.called[own] == name).mean()) for one in cells)
        print(f"  {name}: {was:.2f}, {now:.2f} of {own.sum()}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (BloodcellError, OSError) as error:
        sys.exit(f"error: {error}")
