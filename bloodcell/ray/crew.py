"""The actors of a run as the driver sees them: started, listened to, lost, replaced."""

import logging
import pickle
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from bloodcell.engine.worker_messages import Logged, Ready
from bloodcell.engine.workers import alike
from bloodcell.errors import BloodcellError, EngineError, Stopped
from bloodcell.job import versions_here
from bloodcell.ray.actor import NodeScorer
from bloodcell.ray.messages import Begun, Task
from bloodcell.ray.nodes import Place, places

_LOG = logging.getLogger(__name__)

_LISTEN_S = 0.5
"""Then it is seen whether to stop."""
_LOOK_FOR_ROOM_EVERY_S = 5.0
_WAIT_FOR_OTHERS_S = 10.0
"""After the first is ready, for those that Ray has not placed."""
_WAIT_FOR_ROOM_S = 120.0
"""With no actor at all: a cluster that grows with demand has a node by then."""
_MOST_FAILED = 3
"""Actors in a row that one place lost before they had done anything."""


class Member:
    """An actor."""

    def __init__(self, place: Place, actor: Any) -> None:
        self.place, self.actor = place, actor
        self.answer: Any = actor.versions.remote()
        """What Ray is to answer next."""
        self.is_placed = False
        self.ready: Ready | None = None
        self.begun_cells = 0

    def __str__(self) -> str:
        return self.place.name


class Lost:
    """Said in the place of an actor that is gone, and had been ready."""

    def __init__(self, why: str) -> None:
        self.why = why


