"""``bloodcell.Engine``: cells from memory in, futures of their results out."""

import atexit
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.lanes import Lanes, open_lanes
from bloodcell.engine.machine import usable_cores
from bloodcell.engine.setup import Setup
from bloodcell.engine.stream import run_lane
from bloodcell.errors import BusyError, EngineError, InputError
from bloodcell.given_numbers import count, finite, thread_count
from bloodcell.live.cells import Cell, CellResult
from bloodcell.live.deadlines import Deadlines
from bloodcell.live.images import copied
from bloodcell.live.options import LONGEST_WAIT_S, WhenFull, check_options, checked_row, due_s
from bloodcell.live.patients import Patients
from bloodcell.live.results import Results, failure, settle
from bloodcell.live.streams import checked_cell, results_as_done, results_in_order
from bloodcell.live.waiting import Limits, Waiting
from bloodcell.model import Model, load_model
from bloodcell.scheme import Equivalents, Specimen
from bloodcell.shares import Counting


class Engine:
    """Scores cells as they come, in this process, with the results of ``bloodcell.score``.

    ``model``, ``backend``, ``threads``, ``profile``, ``blast_equivalents`` and ``interval_width``
    are those of ``score``. ``max_delay_ms``: how long a cell may wait for others with which the
    network computes it at once, while a lane is free; a backend that computes each alone waits
    for none. ``max_waiting``: cells that may wait for a lane, by default twice what all lanes
    take; with so many ``submit`` blocks or, ``when_full="refuse"``, raises BusyError. ``threads``
    is at most 1,024.

    Any thread may call any method. No file is written, no signal is handled, and after ``close``
    no thread is left. Raises what ``score`` raises for its options, model and backend.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        backend: str = "auto",
        threads: int | None = None,
        max_delay_ms: float = 20.0,
        max_waiting: int | None = None,
        when_full: WhenFull = "block",
        profile: Specimen = "blood",
        blast_equivalents: Equivalents = "none",
        interval_width: float = 10.0,
    ) -> None:
        threads, max_waiting = thread_count(threads), count("max_waiting", max_waiting)
        max_delay_ms = finite("max_delay_ms", max_delay_ms, "milliseconds")
        interval_width = finite("interval_width", interval_width, "points")
        check_options(model=model, max_delay_ms=max_delay_ms, when_full=when_full)
        counting = Counting(profile, blast_equivalents, interval_width)
        loaded = load_model(model)
        self.model: Model = loaded.counted_as(profile, blast_equivalents)
        """What it scores with; its scheme has the classes in the order of ``probabilities``."""
        self.choice = choose_backend(backend)
        """The backend, why that one, and its device."""
        setup = Setup(
            choice=self.choice,
            network=loaded.network,
            preprocessing=loaded.preprocessing,
            smears=loaded.smears,
            root=Path(),
            batch_size=None,
            threads=threads or usable_cores(),
            prompt=True,
        )
        self._when_full = when_full
        self._patients = Patients(self.model, counting)
        self._error: BaseException | None = None
        self._begin(open_lanes(setup), min(max_delay_ms / 1000, LONGEST_WAIT_S), max_waiting)

    def _begin(self, opened: Lanes, max_delay_s: float, max_waiting: int | None) -> None:
        in_flight = sum(lane.depth for lane in opened.lanes) * opened.batch_size
        self.max_waiting = max_waiting or 2 * in_flight
        """Cells that may wait for a lane."""
        self._at_once = in_flight + self.max_waiting
        self._waiting = Waiting(
            Limits(opened.batch_size, opened.pass_cells, max_delay_s, self.max_waiting)
        )
        results = Results(self._waiting, self.model.scheme, self._fail)
        self._deadlines = Deadlines(self._expire)
        self._process_id = os.getpid()
        self._threads = [
            threading.Thread(
                target=run_lane,
                args=(self._waiting, lane, results),
                name=f"bloodcell-lane-{number}",
                daemon=True,
            )
            for number, lane in enumerate(opened.lanes)
        ]
        for thread in self._threads:
            thread.start()
        # Where it is never closed: no library may be at work while the process ends.
        atexit.register(self.close, cancel=True)

    def submit(
        self,
        image: Any,
        *,
        patient: str,
        row: int | None = None,
        deadline_s: float | None = None,
    ) -> Future[CellResult]:
        """Score one cell; its future is done once, with a result, an error, or cancelled.

        ``image``: the bytes of an encoded file (``bytes``, ``bytearray``, ``memoryview``), RGB as
        a uint8 array (height, width, 3) of NumPy or of whatever has ``__dlpack__``, where the
        backend is on a GPU also in its memory. It is copied. ``row``: a number of one's own, 0 or
        more, by default a running one. ``deadline_s``: seconds from now after which the result
        is ``expired`` and the cell not counted.

        Raises InputError for what is no image by type or shape, and for a patient that is
        finished; BusyError; EngineError once the engine is closed or has failed, and in a process
        that was forked since it was opened.
        """
        return self._submit(image, patient, row, deadline_s, block=self._when_full == "block")

    def stream(
        self, cells: Iterable[tuple[Any, ...]], *, in_order: bool = True
    ) -> Iterator[CellResult]:
        """Score tuples ``(image, patient)``, with ``row`` and ``deadline_s`` behind as one likes.

        Their results come in their order, or with ``in_order=False`` as they are done. The tuples
        are taken in the caller's thread, ahead by as many as may wait and be scored at once; where
        the engine is full it waits. Raises what ``submit`` raises; once it is closed, the rest is
        cancelled.
        """
        given = results_in_order if in_order else results_as_done
        return given((self._submit(*checked_cell(one), block=True) for one in cells), self._at_once)

    def snapshot(self, patient: str) -> dict[str, Any]:
        """The patient's row of ``patients.parquet``, of those of its cells that are done.

        Raises InputError for a patient that is unknown or finished.
        """
        self._refuse_forked()
        return self._patients.known(patient).statistics()

    def finish(self, patient: str) -> dict[str, Any]:
        """The patient's row of ``patients.parquet``, by column, once all of its cells are done.

        It takes no more cells, and its counts are let go. Raises InputError for a patient that is
        unknown or finished, EngineError if the engine fails meanwhile.
        """
        self._refuse_forked()
        self._refuse_own_thread("finish")
        found = self._patients.known(patient)
        found.begin_to_finish()
        try:
            found.wait()
            self._refuse_if_failed()
            row = found.statistics()
            self._patients.release(found)
        except BaseException:  # as by Ctrl-C: who got no row may ask again
            found.go_on()
            raise
        return row

    @property
    def waiting(self) -> int:
        """How many cells wait for a lane."""
        self._refuse_forked()
        return len(self._waiting)

    def close(self, *, cancel: bool = False) -> None:
        """Score what was submitted, or ``cancel`` what no lane has taken, and end all threads.

        A second call does nothing, nor does one in a process that was forked since. Patients that
        are open can still be finished.
        """
        if self._is_forked():
            return
        self._refuse_own_thread("close")
        atexit.unregister(self.close)
        self._waiting.close()
        if cancel:
            for future in self._waiting.futures():
                future.cancel()
        for thread in self._threads:
            thread.join()
        self._deadlines.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(cancel=kind is not None)

    def _submit(
        self,
        image: Any,
        patient: str,
        row: int | None = None,
        deadline_s: float | None = None,
        *,
        block: bool,
    ) -> Future[CellResult]:
        self._refuse_forked()
        self._refuse_if_failed()
        number, now_s = checked_row(row), time.monotonic()
        due = due_s(deadline_s, now_s)
        own = copied(image, on_gpu=self.choice.on_gpu)
        cell = Cell(own, self._patients.admit(patient), number, now_s, due)
        try:
            # A lane that waited for room would wait for itself.
            waits = self._waiting.put(cell, block=block and not self._is_own_thread())
        except EngineError:
            cell.patient.settle()
            self._refuse_if_failed()  # which closes the engine as well
            raise
        except BaseException:  # Ctrl-C, which may come while it waits for room
            if not cell.has_number:
                cell.patient.settle()
            raise
        if waits:
            if cell.due_s is not None:
                self._deadlines.add(cell.due_s, cell.number)
            # After it: a cell that is done by now is watched no more at once.
            cell.future.add_done_callback(partial(self._is_done, cell.number))
        elif cell.is_late(time.monotonic()):
            settle(cell, cell.expired())
        else:
            cell.patient.settle()
            raise BusyError(
                f"{self.max_waiting} cells wait, as many as may: submit this one again later"
            )
        return cell.future

    def _is_done(self, number: int, future: Future[CellResult]) -> None:
        self._deadlines.remove(number)
        if future.cancelled():
            self._waiting.remove(number)

    def _expire(self, number: int) -> None:
        cell = self._waiting.remove(number)
        if cell is not None:
            settle(cell, cell.expired())

    def _fail(self, error: BaseException) -> None:
        """A lane has failed, and with it the engine: no cell is left without an answer."""
        self._error = self._error or error
        self._waiting.close()
        for cell in self._waiting.clear():
            settle(cell, failure(error))

    def _refuse_if_failed(self) -> None:
        if self._error is not None:
            raise failure(self._error)

    def _is_forked(self) -> bool:
        return os.getpid() != self._process_id

    def _refuse_forked(self) -> None:
        # Before any lock is taken: one that was held at the fork is never released here.
        if self._is_forked():
            raise EngineError(
                f"this engine was opened by process {self._process_id}, and this one was forked "
                "from it without its threads: open an engine after the fork"
            )

    def _is_own_thread(self) -> bool:
        return threading.current_thread() in (*self._threads, self._deadlines.thread)

    def _refuse_own_thread(self, method: str) -> None:
        if self._is_own_thread():
            raise InputError(
                f"{method} waits for cells, and this thread scores them: call it from another "
                "one, not from a future's callback"
            )
