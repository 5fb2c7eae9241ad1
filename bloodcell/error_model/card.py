"""The table ``[error_model]`` of a model card: its entries, and what each must be."""

from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

import numpy as np

from bloodcell._core import ShiftModel
from bloodcell.error_model.recalibration import Recalibration
from bloodcell.errors import ModelError
from bloodcell.scheme import Equivalents, Specimen
from bloodcell.toml import is_number


@dataclass(frozen=True)
class ErrorModel:
    """The recalibration that gives shares, and the gate that says of whom it may.

    The gate's are parameters of ``mixture_fit.hpp`` in csrc/statistics, and limits of what that
    says.
    """

    blast_shape: tuple[float, ...]
    """Chance of each of 56 bins of log-odds, -14 to 14 by 0.5, for a blast called a leukocyte."""
    other_shape: tuple[float, ...]
    """The same for other cells called leukocytes."""
    blast_scale: float
    """How far patients' blasts lie apart, in log-odds."""
    other_scale: float
    tail: float
    worth_cells: float
    """Most independent cells that a patient's cells are worth."""
    misfit_limit: float
    """Largest misfit score of a histogram that may be adjusted."""
    shift_limit: float
    """Largest length of the two standardised shifts that may be adjusted."""
    profile: str
    """Denominator of the cells it was fitted on: blood or marrow."""
    blast_equivalents: str
    """What counted as blasts besides the scheme's own: none, aml or apl."""
    patients: int
    cells: int
    blasts: int
    held_out: str
    """How these patients were held out of training."""
    recalibration: Recalibration
    """What shares rest on, before a review and after."""

    def gate(self) -> ShiftModel:
        """That of the C++ core with these parameters."""
        return ShiftModel(
            blast_shape=np.array(self.blast_shape),
            other_shape=np.array(self.other_shape),
            blast_scale=self.blast_scale,
            other_scale=self.other_scale,
            tail=self.tail,
            worth_cells=self.worth_cells,
        )

    def to_card(self) -> dict[str, Any]:
        """The table ``[error_model]`` of a model card: numbers, texts and lists of them."""
        table = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
        return table | {"recalibration": self.recalibration.to_card()}

    @staticmethod
    def from_card(table: dict[str, Any]) -> "ErrorModel":
        """Read ``[error_model]``; ModelError naming the entry, and what was expected, if wrong."""
        names = {field.name for field in fields(ErrorModel)}
        if not isinstance(table, dict) or table.keys() != names:
            odd = sorted(names ^ set(table)) if isinstance(table, dict) else table
            raise ModelError(
                f"[error_model] has other entries than expected: {odd}. If it is of an earlier "
                "version, fit it anew: python -m bloodcell.error_model.refit FOLDER, which is the "
                "card's"
            )
        entries: dict[str, Any] = dict(table)
        entries["recalibration"] = Recalibration.from_card(table["recalibration"])
        for name in names - {"recalibration"}:
            _check_entry(name, table[name])
            if isinstance(table[name], list):
                entries[name] = tuple(table[name])
        return ErrorModel(**entries)


_TEXTS = {"profile": get_args(Specimen), "blast_equivalents": get_args(Equivalents)}
_MAY_BE_NEGATIVE = ("misfit_limit",)


def _check_entry(name: str, value: Any) -> None:
    """ModelError unless ``value`` is what the field ``name`` of ErrorModel holds."""
    if name == "held_out" or name in _TEXTS:
        known = _TEXTS.get(name, (value,))
        if not isinstance(value, str) or value not in known:
            raise ModelError(f"error_model.{name} is {value!r}, a text is expected: {known}")
    elif name.endswith("_shape"):
        right = isinstance(value, list) and len(value) == 56 and all(map(is_number, value))
        if not right or min(value) < 0 or not sum(value) > 0:
            raise ModelError(f"error_model.{name}: 56 numbers of 0 or more are expected")
    elif not is_number(value) or (value <= 0 and name not in _MAY_BE_NEGATIVE):
        raise ModelError(f"error_model.{name} is {value!r}, a number above 0 is expected")
    elif name in ("patients", "cells", "blasts") and not isinstance(value, int):
        raise ModelError(f"error_model.{name} is {value!r}, a whole number is expected")
