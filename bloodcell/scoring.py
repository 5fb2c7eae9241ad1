"""The main job: a manifest in, a run folder out, resumable at every part."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from bloodcell.audit import AuditLog
from bloodcell.changed_images import ImageCheck
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.contract import Choice
from bloodcell.engine.machine import usable_cores
from bloodcell.engine.object_store import ObjectPath, Place, place_of
from bloodcell.engine.scorer import open_scorer
from bloodcell.engine.setup import Setup
from bloodcell.errors import DiskError, InputError, RunError, Stopped
from bloodcell.files import sha256_of
from bloodcell.given_numbers import count, finite, thread_count
from bloodcell.input import manifest
from bloodcell.input.first_look import check_given
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
    ``threads``: CPU threads, at most 1,024, all usable ones by default.
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
    batch_size, threads = count("batch_size", batch_size), thread_count(threads)
    workers = count("workers", workers)
    if on is not None:
        check_address(on)
    width_points = finite("interval_width", interval_width, "points")
    counting = Counting(profile, blast_equivalents, width_points)
    source, store, stop = place_of(input), RunStore(Path(out)), stop or threading.Event()
    check_given(source, store.folder, model, resume=resume, **asdict(counting))
    with connected(on, threads) if on else nullcontext() as ray:
        choice, loaded = _choose(backend, hardware_decoder, ray), _load(model, counting)
        job = job_of(source, loaded, choice, counting, rows_per_part=ROWS_PER_PART)
        check_begun(store, job)
        setup = Setup(
            choice=choice,
            network=loaded.network,
            preprocessing=loaded.preprocessing,
            smears=loaded.smears,
            root=manifest.root_of(source),
            batch_size=batch_size,
            threads=threads or usable_cores(),
            hardware_decoder=hardware_decoder,
        )
        _refuse_if_stopped(stop)
        return _begin_and_work(
            store,
            source,
            job,
            model=loaded,
            choice=choice,
            counting=counting,
            open_scorer=lambda: _open(
                setup, loaded.scheme, workers, stop, ray=ray, threads=threads
            ),
            images=ImageCheck(setup.root, setup.threads, progress or (lambda *_: None), stop),
            retry_rejected=retry_rejected,
        )


def _begin_and_work(
    store: RunStore,
    source: Place,
    job: Job,
    *,
    model: Model,
    choice: Choice,
    counting: Counting,
    open_scorer: Callable[[], PartScorer],
    images: ImageCheck,
    retry_rejected: bool,
) -> Run:
    """Hold the folder while the run is begun, or taken up, and finished."""
    watch, given_up = SourceWatch(images.root), threading.Event()

    def is_stopped() -> bool:
        return given_up.is_set() or images.stop.is_set()

    with store.locked(), ThreadPoolExecutor(1) as listing, ExitStack() as at_end:
        # The worker loads and proves the network on another core than this one lists cells on.
        frozen = None
        if not store.is_begun:
            frozen = listing.submit(freeze, store, source, job, watch, is_stopped)
            # Without a scorer the rest of a long list is not waited for.
            at_end.callback(given_up.set)
        with closing(open_scorer()) as scorer:
            _refuse_if_stopped(images.stop)
            job = replace(job, versions=job.versions | scorer.made_of)
            record = begin_or_resume(
                store,
                source,
                job,
                left_out=frozen.result() if frozen else None,
                model=model,
                choice=choice,
                counting=counting,
                watch=watch,
                images=images,
            )
            session = Session(
                store=store,
                model=model,
                counting=counting,
                scorer=scorer,
                threads=images.threads,
                progress=images.progress,
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
        # On a full disk, or without a log, this fails too; what went wrong first is what to say.
        with suppress(DiskError, RunError):
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


def _load(model: str | Path | None, counting: Counting) -> Model:
    """The model, its scheme as this run counts; a warning if that is of another specimen."""
    loaded, profile = load_model(model), counting.profile
    scheme = loaded.scheme
    if scheme.specimen != profile:
        _LOG.warning(
            "the classes of %s are those of %s, this run counts as %s: was --profile %s meant?",
            scheme.name, scheme.specimen, profile, scheme.specimen,
        )  # fmt: skip
    return loaded.counted_as(profile, counting.blast_equivalents)
