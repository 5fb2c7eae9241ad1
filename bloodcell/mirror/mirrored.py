"""A run at a URL as a local folder, for as long as something works on it."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import ParamSpec, TypeVar

from bloodcell.engine.object_store import ObjectPath, is_url, place_of, store_errors
from bloodcell.errors import BloodcellError, InputError, RunError
from bloodcell.files import telling, writing
from bloodcell.locks import HOLDER
from bloodcell.mirror.holder import held_objects
from bloodcell.mirror.objects import RunObjects
from bloodcell.mirror.uploads import Stamp, Uploads, stamp_of
from bloodcell.mirror.working_folder import WorkingFolder
from bloodcell.run_folder import MANIFEST, RECORD

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def mirrored(place: ObjectPath, working: WorkingFolder, *, holds: bool) -> Iterator[Path]:
    """Give the folder in ``working`` that the run at ``place`` is in, as a folder of this machine.

    What the store has of a run is there; what is written there in a block is in the store when the
    block ends, parts and ``run.json`` already when they are written. ``holds``: against a second
    writer, see ``held_objects``. What the block raises names the URL in place of the folder. Raises
    StoreError, RunError for what lies at ``place``, DiskError for what cannot be written.
    """
    objects, folder = RunObjects(place), working.path
    holding = held_objects(objects) if holds else nullcontext()
    with _named(folder, place), holding:
        there = bring_down(objects, folder)
        if holds and not there:
            _refuse_foreign(objects)
        uploads = Uploads(objects, folder, there)
        try:
            with telling(folder, uploads.told):
                yield folder
            uploads.settle()
        finally:
            # Before another may write.
            uploads.drain()


def bring_down(
    objects: RunObjects, folder: Path, leave_out: tuple[str, ...] = ()
) -> dict[str, Stamp]:
    """Write what the store has of a run to ``folder``; returns the files by name.

    ``leave_out``: beginnings of names. Without a ``run.json`` there is nothing.
    """
    with store_errors(), writing(folder):
        if objects.read(RECORD) is None:
            return {}
        begun = []
        for name, size in objects.sizes().items():
            if name != HOLDER and not name.startswith(leave_out):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                begun.append((name, path, size, objects.get(name, path)))
        for name, path, size, brought in begun:
            brought.result()
            if path.stat().st_size != size:
                raise RunError(
                    f"{objects.place}/{name} changed while it was read: run the same command again"
                )
    return {name: stamp_of(path) for name, path, _, _ in begun}


def refuse_nested(place: ObjectPath, source: object) -> None:
    """InputError if a run's URL lies in that of what it scores, or this in it."""
    if isinstance(source, str | ObjectPath) and is_url(str(source)):
        run, cells = f"{place}/", f"{place_of(str(source))}/"
        if run.startswith(cells) or cells.startswith(run):
            raise InputError(
                f"the run {place} and the input {source} lie inside each other: choose another "
                "--out"
            )


def _refuse_foreign(objects: RunObjects) -> None:
    """RunError if no run may begin there."""
    foreign = sorted(objects.entries() - {HOLDER, MANIFEST})
    if foreign:
        raise RunError(
            f"{objects.place} is not empty and holds no run ({foreign[0]}, ...): choose another URL"
        )


def in_object_stores(function: Callable[P, R]) -> Callable[P, R]:
    """Let the argument ``out`` of a function that makes a run be a URL, too.

    The folder of what it returns is a copy on this machine then, and goes with it.
    """

    @wraps(function)
    def made(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature(function).bind(*args, **kwargs)
        place = place_of(given.arguments["out"])

        def work(out: Path) -> R:
            given.arguments["out"] = out
            return function(*given.args, **given.kwargs)

        if isinstance(place, Path):
            return work(place)
        refuse_nested(place, given.arguments.get("input"))
        with _staying() as working:
            with mirrored(place, working, holds=True) as folder:
                result = work(folder)
            weakref.finalize(result, working.remove)
        return result

    return made


def opened(place: ObjectPath, opening: Callable[[Path], R]) -> R:
    """What ``opening`` makes of a copy of the run at ``place`` without its report.

    The copy lies on this machine and goes with the result. Raises what ``mirrored`` raises.
    """
    with _staying() as working, _named(working.path, place):
        bring_down(RunObjects(place), working.path, leave_out=("report/",))
        result = opening(working.path)
        weakref.finalize(result, working.remove)
    return result


@contextmanager
def _staying() -> Iterator[WorkingFolder]:
    """A folder that outlives a block which raises nothing."""
    working = WorkingFolder()
    try:
        yield working
    except BaseException:
        working.remove()
        raise


@contextmanager
def _named(folder: Path, place: ObjectPath) -> Iterator[None]:
    """Let errors say where the run is, not where it is worked on."""
    try:
        yield
    except BloodcellError as error:
        error.args = tuple(
            one.replace(str(folder), place.url) if isinstance(one, str) else one
            for one in error.args
        )
        raise
