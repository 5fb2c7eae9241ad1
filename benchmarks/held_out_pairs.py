"""Two networks on the same held-out cells: figures of the second beside the first's.

    python benchmarks/held_out_pairs.py BEFORE AFTER [--audit docs/default-network/label-audit]

BEFORE and AFTER are model folders, of which `card.toml` and `held_out.parquet` are read. Intervals
are at 95 %, over 2,000 draws of patients, the same for both. AUDIT: what `audit-labels` wrote; with
it there are figures of the cells not doubted, and of the more reliable half of the patients.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from bloodcell.error_model.refit import HeldOut
from bloodcell.errors import BloodcellError, InputError, ModelError
from bloodcell.metrics import auroc
from bloodcell.scheme import Scheme, scheme_of_card
from bloodcell.toml import read_toml

DRAWS = 2000
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--audit", type=Path)
    options = parser.parse_args(arguments)
    before, after = HeldOut.read(options.before), HeldOut.read(options.after)
    if not (
        np.array_equal(before.patient, after.patient) and np.array_equal(before.label, after.label)
    ):
        raise InputError("the folders' held-out cells are not the same cells in the same order")
    scheme = scheme_of_card(options.after, read_toml(options.after / "card.toml", ModelError))
    print_pair("AUROC, all cells", *aurocs(before, after, scheme, np.ones(len(after.label), bool)))
    errors = [share_errors(one, scheme) for one in (before, after)]
    print_errors("all patients", *errors)
    if options.audit:
        doubted = pq.read_table(options.audit / "cells.parquet")["is_doubted"].to_numpy()
        print_pair("AUROC, cells not doubted", *aurocs(before, after, scheme, ~doubted))
        reliable = in_reliable_half(options.audit, np.unique(after.patient))
        print_errors("the more reliable half", *(one[reliable] for one in errors))
    print_classes(before, after)


def aurocs(
    before: HeldOut, after: HeldOut, scheme: Scheme, among: Bools
) -> tuple[float, float, Floats]:
    """Of both, over the cells ``among`` (N,), and the differences of the draws (DRAWS,)."""
    is_blast = after.is_blast(scheme)[among]
    scores = [one.blast_probability[among] for one in (before, after)]
    _, number = np.unique(after.patient[among], return_inverse=True)
    cells = [np.flatnonzero(number == patient) for patient in range(number.max() + 1)]
    differences = []
    for drawn in draws(len(cells)):
        rows = np.concatenate([cells[patient] for patient in drawn])
        was, now = (auroc(score[rows], is_blast[rows]) for score in scores)
        differences.append(now - was)
    was, now = (auroc(score, is_blast) for score in scores)
    return was, now, np.array(differences)


def draws(patients: int) -> npt.NDArray[np.int64]:
    """Of patients with replacement, int64 (DRAWS, patients)."""
    return np.random.default_rng(0).integers(patients, size=(DRAWS, patients))


def share_errors(cells: HeldOut, scheme: Scheme) -> Floats:
    """Points by which each patient's naive share errs, patients in the order of their names."""
    errors = []
    for patient in np.unique(cells.patient):
        own = cells.patient == patient
        true, naive = (share(names[own], scheme) for names in (cells.label, cells.called))
        errors.append(abs(naive - true))
    return np.array(errors)


def share(names: npt.NDArray[np.str_], scheme: Scheme) -> float:
    """Blasts in percent of the leukocytes; NaN without leukocytes."""
    codes = np.array(scheme.codes)
    leukocytes = np.isin(names, codes[scheme.is_leukocyte]).sum()
    return float(100 * np.isin(names, codes[scheme.is_blast]).sum() / leukocytes)


def in_reliable_half(audit: Path, patients: npt.NDArray[np.str_]) -> Bools:
    """Which of ``patients`` have leukocytes whose labels are believed as far as the median's."""
    table = pa_csv.read_csv(audit / "patients.csv")
    reliability = dict(
        zip(*(table[c].to_pylist() for c in ("patient", "leukocyte_reliability")), strict=True)
    )
    values = np.array([reliability[patient] for patient in patients])
    return np.asarray(values >= np.median(values), np.bool_)


def interval(of: Callable[[Floats], float], values: Floats) -> str:
    drawn = [of(values[chosen]) for chosen in draws(len(values))]
    return "{:+.2f} to {:+.2f}".format(*np.quantile(drawn, [0.025, 0.975]))


def print_pair(what: str, was: float, now: float, differences: Floats) -> None:
    low, high = np.quantile(differences, [0.025, 0.975])
    print(f"{what}: {was:.4f}, {now:.4f}: {now - was:+.4f} ({low:+.4f} to {high:+.4f})")


def print_errors(what: str, was: Floats, now: Floats) -> None:
    known = np.isfinite(was) & np.isfinite(now)
    was, now = was[known], now[known]
    print(f"error of the naive share, {what}, {len(now)} patients, points:")
    for name, of in (
        ("mean", np.mean),
        ("median", np.median),
        ("90th percentile", lambda values: np.percentile(values, 90)),
    ):
        print(f"  {name}: {of(was):.1f}, {of(now):.1f}")
    print(f"  mean of the differences: {np.mean(now - was):+.2f} ({interval(np.mean, now - was)})")


def print_classes(before: HeldOut, after: HeldOut) -> None:
    print("sensitivity by class:")
    for label in np.unique(after.label):
        own = after.label == label
        was, now = (float((one.called[own] == label).mean()) for one in (before, after))
        print(f"  {label}: {was:.2f}, {now:.2f} of {own.sum()}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (BloodcellError, OSError) as error:
        sys.exit(f"error: {error}")
