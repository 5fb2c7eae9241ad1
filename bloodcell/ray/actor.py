"""A node's part of a run: the workers of one machine, given parts and asked what has come of them.

Ray makes an actor of the class, and calls its methods from several threads. All work is done by a
thread of its own: worker processes end with the thread that started them.
"""

import logging
import pickle
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from bloodcell._core import REASONS
from bloodcell.engine.memory_file import memory_file
from bloodcell.engine.source import read_files
from bloodcell.engine.worker_messages import Logged, Ready
from bloodcell.errors import BloodcellError, EngineError, InputError
from bloodcell.job import versions_here
from bloodcell.part_scorer import MachinePartScorer
from bloodcell.ray.messages import Begun, Given, Noted, Proof, Task, Whole

_TELL_EVERY_S = 0.5
"""How far scoring has come; a whole part is told at once."""


class NodeScorer:
    """Scores parts on the node where it is."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._said: list[object] = []
        self._begun_cells = 0
        self._proof: Proof | None = None
        self._given: deque[Given] = deque()

    def versions(self) -> dict[str, str]:
        """Of what results depend on, on this node."""
        return versions_here()

    def open(self, task: bytes, weights: bytes, threads: int) -> None:
        """Begin to load the network; ``Ready`` is said when it can score, or an error.

        ``task``: a pickled ``Task``; ``weights``: the network's file.
        """
        logging.getLogger("bloodcell").addHandler(_Teller(self))
        threading.Thread(target=self._work, args=(task, weights, threads), daemon=True).start()

    def prove(self, proof: Proof) -> None:
        """Before the first part: what must be read here as it was where the manifest was made."""
        self._proof = proof

    def give(self, part: Given) -> None:
        """Score a part, after those that were given before."""
        with self._changed:
            self._given.append(part)
            self._changed.notify_all()

    def drop(self, number: int) -> None:
        """A part that need not be scored, if that has not begun."""
        with self._changed:
            self._given = deque(part for part in self._given if part.number != number)

    def events(self) -> list[object]:
        """What is said since the last call; waits a while where that is nothing."""
        with self._changed:
            self._changed.wait_for(lambda: self._said, _TELL_EVERY_S)
            said, self._said = self._said, []
            return [*said, Begun(self._begun_cells)]

    def say(self, message: object) -> None:
        """Keep a message until it is asked for."""
        with self._changed:
            self._said.append(message)
            self._changed.notify_all()

    def _work(self, pickled: bytes, weights: bytes, threads: int) -> None:
        try:
            task: Task = pickle.loads(pickled)
            setup = replace(
                task.setup,
                threads=threads,
                network=replace(task.setup.network, weights=memory_file("model.onnx", weights)),
            )
            self._score(replace(task, setup=setup))
        except BloodcellError as error:
            self.say(error)
        except BaseException as error:
            self.say(EngineError(f"{type(error).__name__}: {error}"))

    def _score(self, task: Task) -> None:
        from bloodcell.engine.scorer import open_scorer

        never = threading.Event()
        # A single one: what Ray lets the actor use is what it sees.
        scorer = open_scorer(task.setup, 1, never)
        parts = MachinePartScorer(scorer, task.scheme, task.rows_per_part, never)
        device = task.setup.choice.device
        self.say(Ready(device, parts.lane_count, 0, parts.batch_size, parts.made_of))
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._given)
            if self._proof is not None:
                _refuse_other_input(task.setup.root, self._proof)
                self._proof = None
            self._score_given(parts)

    def _score_given(self, scorer: MachinePartScorer) -> None:
        """Score until there is nothing at work and nothing more is given."""
        rows: dict[int, pa.Table] = {}
        finished_cells = 0

        def parts() -> Iterator[int | None]:
            while True:
                with self._changed:
                    part = self._given.popleft() if self._given else None
                if part is not None:
                    rows[part.number] = part.rows
                yield part.number if part else None

        def tell(cells: int) -> None:
            self._begun_cells = cells - finished_cells

        for part in scorer.score(parts(), rows.__getitem__, self._note, tell):
            finished_cells += part.rows.num_rows
            self._begun_cells -= part.rows.num_rows
            del rows[part.number]
            self.say(Whole(part.number, part.reasons, part.content))

    def _note(self, event: str, **facts: Any) -> None:
        self.say(Noted(event, facts))


class _Teller(logging.Handler):
    """Says warnings to the driver, whose terminal or log they are for."""

    def __init__(self, actor: NodeScorer) -> None:
        super().__init__(logging.WARNING)
        self._actor = actor

    def emit(self, record: logging.LogRecord) -> None:
        self._actor.say(Logged(record.name, record.levelno, record.getMessage()))


def _refuse_other_input(root: Any, proof: Proof) -> None:
    """InputError if the cell is not here, or is other bytes."""
    (read,) = read_files(root, [proof.row])
    if read.digests[0].tobytes() != proof.digest:
        reason = REASONS[read.reasons[0]] if read.reasons[0] else "other bytes"
        raise InputError(
            f"{root}/{proof.row['path'][0].as_py()} is {reason} there: every node must see the "
            "input under the same path"
        )
