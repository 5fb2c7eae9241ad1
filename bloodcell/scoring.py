"""The main job: a manifest in, a run folder out, resumable at every part."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from bloodcell import manifest
from bloodcell.audit import AuditLog
from bloodcell.changed_images import ImageCheck
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.contract import Choice
from bloodcell.engine.machine import usable_cores
from bloodcell.engine.object_store import ObjectPath, Place, place_of
from bloodcell.engine.scorer import open_scorer
from bloodcell.engine.setup import Setup
from bloodcell.errors import DiskError, InputError, Stopped
from bloodcell.files import sha256_of
from bloodcell.first_look import check_given
from bloodcell.job import begin_or_resume, check_begun, freeze, job_of, now
from bloodcell.mirror import in_object_stores
from bloodcell.model import Model, load_model
from bloodcell.part_scorer import MachinePartScorer, PartScorer
from bloodcell.ray.library import check_address, connected
from bloodcell.ray.scorer import RayPartScorer, choose_on
from bloodcell.report import report_ahead, write_report
from bloodcell.review.planned import plan_path
from bloodcell.run import Run
from bloodcell.run_record import Job, RunRecord, write_record
from bloodcell.scheme import Equivalents, Scheme, Specimen
from bloodcell.session import Progress, Session
from bloodcell.shares import Counting
from bloodcell.source_watch import SourceWatch
from bloodcell.store import ROWS_PER_PART, RunStore

_LOG = logging.getLogger(__name__)


@in_object_stores
def score(
    input: str | Path | ObjectPath,  # noqa: A002 - the contract's name
    out: str | Path,
    model: str | Path | None = None,
    backend: str = "auto",
    *,
    batch_size: int | None = None,
    threads: int | None = None,
    workers: int | None = None,
    on: str | None = None,
    hardware_decoder: bool = False,
    profile: Specimen = "blood",
    blast_equivalents: Equivalents = "none",
    interval_width: float = 10.0,
    resume: bool = True,
    retry_rejected: bool = False,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Run:
    """Score every cell of ``input`` and write the run folder ``out``, or a run at a URL.

    ``input``: a folder with one subfolder a patient, tar shards (a ``.tar`` file or a folder of
    them), or a ``.csv`` / ``.parquet`` manifest with the columns ``path`` and ``patient``; each of
    them on a disk or at a URL of an object store (``s3://bucket/folder``; docs/object-stores.md).
    ``threads``: CPU threads, all usable ones by default.
    ``workers``: processes, by default one a GPU, on the CPU one; none is this one, so an image that
    ends or stalls a decoder costs a cell and not the run. ``on``: ``ray`` or ``ray://HOST:PORT``
    scores on the nodes of a Ray cluster (docs/ray.md); ``workers`` is then the most actors, each of
    ``threads`` CPUs, by default one a GPU, or a node with all of its CPUs. ``batch_size``: most
    cells a batch, by default 32 on the CPU and on a GPU what its network takes at once. None of
    these changes the result. ``hardware_decoder``: of a GPU, for all JPEGs. ``profile`` says what
    the denominator is, ``blast_equivalents`` which classes count as blasts besides the scheme's
    own, and ``interval_width``, in points, when a patient's cells suffice. ``retry_rejected``: read
    those cells again that were missing, unreadable or empty when their part was scored. Setting
    ``stop`` ends the run in good order. With a URL (``s3://bucket/run``) as ``out`` the ``Run`` is
    of a copy on this machine, which goes with it.

    Raises an error of ``bloodcell.errors``; whatever was finished by then is kept, and the same
    call takes it up again.
    """
    _check_counts(batch_size=batch_size, threads=threads, workers=workers)
    if on is not None:
        check_address(on)
    counting = Counting(profile, blast_equivalents, interval_width)
    source, store, stop = place_of(input), RunStore(Path(out)), stop or threading.Event()
    progress = progress or (lambda _done, _cells: None)
    check_given(source, store.folder, model, resume=resume, **asdict(counting))
    with ExitStack() as at_end:
        ray = at_end.enter_context(connected(on, threads)) if on else None
        choice, loaded = _choose(backend, hardware_decoder, ray), load_model(model)
        _warn_of_another_specimen(loaded.scheme, profile)
        loaded = replace(loaded, scheme=loaded.scheme.counted_as(profile, blast_equivalents))
        job = job_of(source, loaded, choice, counting, rows_per_part=ROWS_PER_PART)
        check_begun(store, job)
        setup = _setup(
            choice, loaded, source, batch_size, threads, hardware_decoder=hardware_decoder
        )
        _refuse_if_stopped(stop)
        watch = SourceWatch(setup.root)
        at_end.enter_context(store.locked())
        # The worker loads and proves the network on another core than this one lists cells on.
        listing = at_end.enter_context(ThreadPoolExecutor(1))
        frozen = None if store.is_begun else listing.submit(freeze, store, source, job, watch)
        scorer = at_end.enter_context(
            closing(_open(setup, loaded.scheme, workers, stop, ray=ray, threads=threads))
        )
        _refuse_if_stopped(stop)
        job = replace(job, versions=job.versions | scorer.made_of)
        record = begin_or_resume(
            store,
            source,
            job,
            left_out=frozen.result() if frozen else None,
            model=loaded,
            choice=choice,
            counting=counting,
            watch=watch,
            images=ImageCheck(setup.root, setup.threads, progress, stop),
        )
        session = Session(
            store=store,
            model=loaded,
            counting=counting,
            scorer=scorer,
            threads=setup.threads,
            progress=progress,
            watch=watch,
            audit=_audit_of(store, job),
            retry_rejected=retry_rejected,
        )
        return _work(session, record)


def _work(session: Session, record: RunRecord) -> Run:
    """Do the session's work and keep in ``run.json`` how it ended, well or not."""
    store = session.store
    try:
        counted_before = _patients_sha256(store)
        with report_ahead(store, record, session.model, session.counting) as ahead:
            record = replace(session.run(record, ahead), state="done", finished=now())
            run = Run(store.folder, record)
            if _patients_sha256(store) != counted_before:
                # A plan of other results: its strata are others.
                plan_path(run).unlink(missing_ok=True)
            write_report(run, prepared=ahead.prepared())
        assert record.counts is not None
        session.audit.append(
            "finish", **asdict(record.counts), patients_sha256=sha256_of(store.patients_path)
        )
    except BaseException as error:
        ended: Literal["stopped", "failed"] = "stopped" if isinstance(error, Stopped) else "failed"
        # On a full disk this fails too; what went wrong first is what to say.
        with suppress(DiskError):
            session.audit.append(ended)
            write_record(store.record_path, replace(record, state=ended))
        raise
    record = replace(record, audit_head=session.audit.head)
    write_record(store.record_path, record)
    return Run(store.folder, record)


def _patients_sha256(store: RunStore) -> str:
    return sha256_of(store.patients_path) if store.patients_path.exists() else ""


def _audit_of(store: RunStore, job: Job) -> AuditLog:
    event = "resume" if store.audit_path.exists() else "begin"
    audit = AuditLog(store.audit_path)
    audit.append(event, **asdict(job))
    return audit


def _refuse_if_stopped(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped("stopped before a cell was scored: the same command begins or continues")


def _open(
    setup: Setup,
    scheme: Scheme,
    workers: int | None,
    stop: threading.Event,
    *,
    ray: Any,
    threads: int | None,
) -> PartScorer:
    """Who scores: worker processes of this machine or, where it is given, a cluster of ``ray``."""
    if ray is None:
        return MachinePartScorer(open_scorer(setup, workers, stop), scheme, ROWS_PER_PART, stop)
    return RayPartScorer(
        ray,
        setup,
        scheme,
        rows_per_part=ROWS_PER_PART,
        threads=threads,
        workers=workers,
        stop=stop,
    )


def _choose(backend: str, hardware_decoder: bool, ray: Any) -> Choice:
    choice = choose_on(ray, backend) if ray else choose_backend(backend)
    if hardware_decoder and not choice.on_gpu:
        raise InputError(f"a hardware decoder needs a GPU, this run is on the CPU: {choice.why}")
    return choice


def _setup(
    choice: Choice,
    model: Model,
    source: Place,
    batch_size: int | None,
    threads: int | None,
    *,
    hardware_decoder: bool,
) -> Setup:
    return Setup(
        choice=choice,
        network=model.network,
        preprocessing=model.preprocessing,
        smears=model.smears,
        root=manifest.root_of(source),
        batch_size=batch_size,
        threads=threads or usable_cores(),
        hardware_decoder=hardware_decoder,
    )


def _warn_of_another_specimen(scheme: Scheme, profile: Specimen) -> None:
    if scheme.specimen != profile:
        _LOG.warning(
            "the classes of %s are those of %s, this run counts as %s: was --profile %s meant?",
            scheme.name, scheme.specimen, profile, scheme.specimen,
        )  # fmt: skip


def _check_counts(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and count < 1:
            raise InputError(f"{name} is at least 1, {count} given")
