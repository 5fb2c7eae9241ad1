"""The main job: a manifest in, a run folder out, resumable at every part."""

import os
import threading
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

from bloodcell import manifest
from bloodcell.engine.backends import BackendName, Choice, choose_backend
from bloodcell.errors import BloodcellError, InputError, RunError, Stopped
from bloodcell.model import Model, load_model
from bloodcell.report import write_report
from bloodcell.run import Run
from bloodcell.session import Progress, Session
from bloodcell.store import ROWS_PER_PART, RunStore

_PACKAGES = ("bloodcell", "numpy", "nvidia-dali-cuda130", "onnxruntime", "pyarrow")


def score(
    input: str | Path,  # noqa: A002 - the contract's name
    out: str | Path,
    model: str | Path | None = None,
    backend: BackendName = "auto",
    *,
    batch_size: int = 64,
    threads: int | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Run:
    """Score every cell of ``input`` and write the run folder ``out``.

    ``input``: a folder with one subfolder a patient, or a ``.csv`` / ``.parquet`` manifest with
    the columns ``path`` and ``patient``. ``threads``: CPU threads, all usable ones by default.
    Neither it nor ``batch_size`` changes the result. Setting ``stop`` ends the run in good order.

    Raises InputError, ModelError, RunError or EngineError (see ``bloodcell.errors``), and
    Stopped; whatever was finished by then is kept, and the same call takes it up again.
    """
    _check_options(batch_size, threads, backend)
    source, store = Path(input), RunStore(Path(out))
    chosen, loaded = choose_backend(backend), load_model(model)
    _check_folders(source, store.folder, resume=resume)
    with store.locked():
        about = _open(store, source, loaded, chosen)
        session = Session(
            store=store,
            root=manifest.root_of(source),
            model=loaded,
            backend=chosen,
            batch_size=batch_size,
            threads=threads or usable_cores(),
            progress=progress or (lambda _done, _cells: None),
            stop=stop or threading.Event(),
        )
        try:
            about |= session.run()
        except BloodcellError as error:
            state = "stopped" if isinstance(error, Stopped) else "failed"
            store.write_about(about | {"state": state})
            raise
        run = Run(store.folder, about | {"state": "done", "finished": _now()})
        write_report(run)
        store.write_about(run.about)
    return run


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def _check_options(batch_size: int, threads: int | None, backend: str) -> None:
    if batch_size < 1 or (threads is not None and threads < 1):
        raise InputError(f"batch size and threads are at least 1: {batch_size}, {threads} given")
    if backend not in get_args(BackendName):
        raise InputError(f"backend is one of {get_args(BackendName)}, not {backend!r}")


def _check_folders(source: Path, folder: Path, *, resume: bool) -> None:
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise InputError(
            f"the run folder {folder} lies inside the input {source}: its files would be taken "
            "for cells. Choose an --out elsewhere"
        )
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"{folder} is a file: --out names a folder")
    if (folder / "run.json").exists():
        if not resume:
            raise RunError(f"{folder} already holds a run: choose another --out, or --resume")
    elif foreign := sorted({path.name for path in folder.iterdir()} - RunStore.OWN_NAMES):
        raise RunError(
            f"{folder} is not empty and holds no run ({foreign[0]}, ...): choose a new --out"
        )


def _open(store: RunStore, source: Path, model: Model, backend: Choice) -> dict[str, Any]:
    """Freeze the manifest and write the first ``run.json``, or check that they are the same."""
    frozen = store.manifest.with_name("manifest.parquet.new")
    manifest.freeze_manifest(source, frozen, ROWS_PER_PART)
    job = _identity(model, backend)
    if (store.folder / "run.json").exists():
        about = store.read_about()
        if about["job"] != job:
            raise RunError(f"{store.folder} belongs to another job: {_difference(about, job)}")
        if not manifest.same_manifest(frozen, store.manifest):
            raise RunError(
                f"{store.folder} belongs to another job: {source} no longer lists the cells that "
                "this run froze in its manifest.parquet. Choose a new --out"
            )
        frozen.unlink()
        return about
    frozen.replace(store.manifest)
    about = _first_about(source, model, backend) | {"job": job}
    store.write_about(about)
    return about


def _identity(model: Model, backend: Choice) -> dict[str, Any]:
    """What a run's result is a function of, besides its manifest."""
    return {
        "model": model.name,
        "model_version": model.version,
        "model_sha256": model.weights_sha256,
        "card_sha256": model.card_sha256,
        "backend": backend.name,
        "rows_per_part": ROWS_PER_PART,
    }


def _difference(about: dict[str, Any], job: dict[str, Any]) -> str:
    name = next(name for name in job if about["job"].get(name) != job[name])
    return (
        f"its {name} is {about['job'].get(name)}, now it would be {job[name]}. Choose a new --out"
    )


def _first_about(source: Path, model: Model, backend: Choice) -> dict[str, Any]:
    return {
        "state": "running",
        "input": str(source.resolve()),
        "scheme": model.scheme.name,
        "backend": asdict(backend),
        "preprocessing": asdict(model.preprocessing),
        "temperature": model.temperature,
        "versions": {name: metadata.version(name) for name in _PACKAGES},
        "started": _now(),
    }


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
