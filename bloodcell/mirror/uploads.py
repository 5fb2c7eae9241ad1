"""Puts the files of a run up as they become whole.

What may be in any order, parts and pages, is put while others are written; everything else when
all before it is in the store, so that a kill leaves there what it would leave on a disk. The audit
log, to which lines are added, is there before the first part and follows at intervals: a part
without its line is known (see ``Session``), and before an object is replaced its line is there.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any

from bloodcell.errors import DiskError
from bloodcell.locks import HOLDER, LOCK
from bloodcell.mirror.objects import RunObjects, putting
from bloodcell.run_folder import AUDIT, CELLS, RECORD

MOST_IN_FLIGHT = 16
"""Files: then who has written the next one waits."""
_AUDIT_EVERY_S = 5.0
_IN_ANY_ORDER = (f"{CELLS}/", "report/")
_STAYS_HERE = (LOCK, HOLDER)

Stamp = tuple[int, int, int]
"""Of a file: another one, or one that was changed, has another stamp."""


class Uploads:
    """Keeps ``objects`` equal to ``folder``; ``there``: files that the store has, by name.

    Nothing is put before there is a ``run.json``. Methods raise DiskError, naming the object, if
    the store refuses one of those before, too; then nothing more is put.
    """

    def __init__(self, objects: RunObjects, folder: Path, there: dict[str, Stamp]) -> None:
        self._objects, self._folder, self._there = objects, folder, there
        self._in_flight: dict[str, Future[Any]] = {}
        self._failure: DiskError | None = None
        self._audit_bytes = _size(folder / AUDIT)
        self._audit_put_s = -_AUDIT_EVERY_S
        # Those who write are several threads.
        self._turn = RLock()

    def told(self, path: Path) -> None:
        """Take a file that has just become whole, or was added to; may wait for others."""
        name = path.relative_to(self._folder).as_posix()
        with self._turn:
            if not (self._folder / RECORD).exists():
                return
            if name == RECORD:
                self._put_all(but=(RECORD,))
            if name == AUDIT:
                self._put_audit_now_and_then()
            elif name.startswith(_IN_ANY_ORDER):
                self._begin(name)
            else:
                self._put_in_turn(name)

    def settle(self) -> None:
        """Put and delete what is still to be; then the store is equal to the folder."""
        with self._turn:
            self._put_all()
            gone = [name for name in self._there if not (self._folder / name).is_file()]
            for name in gone:
                with putting():
                    self._objects.delete(name).result()
                del self._there[name]

    def drain(self) -> None:
        """Wait until nothing is on its way, well or not."""
        with self._turn:
            wait(self._in_flight.values())

    def _put_all(self, but: tuple[str, ...] = ()) -> None:
        """Put the files that the store does not have as they are, also such as nobody told of."""
        for name in self._names():
            if name not in (*but, AUDIT) and self._there.get(name) != stamp_of(self._folder / name):
                self._begin(name)
        self._finish()
        self._begin_audit()
        self._finish()

    def _names(self) -> Iterator[str]:
        for folder, _, files in os.walk(self._folder):
            for file in sorted(files):
                name = (Path(folder) / file).relative_to(self._folder).as_posix()
                if name not in _STAYS_HERE and not name.endswith(".new"):
                    yield name

    def _put_in_turn(self, name: str) -> None:
        self._finish()
        self._begin_audit()
        self._finish()
        self._begin(name)
        self._finish()

    def _begin(self, name: str) -> None:
        if name in self._there and self._begin_audit():
            self._finish()
        while len(self._in_flight) >= MOST_IN_FLIGHT:
            self._reap()
        if former := self._in_flight.get(name):
            wait([former])
            self._reap()
        self._raise_failure()
        path = self._folder / name
        # Before it is read: if it changes while it is, it is put again.
        self._there[name] = stamp_of(path)
        self._in_flight[name] = self._objects.put(name, path)

    def _put_audit_now_and_then(self) -> None:
        if AUDIT not in self._there:
            # Parts without a log are refused, so it is there before them.
            self._begin_audit()
            self._finish()
        elif time.monotonic() - self._audit_put_s >= _AUDIT_EVERY_S:
            self._begin_audit()

    def _begin_audit(self) -> bool:
        """Put the lines that there are, if some are new; whether there were."""
        self._audit_put_s = time.monotonic()
        if _size(self._folder / AUDIT) == self._audit_bytes:
            return False
        self._raise_failure()
        if former := self._in_flight.get(AUDIT):
            wait([former])
            self._reap()
        lines = (self._folder / AUDIT).read_bytes()
        self._audit_bytes = len(lines)
        self._there[AUDIT] = stamp_of(self._folder / AUDIT)
        self._in_flight[AUDIT] = self._objects.put_bytes(AUDIT, lines[: lines.rfind(b"\n") + 1])
        return True

    def _finish(self) -> None:
        while self._in_flight:
            self._reap()
        self._raise_failure()

    def _reap(self) -> None:
        """Wait for the first one on its way, and take what has ended off the list."""
        done, _ = wait(self._in_flight.values(), return_when=FIRST_COMPLETED)
        ended = [name for name, one in self._in_flight.items() if one in done]
        failed = [one for name in ended if (one := self._in_flight.pop(name)).exception()]
        if failed and not self._failure:
            try:
                with putting():
                    failed[0].result()
            except DiskError as error:
                self._failure = error
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure:
            raise DiskError(str(self._failure)) from self._failure


def stamp_of(path: Path) -> Stamp:
    """Of a file that is there."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
