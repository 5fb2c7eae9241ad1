"""The model ``patients``: what is counted of a patient, as it stands or to its end."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from bloodcell.server.messages import OutputKind, Parameters, Tensor, TensorKind
from bloodcell.server.refusals import Kind, Refusal, invalid
from bloodcell.server.tensors import of_strings, strings_of

if TYPE_CHECKING:
    from bloodcell.live import Engine

NAME = "patients"
MOST_OPEN = 10_000
"""Patients that have cells and are not finished: each has counts in memory."""
_LONGEST_NAME = 256
_ROW_BYTES, _CLASS_BYTES = 4096, 64
"""Room for a row as JSON, and besides for each class, whose code a column is called by."""


class OpenPatients:
    """Names of those that have cells and are not finished. For one event loop."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._finishing: dict[str, asyncio.Future[dict[str, Any]]] = {}
        # Not the loop's own few: all else that blocks would wait for those patients' cells. A
        # thread is made where all wait, and no more wait than cells are without a result.
        self._threads = ThreadPoolExecutor(MOST_OPEN, "bloodcell-finish")

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, name: str) -> None:
        """Before the patient's cells are submitted; Refusal if it may have none."""
        _check_name(name)
        if name in self._finishing:
            raise invalid(f"patient {name!r} is being finished: further cells need another name")
        if name not in self._open and len(self._open) >= MOST_OPEN:
            raise Refusal(Kind.BUSY, f"{MOST_OPEN} patients are open: finish some")

    def opened(self, name: str) -> None:
        """The engine has taken a cell of it."""
        self._open.add(name)

    async def finish(self, engine: "Engine", name: str) -> dict[str, Any]:
        """See ``Engine.finish``; no request adds cells meanwhile.

        It goes on if who asked goes away, for the engine cannot be called back.
        """
        if name in self._finishing:
            raise invalid(f"patient {name!r} is being finished already")
        end = asyncio.get_running_loop().run_in_executor(self._threads, engine.finish, name)
        self._finishing[name] = end
        end.add_done_callback(partial(self._finished, name))
        return await asyncio.shield(end)

    def close(self) -> None:
        """End the threads; once the engine is closed none of them waits for a cell."""
        self._threads.shutdown()

    def _finished(self, name: str, end: "asyncio.Future[dict[str, Any]]") -> None:
        del self._finishing[name]
        # Also takes note of the error that nobody may be there for.
        if not end.cancelled() and end.exception() is None:
            self._open.discard(name)


class Patients:
    """Takes the name of a patient, gives its row of ``patients.parquet``."""

    name = NAME
    version = "1"
    inputs = (TensorKind("patient", "BYTES", (1,)),)
    parameters = frozenset({"finish"})

    def __init__(self, engine: "Engine", patients: OpenPatients) -> None:
        self._engine, self._patients = engine, patients
        row_bytes = _ROW_BYTES + _CLASS_BYTES * len(engine.model.scheme.codes)
        self.outputs = (OutputKind("statistics", "BYTES", (1,), row_bytes),)

    async def infer(
        self, parameters: Parameters, inputs: dict[str, Tensor], timeout_s: float | None
    ) -> list[Tensor]:
        """The row as JSON, of what is done so far; with ``finish``, once all is."""
        del timeout_s  # what the statistics wait for is the cells, which have their own
        if "patient" not in inputs:
            raise invalid("the input patient is missing: a name")
        try:
            (name,) = (value.decode() for value in strings_of(inputs["patient"]))
        except UnicodeDecodeError as error:
            raise invalid("the patient's name is not UTF-8") from error
        _check_name(name)
        finish = parameters.get("finish", False)
        if not isinstance(finish, bool):
            raise invalid(f"finish is true or false, {finish!r} given")
        if finish:
            row = await self._patients.finish(self._engine, name)
        else:
            row = await asyncio.to_thread(self._engine.snapshot, name)
        return [of_strings("statistics", [json.dumps(row, ensure_ascii=False, allow_nan=False)])]


def _check_name(name: str) -> None:
    if not 0 < len(name) <= _LONGEST_NAME:
        raise invalid(f"a patient's name has 1 to {_LONGEST_NAME} signs, {len(name)} given")
