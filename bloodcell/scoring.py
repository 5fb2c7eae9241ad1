"""The main job: a manifest in, a run folder out, resumable at every part."""

import threading
from contextlib import closing, suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from bloodcell import __version__, manifest
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.contract import Choice
from bloodcell.engine.lanes import Setup
from bloodcell.engine.machine import usable_cores
from bloodcell.engine.scorer import open_scorer
from bloodcell.errors import DiskError, InputError, RunError, Stopped
from bloodcell.files import sha256_of, write_whole
from bloodcell.model import Model, load_model
from bloodcell.report import write_report
from bloodcell.run import Run
from bloodcell.scheme import Equivalents, Specimen
from bloodcell.session import Progress, Session
from bloodcell.shares import Counting, rests_on, why_not_adjusted
from bloodcell.store import ROWS_PER_PART, RunStore

_PACKAGES = ("numpy", "nvidia-dali-cuda130", "pyarrow")


def score(
    input: str | Path,  # noqa: A002 - the contract's name
    out: str | Path,
    model: str | Path | None = None,
    backend: str = "auto",
    *,
    batch_size: int | None = None,
    threads: int | None = None,
    workers: int | None = None,
    hardware_decoder: bool = False,
    profile: Specimen = "blood",
    blast_equivalents: Equivalents = "none",
    interval_width: float = 10.0,
    resume: bool = True,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Run:
    """Score every cell of ``input`` and write the run folder ``out``.

    ``input``: a folder with one subfolder a patient, tar shards (a ``.tar`` file or a folder of
    them), or a ``.csv`` / ``.parquet`` manifest with the columns ``path`` and ``patient``.
    ``threads``: CPU threads, all usable ones by default.
    ``workers``: processes, by default one a GPU, on the CPU this one alone. ``batch_size``: most
    cells a batch, by default 32 on the CPU and on a GPU what its network takes at once. None of
    these changes the result. ``hardware_decoder``: of a GPU, for all JPEGs. ``profile`` says what
    the denominator is, ``blast_equivalents`` which classes count as blasts besides the scheme's
    own, and ``interval_width``, in points, when a patient's cells suffice. Setting ``stop`` ends
    the run in good order.

    Raises InputError, ModelError, RunError or EngineError (see ``bloodcell.errors``), and
    Stopped; whatever was finished by then is kept, and the same call takes it up again.
    """
    _check_counts(batch_size=batch_size, threads=threads, workers=workers)
    counting = Counting(profile, blast_equivalents, interval_width)
    source, store = Path(input), RunStore(Path(out))
    cpu_threads = threads or usable_cores()
    chosen, loaded = choose_backend(backend), load_model(model)
    if hardware_decoder and not chosen.on_gpu:
        raise InputError(f"a hardware decoder needs a GPU, this run is on the CPU: {chosen.why}")
    loaded = replace(loaded, scheme=loaded.scheme.counted_as(profile, blast_equivalents))
    _check_folders(source, store, resume=resume)
    setup = Setup(
        choice=chosen,
        network=loaded.network,
        preprocessing=loaded.preprocessing,
        root=manifest.root_of(source),
        batch_size=batch_size,
        threads=cpu_threads,
        hardware_decoder=hardware_decoder,
    )
    with closing(open_scorer(setup, workers)) as scorer, store.locked():
        about = _open(store, source, loaded, chosen, counting, made_of=scorer.made_of)
        session = Session(
            store=store,
            model=loaded,
            counting=counting,
            scorer=scorer,
            rows_per_part=ROWS_PER_PART,
            threads=cpu_threads,
            progress=progress or (lambda _done, _cells: None),
            stop=stop or threading.Event(),
        )
        _work(session, about)
    return Run(store.folder, about)


def _work(session: Session, about: dict[str, Any]) -> None:
    """Do the session's work and keep in ``run.json`` how it ended, well or not."""
    store = session.store
    try:
        about |= session.run() | {"state": "done", "finished": _now()}
        write_report(Run(store.folder, about))
    except BaseException as error:
        about["state"] = "stopped" if isinstance(error, Stopped) else "failed"
        # On a full disk this fails too; what went wrong first is what to say.
        with suppress(DiskError):
            store.write_about(about)
        raise
    store.write_about(about)


def _check_counts(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and count < 1:
            raise InputError(f"{name} is at least 1, {count} given")


def _check_folders(source: Path, store: RunStore, *, resume: bool) -> None:
    inside, outside = store.folder.resolve(), source.resolve()
    if source.is_dir() and inside.is_relative_to(outside):
        raise InputError(
            f"the run folder {store.folder} lies inside the input {source}: its files would be "
            "taken for cells. Choose an --out elsewhere"
        )
    if outside.is_relative_to(inside):
        raise InputError(
            f"the input {source} lies inside the run folder {store.folder}: choose another --out"
        )
    store.refuse_foreign()
    if store.is_begun and not resume:
        raise RunError(f"{store.folder} already holds a run: choose another --out, or --resume")


def _open(
    store: RunStore,
    source: Path,
    model: Model,
    backend: Choice,
    counting: Counting,
    *,
    made_of: dict[str, str],
) -> dict[str, Any]:
    """Begin a run, or take one up if it is the same job; returns what ``run.json`` says."""
    job = _job(source, model, backend, counting, made_of)
    if store.is_begun:
        about = store.read_about()
        _refuse_other_job(store, about["job"], job)
        _refuse_other_cells(store, source, about["manifest_sha256"])
    else:
        write_whole(
            store.manifest,
            lambda path: manifest.freeze_manifest(source, path, ROWS_PER_PART),
        )
        about = {
            "job": job,
            "manifest_sha256": sha256_of(store.manifest),
            "scheme": model.scheme.name,
            "error_model": rests_on(model.error_model),
            "why_not_adjusted": why_not_adjusted(model.error_model, counting),
            "model_folder": manifest.printable(model.folder.resolve()),
            "backend": asdict(backend),
            "preprocessing": asdict(model.preprocessing),
            "temperature": model.temperature,
            "started": _now(),
        }
    about["state"] = "running"
    store.write_about(about)
    return about


def _job(
    source: Path, model: Model, backend: Choice, counting: Counting, made_of: dict[str, str]
) -> dict[str, Any]:
    """What, with the manifest, a run's result is a function of."""
    return {
        "input": manifest.printable(source.resolve()),
        "model": model.name,
        "model_version": model.version,
        "model_sha256": model.weights_sha256,
        "card_sha256": model.card_sha256,
        **asdict(counting),
        "backend": backend.name,
        "device": backend.device,
        "rows_per_part": ROWS_PER_PART,
        "versions": {"bloodcell": __version__}
        | {name: metadata.version(name) for name in _PACKAGES}
        | made_of,
    }


def _refuse_other_job(store: RunStore, begun: dict[str, Any], job: dict[str, Any]) -> None:
    for name, value in job.items():
        if begun.get(name) != value:
            raise RunError(
                f"{store.folder} belongs to another job: its {name} is {begun.get(name)}, now it "
                f"would be {value}. Choose a new --out"
            )


def _refuse_other_cells(store: RunStore, source: Path, begun_sha256: str) -> None:
    """Hold the frozen manifest, and one frozen now, against the one the run began with."""
    if not store.manifest.is_file() or sha256_of(store.manifest) != begun_sha256:
        raise RunError(
            f"{store.manifest} is missing or not the file that this run froze: restore it, or "
            "choose a new --out"
        )
    now = store.folder / "manifest.parquet.new"
    try:
        manifest.freeze_manifest(source, now, ROWS_PER_PART)
        if sha256_of(now) != begun_sha256:
            raise RunError(
                f"{store.folder} belongs to another job: {source} no longer lists the cells that "
                "this run froze in its manifest.parquet. Choose a new --out"
            )
    finally:
        now.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
