"""The differential of a patient: each class with its cells, as called and as reviewed."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.report.estimates import percent_of
from bloodcell.scheme import CellClass, Scheme

_LEUKOCYTE = ("blast", "leukocyte")


class Differential:
    """Of the patients of a run that counts as ``scheme`` says."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme

    @cached_property
    def counted(self) -> list[CellClass]:
        """Classes in the denominator, in the order of a differential."""
        is_counted, order = self._scheme.is_leukocyte, self._scheme.differential_order
        return [self._scheme.classes[place] for place in order if is_counted[place]]

    @cached_property
    def outside(self) -> list[CellClass]:
        """The others."""
        is_counted, order = self._scheme.is_leukocyte, self._scheme.differential_order
        return [self._scheme.classes[place] for place in order if not is_counted[place]]

    @cached_property
    def places(self) -> npt.NDArray[np.int64]:
        """Where ``counted`` and ``outside`` together have each of the network's classes, (C,)."""
        codes = [one.code for one in self.counted + self.outside]
        return np.array([codes.index(code) for code in self._scheme.codes])

    def leukocytes_reviewed(self, review: Mapping[str, Any]) -> int:
        """Cells in the denominator after the review, none without one."""
        return self._scheme.in_denominator(review) if review else 0

    def of(
        self, row: Mapping[str, Any], review: Mapping[str, Any], unidentified: npt.NDArray[np.int64]
    ) -> dict[str, Any]:
        """What a page says of the classes.

        ``row`` and ``review``: of the tables of patients, the second empty without a review;
        ``unidentified`` (C,): cells by class.
        """
        reviewed = self.leukocytes_reviewed(review)
        leukocytes = sum(
            row[f"n_{one.code}"] for one in self._scheme.classes if one.role in _LEUKOCYTE
        )

        def said(one: CellClass) -> dict[str, Any]:
            column = f"n_{one.code}"
            n_reviewed = review.get(column)
            return {
                "code": one.code,
                "name": one.name,
                "is_blast": one.role == "blast",
                "column": column,
                "n": row[column],
                "n_reviewed": n_reviewed,
                "percent_reviewed": percent_of(n_reviewed or 0, reviewed),
                "unidentified": int(unidentified[self._scheme.codes.index(one.code)]),
                "percent": percent_of(row[column], row["denominator"]),
                "per_100": percent_of(row[column], leukocytes),
            }

        return {
            "differential": [said(one) for one in self.counted],
            "outside": [said(one) for one in self.outside],
            "denominator_reviewed": reviewed if review else None,
        }
