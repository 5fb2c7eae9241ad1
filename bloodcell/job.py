"""What a run's results are a function of, and whether a run folder belongs to it."""

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from datetime import datetime, timezone
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from bloodcell import __version__
from bloodcell.audit import refuse_lost_lines
from bloodcell.changed_images import ImageCheck
from bloodcell.engine.backends.contract import Choice
from bloodcell.engine.names import text_of
from bloodcell.engine.object_store import Place, whole_name
from bloodcell.error_model import ErrorModel, Recalibration
from bloodcell.errors import RunError
from bloodcell.files import path_beside, sha256_of, write_whole, writing
from bloodcell.input import manifest
from bloodcell.model import Model
from bloodcell.run_folder import refuse_other_job
from bloodcell.run_record import ErrorModelBasis, Job, RunRecord, read_record, write_record
from bloodcell.shares import Counting, why_not_adjusted
from bloodcell.source_watch import SourceWatch
from bloodcell.store import RunStore

_PACKAGES_OF_RESULTS = {
    "numpy": "numpy",
    "nvidia-dali-cuda130": "nvidia.dali",
    "pyarrow": "pyarrow",
}
"""And their modules; besides these, bloodcell itself and what the backend was made of."""


def check_begun(store: RunStore, job: Job) -> None:
    """RunError if the folder's run is of another job, in what is known before a network is loaded.

    All of that but ``versions``, which backends add to.
    """
    if store.is_begun:
        known = {name: value for name, value in asdict(job).items() if name != "versions"}
        refuse_other_job(store.folder, asdict(read_record(store.record_path).job), known)


def job_of(
    source: Place,
    model: Model,
    choice: Choice,
    counting: Counting,
    *,
    rows_per_part: int,
) -> Job:
    """The job of scoring ``source`` so, without what the scorer is made of."""
    return Job(
        input=whole_name(source),
        model=model.name,
        model_version=model.version,
        model_sha256=model.weights_sha256,
        card_sha256=model.card_sha256,
        **asdict(counting),
        backend=choice.name,
        device=choice.device,
        rows_per_part=rows_per_part,
        versions=versions_here(),
    )


def versions_here() -> dict[str, str]:
    """Of what results depend on here, without what a backend is made of."""
    packages = _PACKAGES_OF_RESULTS.items()
    return {"bloodcell": __version__} | {name: _version(name, of) for name, of in packages}


def _version(package: str, module: str) -> str:
    """Also of one that was copied and never installed, which has no metadata."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return str(import_module(module).__version__)


def freeze(
    store: RunStore, source: Place, job: Job, watch: SourceWatch, is_stopped: Callable[[], bool]
) -> dict[str, int]:
    """Write the manifest of a run that is to begin; returns what was left out of it, by reason.

    Raises InputError, and Stopped if the input goes away while its cells are listed, or once
    ``is_stopped``.
    """
    left_out: dict[str, int] = {}
    write_whole(
        store.manifest_path,
        lambda path: left_out.update(_freeze(source, path, job.rows_per_part, watch, is_stopped)),
    )
    return left_out


def begin_or_resume(
    store: RunStore,
    source: Place,
    job: Job,
    *,
    left_out: dict[str, int] | None,
    model: Model,
    choice: Choice,
    counting: Counting,
    watch: SourceWatch,
    images: ImageCheck,
) -> RunRecord:
    """Begin a run, or take one up if it is the same job; returns what ``run.json`` says now.

    ``left_out``: what ``freeze`` gave for a run that is to begin. Raises RunError if the folder's
    run is of another job, of other cells or of images that were changed since, or if lines of its
    audit log are lost; Stopped if the input goes away while its images are read.
    """
    if store.is_begun:
        record = replace(read_record(store.record_path), state="running")
        refuse_other_job(store.folder, asdict(record.job), asdict(job))
        refuse_lost_lines(store.audit_path, record.audit_head, has_parts=bool(store.parts()))
        _refuse_other_cells(store, source, record, watch, images.stop.is_set)
        images.refuse_changed(store, watch)
    else:
        record = RunRecord(
            job=job,
            manifest_sha256=sha256_of(store.manifest_path),
            **said_of_model(model, counting),
            model_folder=text_of(model.folder.resolve()),
            backend=choice,
            started=now(),
            state="running",
            left_out_files=left_out or None,
        )
    write_record(store.record_path, record)
    return record


def said_of_model(model: Model, counting: Counting) -> dict[str, Any]:
    """The entries of ``run.json`` that follow from the model and from what is counted."""
    return {
        "scheme": model.scheme.name,
        "classes": model.scheme.classes,
        "letters": dict(model.scheme.letters),
        "error_model": _basis_of(model.error_model),
        "why_not_adjusted": why_not_adjusted(model.error_model, counting),
        "recalibration": _recalibration_of(model.error_model, counting),
        "preprocessing": model.preprocessing,
        "temperature": model.temperature,
        "prior_ratios": model.prior_ratios or None,
    }


def _freeze(
    source: Place,
    target: Path,
    rows_per_part: int,
    watch: SourceWatch,
    is_stopped: Callable[[], bool],
) -> dict[str, int]:
    try:
        return manifest.freeze_manifest(source, target, rows_per_part, is_stopped)
    finally:
        # What was listed in between, or could not be, says nothing of the cells.
        watch.refuse_if_gone()


def now() -> str:
    """The time, as ``run.json`` has it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _basis_of(error_model: ErrorModel | None) -> ErrorModelBasis | None:
    if error_model is None:
        return None
    names = [field.name for field in fields(ErrorModelBasis)]
    return ErrorModelBasis(**{name: getattr(error_model, name) for name in names})


def _recalibration_of(error_model: ErrorModel | None, counting: Counting) -> Recalibration | None:
    if error_model is None or why_not_adjusted(error_model, counting):
        return None
    return error_model.recalibration


def _refuse_other_cells(
    store: RunStore,
    source: Place,
    begun: RunRecord,
    watch: SourceWatch,
    is_stopped: Callable[[], bool],
) -> None:
    """Hold the frozen manifest, and one frozen now, against the one the run began with."""
    frozen = store.manifest_path
    if not frozen.is_file() or sha256_of(frozen) != begun.manifest_sha256:
        raise RunError(
            f"{frozen} is missing or not the file that this run froze: restore it, or choose a "
            "new --out"
        )
    frozen_now = path_beside(frozen)
    try:
        with writing(frozen_now):
            _freeze(source, frozen_now, begun.job.rows_per_part, watch, is_stopped)
        if sha256_of(frozen_now) != begun.manifest_sha256:
            raise RunError(
                f"{store.folder} belongs to another job: {source} no longer lists the cells that "
                f"this run froze in its {frozen.name}. Choose a new --out"
            )
    finally:
        frozen_now.unlink(missing_ok=True)
