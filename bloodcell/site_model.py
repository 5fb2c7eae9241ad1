"""A model for a site's own scanner: with the error model of a run's labelled patients."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tomli_w

from bloodcell.error_model import (
    START_PATIENTS,
    ErrorModel,
    LabelledHistograms,
    SiteTrial,
    drawn_towards,
    fit_error_model,
    site_recalibration,
    weight_of_site,
)
from bloodcell.errors import InputError
from bloodcell.evaluation.join import AS_THEY_ARE, join
from bloodcell.files import write_whole, writing
from bloodcell.input.alike_names import refuse_alike_patients
from bloodcell.model import Model
from bloodcell.paths import model_name_of
from bloodcell.review.answers import run_identity
from bloodcell.review.labels import signed_labels
from bloodcell.run import Run
from bloodcell.run_model import model_of
from bloodcell.run_record import Job
from bloodcell.scheme import OWN_SCHEME
from bloodcell.shares import Counting, why_not_adjusted
from bloodcell.site_smears import SiteSmears, site_smears

_MOST_NAMED = 3


@dataclass(frozen=True)
class SiteModel:
    """What was written, and how it did on the patients it rests on."""

    error_model: ErrorModel
    weight: float
    """Of these patients, 0 to 1, beside the model's own error model."""
    trial: SiteTrial
    smears: SiteSmears = field(default_factory=SiteSmears)
    learnt_from: tuple[str, ...] = ()
    """Patients called as some that the network was trained on."""
    cells: dict[str, int] | None = None
    """How run and labels fit, see ``Joined.cells``; None of reviews."""

    @property
    def doubts(self) -> list[str]:
        """What speaks against it without forbidding it."""
        found = [self.trial.doubt, self.smears.doubt, self._doubt_of_patients()]
        if missing := (self.cells or {}).get("labels_not_in_run"):
            found.append(f"{missing} labels are of cells that are not in the run: are paths right?")
        return [doubt for doubt in found if doubt]

    def _doubt_of_patients(self) -> str | None:
        if not self.learnt_from:
            return None
        names = ", ".join(self.learnt_from[:_MOST_NAMED])
        more = ", ..." if len(self.learnt_from) > _MOST_NAMED else ""
        return (
            f"{len(self.learnt_from)} of the patients ({names}{more}) are called as patients that "
            "the network learnt from: if they are the same, the site's model takes it for better "
            "than it is. Leave them out, unless the names are alike by chance"
        )


@dataclass(frozen=True)
class _Cells:
    """What an error model is fitted to, as ``fit_error_model`` has it."""

    blast_probability: npt.NDArray[np.float64]
    is_blast: npt.NDArray[np.bool_]
    called_leukocyte: npt.NDArray[np.bool_]
    patients: npt.NDArray[np.str_]
    held_out: str
    weight: npt.NDArray[np.float64] | None = None


def write_site_model(
    run: Run, labels_csv: Path, out: Path, label_map: Mapping[str, str] = AS_THEY_ARE
) -> SiteModel:
    """Copy the model of ``run`` to ``out`` with an error model of the run's labelled patients.

    ``labels_csv`` has the columns ``path`` as in the run and ``class``; ``label_map`` is that of
    ``evaluate``. The patients must not be among those the network was trained on, of which names
    alone can tell: ``learnt_from``. The model's own error model is the start, which the patients
    move as far as they can (``site_recalibration``, ``drawn_towards``). The copy is called as its
    folder, and its version says that it is a site's.

    Raises InputError if labels and run do not match, patients or cells are too few, ``out``
    exists, or the patients, each held out, speak against it (``SiteTrial.objection``); ModelError
    if the run's model is no longer where it was, or another one; DiskError if ``out`` cannot be
    written.
    """
    _refuse_existing(out)
    cells = join(run, labels_csv, label_map)
    labelled = _Cells(
        cells.blast_probability,
        cells.true.is_blast,
        cells.naive.is_leukocyte,
        cells.patient,
        held_out="labelled after scoring; to be none of the patients the network was trained on",
    )
    return replace(_write([run], labelled, out), cells=cells.cells)