class Crew:
    """Actors for ``task`` wherever the cluster has room, ``most`` at most.

    ``threads``: CPUs of each; ``stop``: set when nothing is to be waited for. ``kind``: the class
    of the actors.
    """

    def __init__(
        self,
        ray: Any,
        task: Task,
        *,
        threads: int | None,
        most: int | None,
        stop: threading.Event,
        kind: type[NodeScorer] = NodeScorer,
    ) -> None:
        self._ray, self._stop = ray, stop
        self._threads, self._most = threads, most
        self._device = task.setup.choice.device
        self._on_gpu = task.setup.choice.on_gpu
        self._kind = ray.remote(kind)
        self._weights = ray.put(task.setup.network.weights.read_bytes())
        self._task = pickle.dumps(task)
        self._versions = versions_here()
        self._failed: Counter[Place] = Counter()
        self._looked_s = self._had_one_s = time.monotonic()
        self._last_words = ""
        self.first_ready: Ready | None = None
        self.members: list[Member] = []
        self._fill()

    @property
    def ready(self) -> list[Member]:
        """Those that can score."""
        return [member for member in self.members if member.ready]

    def wait_until_ready(self) -> None:
        """Wait for those that Ray has room for. Raises EngineError, and Stopped."""
        ready_s = 0.0
        while not (self.members and len(self.ready) == len(self.members)):
            for _ in self.listen():
                pass
            if self.ready:
                ready_s = ready_s or time.monotonic()
                waits_for_room = all(m.ready or not m.is_placed for m in self.members)
                if waits_for_room and time.monotonic() - ready_s > _WAIT_FOR_OTHERS_S:
                    break
            if self._stop.is_set():
                raise Stopped("stopped before a cell was scored: the same command begins again")

    def listen(self) -> Iterator[tuple[Member, object]]:
        """What actors say in a short while: the messages of ``NodeScorer``, and ``Lost``.

        Raises EngineError if there was no actor for long, or one is of other versions than the
        rest, and what one of them says ends the run.
        """
        self._fill()
        self._refuse_to_wait_for_ever()
        if not self.members:
            self._stop.wait(_LISTEN_S)
            return
        by_answer = {member.answer: member for member in self.members}
        answered, _ = self._ray.wait(list(by_answer), num_returns=1, timeout=_LISTEN_S)
        if answered:
            # Of all that have answered by now, each in turn.
            answered, _ = self._ray.wait(list(by_answer), num_returns=len(by_answer), timeout=0)
        for answer in answered:
            yield from self._heard(by_answer[answer])

    def close(self) -> None:
        """End the actors, whatever they are at."""
        for member in self.members:
            self._end(member)
        self.members = []

    def _heard(self, member: Member) -> Iterator[tuple[Member, object]]:
        try:
            said = self._ray.get(member.answer)
        except self._ray.exceptions.RayError as error:
            yield from self._lose(member, _why(error))
            return
        if not member.is_placed:
            self._open(member, said)
            return
        member.answer = member.actor.events.remote()
        for message in said:
            if isinstance(message, Begun):
                member.begun_cells = message.cells
            elif isinstance(message, Logged):
                logging.getLogger(message.logger).log(
                    message.level, "%s: %s", member, message.message
                )
            elif isinstance(message, Ready):
                self._welcome(member, message)
            elif isinstance(message, EngineError):
                # Of this node alone: another may go on.
                yield from self._lose(member, str(message))
                return
            elif isinstance(message, BloodcellError):
                raise type(message)(f"the Ray node {member}: {message}")
            else:
                self._failed[member.place] = 0
                yield member, message

    def _open(self, member: Member, versions: dict[str, str]) -> None:
        member.is_placed = True
        if versions != self._versions:
            raise EngineError(
                f"the Ray node {member} has {_differences(versions, self._versions)}: results "
                "would depend on who scored a cell. Install the same versions everywhere"
            )
        member.actor.open.remote(self._task, self._weights, member.place.cpus)
        member.answer = member.actor.events.remote()

    def _welcome(self, member: Member, ready: Ready) -> None:
        self.first_ready = self.first_ready or ready
        try:
            alike([self.first_ready, ready], self._device)
        except EngineError as error:
            raise EngineError(f"the Ray node {member} is unlike the others: {error}") from error
        member.ready = ready

    def _lose(self, member: Member, why: str) -> Iterator[tuple[Member, Lost]]:
        self.members.remove(member)
        self._end(member)
        self._failed[member.place] += 1
        self._last_words = f"{member}: {why}"
        if member.ready:
            _LOG.warning("the Ray actor on %s is lost: %s", member, why)
            yield member, Lost(why)
        else:
            _LOG.info("an actor on %s could not begin: %s", member, why)

    def _end(self, member: Member) -> None:
        with suppress(Exception):
            self._ray.kill(member.actor, no_restart=True)

    def _fill(self) -> None:
        """Ask for an actor wherever there is room for one."""
        now_s = time.monotonic()
        if self.members and now_s - self._looked_s < _LOOK_FOR_ROOM_EVERY_S:
            return
        self._looked_s = now_s
        taken = {member.place for member in self.members}
        for place in places(self._ray.nodes(), on_gpu=self._on_gpu, threads=self._threads):
            if self._most is not None and len(self.members) >= self._most:
                break
            if place not in taken and self._failed[place] < _MOST_FAILED:
                self.members.append(Member(place, self._started(place)))

    def _started(self, place: Place) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return self._kind.options(
            num_cpus=place.cpus,
            num_gpus=place.gpus,
            max_concurrency=4,
            scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=False),
        ).remote()

    def _refuse_to_wait_for_ever(self) -> None:
        now_s = time.monotonic()
        if any(member.is_placed for member in self.members):
            self._had_one_s = now_s
        if not self.members and self._last_words and self.first_ready is None:
            raise EngineError(f"no Ray actor can score, the last one: {self._last_words}")
        if now_s - self._had_one_s > _WAIT_FOR_ROOM_S:
            kind = "GPU" if self._on_gpu else "CPUs"
            lost = f", the last one was lost: {self._last_words}" if self._last_words else ""
            raise Stopped(
                f"stopped: the Ray cluster has had no room for an actor for {_WAIT_FOR_ROOM_S:.0f}"
                f" s (no {kind} free{lost}). What is finished is kept: the same command continues"
            )


def _why(error: Exception) -> str:
    """A line; Ray's errors have many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "creation task" in str(error):  # which begins with the traceback
        return lines[-1]
    known = {"ActorDiedError": "it ended", "ActorUnavailableError": "it cannot be reached"}
    return known.get(type(error).__name__, lines[0] if lines else type(error).__name__)


def _differences(there: dict[str, str], here: dict[str, str]) -> str:
    names = [name for name in here | there if there.get(name) != here.get(name)]
    return ", ".join(f"{n} {there.get(n)} where this machine has {here.get(n)}" for n in names)
