"""Figures by patient: the true share of blasts, the naive and the adjusted one."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell.evaluation.join import Counted, Joined
from bloodcell.shares import ADJUSTED


def share_figures(adjusted: pa.Table, cells: Joined) -> dict[str, Any]:
    """One row a patient of ``adjusted``, and totals over those with a true share.

    ``adjusted``: the columns ``patient``, ``blast_percent``, ``blast_percent_low``, ``_high``, as
    in patients.parquet. True and naive share are counted over the same cells: the labelled ones,
    as far as scored. Shares are in percent of the leukocytes, errors in percentage points; null
    where there is nothing to count.
    """
    rows = adjusted.select(["patient", *ADJUSTED]).to_pylist()
    patients = [_row(row, cells) for row in rows]
    return {"patients": patients, "totals": _totals(patients)}


def _row(row: dict[str, Any], cells: Joined) -> dict[str, Any]:
    own = cells.patient == row["patient"]
    true, naive = _share(cells.true, own), _share(cells.naive, own)
    adjusted, low, high = (row[name] for name in ADJUSTED)
    return {
        "patient": row["patient"],
        "leukocytes": int(cells.true.is_leukocyte[own].sum()),
        "true_percent": true,
        "naive_percent": naive,
        "naive_error_points": _distance(naive, true),
        "adjusted_percent": adjusted,
        "adjusted_percent_low": low,
        "adjusted_percent_high": high,
        "adjusted_error_points": _distance(adjusted, true),
        "covered": None if None in (true, low, high) else low <= true <= high,
    }


def _share(counted: Counted, among: npt.NDArray[np.bool_]) -> float | None:
    """Blasts in percent of the leukocytes, over the cells ``among`` (N,)."""
    leukocytes = int(counted.is_leukocyte[among].sum())
    return 100.0 * int(counted.is_blast[among].sum()) / leukocytes if leukocytes else None


def _distance(share: float | None, true: float | None) -> float | None:
    return None if share is None or true is None else abs(share - true)


def _totals(patients: list[dict[str, Any]]) -> dict[str, Any]:
    adjusted = [row for row in patients if row["adjusted_error_points"] is not None]
    covered = [row["covered"] for row in patients if row["covered"] is not None]
    return {
        "patients": sum(row["true_percent"] is not None for row in patients),
        "naive_error_points": _mean(patients, "naive_error_points"),
        **_spread(patients, "naive_error"),
        "adjusted_patients": len(adjusted),
        "adjusted_error_points": _mean(adjusted, "adjusted_error_points"),
        **_spread(adjusted, "adjusted_error"),
        # The adjusted share is not given for every patient: this is what to hold it against.
        "naive_error_points_of_adjusted": _mean(adjusted, "naive_error_points"),
        "intervals": len(covered),
        "covered": sum(covered),
        "coverage": sum(covered) / len(covered) if covered else None,
    }


def _mean(rows: list[dict[str, Any]], column: str) -> float | None:
    values = [row[column] for row in rows if row[column] is not None]
    return float(np.mean(values)) if values else None


def _spread(rows: list[dict[str, Any]], error: str) -> dict[str, float | None]:
    """Median and 90th percentile over patients: a few that are misread make the mean."""
    values = [row[f"{error}_points"] for row in rows if row[f"{error}_points"] is not None]
    median, nine_tenths = np.percentile(values, [50, 90]).tolist() if values else (None, None)
    return {f"{error}_median_points": median, f"{error}_90th_percentile_points": nine_tenths}
