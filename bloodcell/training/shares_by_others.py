"""Adjusted shares of held-out patients, by error models that never saw the patient either."""

import numpy as np
import pyarrow as pa

from bloodcell.error_model import fit_error_model
from bloodcell.error_model.histograms import accumulated, log_odds_of
from bloodcell.evaluation.join import Joined
from bloodcell.folds import fold_of_patients
from bloodcell.shares import Counting, adjusted_columns

_FOLDS = 10
_COUNTING = Counting(profile="blood", blast_equivalents="none", interval_width=10.0)


def shares_by_others(cells: Joined) -> pa.Table:
    """Each patient's adjusted share by the error model of nine tenths of the other patients.

    One row a patient with a cell called a leukocyte, columns ``patient`` and those of
    ``shares.adjusted_columns``. ``cells``: of held-out patients, counted as blood. Raises
    InputError if the patients left are too few for an error model.
    """
    used = cells.naive.is_leukocyte
    names, patient = np.unique(cells.patient[used], return_inverse=True)
    log_odds = log_odds_of(cells.blast_probability[used])
    histogram = accumulated(log_odds, patient, len(names))
    is_blast = cells.true.is_blast
    blasts = np.bincount(patient, is_blast[used], minlength=len(names))
    fold = fold_of_patients(blasts / histogram.sum(axis=1), _FOLDS)
    tables = []
    for left_out in (fold == number for number in np.unique(fold)):
        known = np.isin(cells.patient, names[~left_out])
        model = fit_error_model(
            cells.blast_probability[known],
            is_blast[known],
            used[known],
            cells.patient[known],
            held_out="of each other",
        )
        columns = adjusted_columns(histogram[left_out], model, _COUNTING)
        tables.append(pa.table({"patient": names[left_out], **columns}))
    return pa.concat_tables(tables).sort_by("patient")
