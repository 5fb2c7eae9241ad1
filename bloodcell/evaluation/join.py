"""Labels joined to the cells of a run, and what counts as a blast or a leukocyte there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.engine.names import spelling
from bloodcell.errors import InputError
from bloodcell.labels import mapped, read_labels
from bloodcell.run import Run
from bloodcell.scheme import Scheme, load_scheme, scheme_names
from bloodcell.unidentified import probabilities_of


@dataclass(frozen=True)
class Counted:
    """What each of N cells counts as; both bool (N,). A blast is a leukocyte too."""

    is_leukocyte: npt.NDArray[np.bool_]
    is_blast: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Joined:
    """The N cells of a run that are labelled and scored; all arrays (N,)."""

    patient: npt.NDArray[np.str_]
    label: npt.NDArray[np.str_]
    """Class by the labels, a code of ``label_scheme``."""
    called: npt.NDArray[np.str_]
    """Most probable class, a code of ``run_scheme``."""
    blast_probability: npt.NDArray[np.float64]
    top_probability: npt.NDArray[np.float64]
    """Of the most probable class."""
    label_scheme: Scheme
    run_scheme: Scheme
    cells: dict[str, int]
    """How many cells were ``labelled``, of these ``rejected``, how many were ``unlabelled``; how
    many ``labels_not_in_run`` there were, and ``labels_left_out`` because they were to be."""
    row: npt.NDArray[np.int64] | None = None
    """Which cells of the run they are; None for held-out cells of a training, which are of none."""
    fold: npt.NDArray[np.str_] | None = None
    """What the labels' column ``fold`` says; None if there is no such column."""
    ranking: npt.NDArray[np.float64] | None = None
    """What ranks cells as blasts, where that is not ``blast_probability`` itself."""

    @property
    def true(self) -> Counted:
        """What the cells count as by their labels, in the labels' own scheme."""
        return _counted(self.label, self.label_scheme)

    @property
    def naive(self) -> Counted:
        """What the cells count as by their most probable class."""
        return _counted(self.called, self.run_scheme)


AS_THEY_ARE: Mapping[str, str] = MappingProxyType({})
"""No label is called otherwise."""


def join(run: Run, labels_csv: Path, label_map: Mapping[str, str] = AS_THEY_ARE) -> Joined:
    """Find the labelled cells of ``run``; InputError naming file and fault if there are none.

    ``label_map``: what labels become first, and which are left out (see ``read_label_map``).

    Labels may be of another scheme than the model's: the run's own scheme is taken if it has all
    their classes, else the first that does. Both count as the run's profile and blast equivalents
    say; InputError if the labels' scheme has no such equivalents.
    """
    job, run_scheme = run.record.job, run.scheme
    counting = job.profile, job.blast_equivalents
    labels = read_labels(labels_csv, ("path", "class"))
    used = mapped(labels, label_map)
    truth = _by_row(run, used, labels_csv)
    label_scheme = _scheme_of(sorted({row["class"] for row in used}), run_scheme, labels_csv)
    table = run.cells(["path", "patient", "class", "blast_probability"]).to_pydict()
    scored = [row for row in truth if table["class"][row] is not None]
    return Joined(
        patient=np.array([table["patient"][row] for row in scored], np.str_),
        label=np.array([truth[row] for row in scored], np.str_),
        called=np.array([table["class"][row] for row in scored], np.str_),
        blast_probability=np.array([table["blast_probability"][row] for row in scored], np.float64),
        top_probability=_top_probabilities(run)[scored],
        label_scheme=label_scheme.counted_as(*counting),
        run_scheme=run_scheme.counted_as(*counting),
        cells={
            "labelled": len(truth),
            "rejected": len(truth) - len(scored),
            "unlabelled": len(table["class"]) - len(truth),
            "labels_not_in_run": len(used) - len(truth),
            "labels_left_out": len(labels) - len(used),
        },
        row=np.array(scored, np.int64),
        fold=_folds(labels, [table["path"][row] for row in scored], labels_csv),
    )


def _top_probabilities(run: Run) -> npt.NDArray[np.float64]:
    """Of each row of ``run``; NaN if it was rejected."""
    parts = run.cells_by_part(["probabilities"])
    tops = [probabilities_of(part).max(axis=1) for part in parts]
    return np.concatenate(tops).astype(np.float64)


def _folds(
    labels: Sequence[dict[str, str]], paths: Sequence[str], labels_csv: Path
) -> npt.NDArray[np.str_] | None:
    if "fold" not in labels[0]:
        return None
    by_path = {spelling(row["path"]): row["fold"] for row in labels}
    folds = [by_path[spelling(path)] for path in paths]
    if not all(folds):
        raise InputError(
            f"{labels_csv}: {folds.count('')} cells have no fold; fill the column or leave it out"
        )
    return np.array(folds, np.str_)


def labels_by_row(
    run: Run, labels_csv: Path, label_map: Mapping[str, str] = AS_THEY_ARE
) -> dict[int, str]:
    """The class of each row of ``run`` that is labelled; InputError if none is."""
    return _by_row(run, mapped(read_labels(labels_csv, ("path", "class")), label_map), labels_csv)


def _by_row(run: Run, rows: Sequence[dict[str, str]], labels_csv: Path) -> dict[int, str]:
    if not rows:
        raise InputError(f"all labels of {labels_csv} are left out")
    truth = {spelling(row["path"]): row["class"] for row in rows}
    paths = run.cells(["path"])["path"].to_pylist()
    labelled = {row: truth[path] for row, path in enumerate(map(spelling, paths)) if path in truth}
    if not labelled:
        raise InputError(
            f"no path of {labels_csv} is in the run: it has {paths[0]!r}, the labels have "
            f"{rows[0]['path']!r}"
        )
    return labelled


def _scheme_of(labels: Sequence[str], run_scheme: Scheme, labels_csv: Path) -> Scheme:
    others = [load_scheme(name) for name in scheme_names() if name != run_scheme.name]
    for scheme in (run_scheme, *others):
        if set(labels) <= set(scheme.codes):
            return scheme
    names = [scheme.name for scheme in (run_scheme, *others)]
    unknown = sorted(set(labels) - set(run_scheme.codes))
    raise InputError(
        f"no scheme ({', '.join(names)}) has all classes of {labels_csv}; "
        f"the run's own lacks {unknown}: --label-map says what they are, --ignore-class leaves "
        "them out"
    )


def _counted(codes: npt.NDArray[Any], scheme: Scheme) -> Counted:
    known = np.array(scheme.codes)
    return Counted(
        is_leukocyte=np.isin(codes, known[scheme.is_leukocyte]),
        is_blast=np.isin(codes, known[scheme.is_blast]),
    )
