"""A run in the form of a paper's tables, with what was published beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell import metrics
from bloodcell.errors import InputError
from bloodcell.evaluation.blast import roc_points
from bloodcell.evaluation.join import Joined
from bloodcell.published import Paper
from bloodcell.run import Run
from bloodcell.scheme import Scheme

NO_CLASS = "-"
"""What a cell is called whose class has no counterpart in the paper's scheme."""

Codes = npt.NDArray[np.str_]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Cells:
    """The N labelled and scored cells that have a class in the paper's scheme; arrays (N,)."""

    label: Codes
    called: Codes
    probability: dict[str, npt.NDArray[np.float64]]
    """By group: that a cell is of one of its classes, to the network."""
    folds: list[Mask]
    """The cells of each fold; none if labels have no folds."""


def paper_figures(run: Run, joined: Joined, paper: Paper) -> dict[str, Any]:
    """The paper's tables of ``run``: by class, tolerant where pairs are tolerated, by group.

    Where labels have folds a figure is the mean over folds, and its spread their standard
    deviation (n - 1); else it is that of all cells, without a spread. InputError if the classes of
    run or labels are of another scheme that the paper's file does not translate.
    """
    cells = _in_classes_of_the_paper(run, joined, paper)
    scheme = paper.scheme
    is_right = cells.label == cells.called
    called = [*scheme.codes, NO_CLASS]
    return {
        "name": paper.name,
        "title": paper.title,
        "source": paper.source,
        "measured_on": paper.measured_on,
        "note": paper.note,
        "verified": paper.verified,
        "scheme": scheme.name,
        "specimen": scheme.specimen,
        "translated_from": None if run.scheme.name == scheme.name else run.scheme.name,
        "cells": len(cells.label),
        "cells_left_out": len(joined.label) - len(cells.label),
        "cells_called_no_class": int((cells.called == NO_CLASS).sum()),
        "folds": len(cells.folds),
        "tolerated": [list(pair) for pair in scheme.tolerated],
        "classes": [_class_row(cells, code, paper) for code in scheme.codes],
        "groups": [_group_row(cells, name, paper) for name in scheme.groups],
        **_over_folds(cells, "accuracy", lambda among: _share(is_right, among)),
        "published_accuracy": paper.accuracy,
        "confusion": {
            "labels": scheme.codes,
            "called": called,
            "counts": [
                [int(((cells.label == a) & (cells.called == b)).sum()) for b in called]
                for a in scheme.codes
            ],
        },
    }


def _in_classes_of_the_paper(run: Run, joined: Joined, paper: Paper) -> _Cells:
    of_calls = _translation(paper, run.scheme.codes, run.scheme, "the run's classes")
    of_labels = _translation(
        paper, sorted(set(joined.label.tolist())), joined.label_scheme, "the labels"
    )
    label = np.array([of_labels.get(code, NO_CLASS) for code in joined.label.tolist()], np.str_)
    kept = label != NO_CLASS
    called = [of_calls.get(code, NO_CLASS) for code in joined.called[kept].tolist()]
    assert joined.row is not None, "the cells are of a run"
    columns = _probabilities(run, joined.row[kept])
    group_of = {
        name: [place for place, code in enumerate(run.scheme.codes) if of_calls.get(code) in codes]
        for name, codes in paper.scheme.groups.items()
    }
    fold = joined.fold[kept] if joined.fold is not None else np.zeros(0, np.str_)
    return _Cells(
        label=label[kept],
        called=np.array(called, np.str_),
        probability={name: columns[:, places].sum(axis=1) for name, places in group_of.items()},
        folds=[fold == one for one in np.unique(fold)],
    )


def _translation(paper: Paper, codes: list[str], scheme: Scheme, what: str) -> dict[str, str]:
    """The paper's class of each of ``codes`` that has one."""
    if set(codes) <= set(paper.scheme.codes):
        return {code: code for code in codes}
    if scheme.name in paper.classes_of:
        return paper.classes_of[scheme.name]
    known = ", ".join(paper.classes_of) or "none"
    raise InputError(
        f"{what} are of scheme {scheme.name}, {paper.name} is of {paper.scheme.name} and "
        f"translates {known}: give --as a copy of its file with a table [classes_of.{scheme.name}]"
    )


def _probabilities(run: Run, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Of the run's classes, (len(rows), C)."""
    taken = run.cells(["probabilities"])["probabilities"].combine_chunks().take(rows)
    return np.asarray(taken.flatten(), np.float64).reshape(len(rows), len(run.scheme.codes))


def _class_row(cells: _Cells, code: str, paper: Paper) -> dict[str, Any]:
    is_label, is_called = cells.label == code, cells.called == code
    row: dict[str, Any] = {
        "class": code,
        "n": int(is_label.sum()),
        **_hits(cells, code, [code], ""),
    }
    if paper.scheme.tolerated:
        partners = [other for pair in paper.scheme.tolerated if code in pair for other in pair]
        row |= _hits(cells, code, [code, *partners], "tolerant_")
    return row | {"calls": int(is_called.sum()), "published": paper.classes.get(code)}


def _hits(cells: _Cells, code: str, right: list[str], prefix: str) -> dict[str, float | None]:
    """Precision and sensitivity of ``code`` where every class of ``right`` passes for it."""
    is_label, is_called = cells.label == code, cells.called == code
    label_is_right, call_is_right = np.isin(cells.label, right), np.isin(cells.called, right)
    return {
        **_over_folds(
            cells, f"{prefix}precision", lambda among: _share(label_is_right, is_called & among)
        ),
        **_over_folds(
            cells, f"{prefix}sensitivity", lambda among: _share(call_is_right, is_label & among)
        ),
    }


def _group_row(cells: _Cells, name: str, paper: Paper) -> dict[str, Any]:
    codes = paper.scheme.groups[name]
    is_in, probability = np.isin(cells.label, codes), cells.probability[name]

    def area(among: Mask) -> float | None:
        value = metrics.auroc(probability[among], is_in[among])
        return None if np.isnan(value) else value

    return {
        "group": name,
        "classes": list(codes),
        "n": int(is_in.sum()),
        **_over_folds(cells, "auroc", area),
        "published": paper.groups.get(name),
        "roc": roc_points(probability, is_in),
    }


def _over_folds(
    cells: _Cells, name: str, figure: Callable[[Mask], float | None]
) -> dict[str, float | None]:
    """A figure and its spread; of folds in which it cannot be given it is left out."""
    if not cells.folds:
        return {name: figure(np.ones(len(cells.label), np.bool_)), f"{name}_spread": None}
    values = [value for among in cells.folds if (value := figure(among)) is not None]
    return {
        name: float(np.mean(values)) if values else None,
        f"{name}_spread": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def _share(of: Mask, among: Mask) -> float | None:
    return float(of[among].mean()) if among.any() else None