def write_site_model_of_reviews(runs: Sequence[Run], out: Path) -> SiteModel:
    """The same, of the signed reviews of ``runs``, whose patients count once each by their names.

    Each cell that was drawn and looked at stands for those of its stratum. Raises as
    ``write_site_model`` does, and InputError if runs differ in model or in what they
    count, or are the same.
    """
    _refuse_existing(out)
    for run in runs[1:]:
        _refuse_other_kind(runs[0], run)
    if len({run_identity(run) for run in runs}) < len(runs):
        raise InputError("a run is named twice: its labels would count twice")
    folders = ", ".join(str(run.folder) for run in runs)
    signed = [labels for run in runs for labels in signed_labels(run)]
    if not signed:
        raise InputError(f"no patient of {folders} is signed: review them and apply the answers")
    refuse_alike_patients(folders, {labels.patient for labels in signed})
    log_odds = np.concatenate([labels.log_odds for labels in signed])
    labelled = _Cells(
        1 / (1 + np.exp(-log_odds)),
        np.concatenate([labels.is_blast for labels in signed]),
        np.ones(len(log_odds), np.bool_),
        np.repeat([labels.patient for labels in signed], [len(one.log_odds) for one in signed]),
        held_out="reviewed after scoring; to be none of the patients the network was trained on",
        weight=np.concatenate([labels.weight for labels in signed]),
    )
    return _write(runs, labelled, out)


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise InputError(f"{out} exists: --out names a model folder to make")
    model_name_of(out)


def _refuse_other_kind(first: Run, run: Run) -> None:
    for name in ("model_sha256", "profile", "blast_equivalents"):
        was, other = getattr(first.record.job, name), getattr(run.record.job, name)
        if was != other:
            raise InputError(
                f"{first.folder} and {run.folder} cannot be put together: {name} is {was} in one, "
                f"{other} in the other"
            )


def _write(runs: Sequence[Run], cells: _Cells, out: Path) -> SiteModel:
    model, job = model_of(runs[0]), runs[0].record.job
    made = _site_model(cells, model, job)
    if why := made.trial.objection:
        raise InputError(f"{out} is not written: {why}")
    patients = set(cells.patients.tolist())
    learnt_from = patients & set(model.card.get("training", {}).get("patients", ()))
    made = replace(
        made,
        smears=site_smears(runs, patients, model),
        learnt_from=tuple(sorted(learnt_from)),
    )
    # Card and weights only: a model folder fresh from training holds its checkpoints too.
    with writing(out):
        out.mkdir(parents=True)
        shutil.copy(model.network.weights, out)
        if "scheme_sha256" in model.card:
            shutil.copy(model.folder / OWN_SCHEME, out)
    card = model.card | {
        "name": model_name_of(out),
        "version": f"{model.version}+site",
        "error_model": made.error_model.to_card(),
    }
    if made.smears.table:
        card["smears"] = made.smears.table
    write_whole(out / "card.toml", lambda path: path.write_text(tomli_w.dumps(card), "utf-8"))
    return made


def _site_model(cells: _Cells, model: Model, job: Job) -> SiteModel:
    arrays = cells.blast_probability, cells.is_blast, cells.called_leukocyte, cells.patients
    error_model = fit_error_model(
        *arrays,
        held_out=cells.held_out,
        profile=job.profile,
        blast_equivalents=job.blast_equivalents,
        weight=cells.weight,
    )
    labelled, start = LabelledHistograms.of(*arrays, cells.weight), _start_of(model, job)
    trial = SiteTrial.of(labelled, start)
    if start is None:
        return SiteModel(error_model, 1.0, trial)
    everyone = np.ones(error_model.patients, np.bool_)
    error_model = replace(
        error_model,
        recalibration=site_recalibration(labelled, start, everyone),
        held_out=f"{cells.held_out}; drawn towards the error model of {model.name} "
        f"{model.version}, which weighs as {START_PATIENTS} patients",
    )
    weight = weight_of_site(error_model.patients)
    return SiteModel(drawn_towards(start, error_model), weight, trial)


def _start_of(model: Model, job: Job) -> ErrorModel | None:
    """The model's own error model, if it holds for what the run counts."""
    counting = Counting.of(job)
    return None if why_not_adjusted(model.error_model, counting) else model.error_model
