"""Which part goes to whom: each is done once, by whoever is first. Knows nothing of Ray."""

from collections import Counter, deque
from collections.abc import Hashable, Iterable

from bloodcell.errors import EngineError

AHEAD = 2
"""Parts that one has at once, so that it need not wait for the next one."""
_MOST_AT_WORK_ON_A_PART = 2
_MOST_LOSSES = 5
"""Of those that had a part, before it is taken for what ends them."""


class Spread:
    """Parts that are still to be done, and who has them.

    Who has nothing to do is given, once nothing waits, what another has had for the shortest time:
    that has most of its work before it.
    """

    def __init__(self, parts: Iterable[int]) -> None:
        self._waiting = deque(parts)
        self._held: dict[Hashable, list[int]] = {}
        self._open = set(self._waiting)
        self._losses: Counter[int] = Counter()

    @property
    def is_finished(self) -> bool:
        """Whether every part is done."""
        return not self._open

    def take(self, who: Hashable) -> int | None:
        """A part for ``who`` to begin; None for nothing now."""
        held = self._held.setdefault(who, [])
        if len(held) >= AHEAD:
            return None
        part = self._waiting.popleft() if self._waiting else None
        if part is None and not held:
            part = self._straggler()
        if part is not None:
            held.append(part)
        return part

    def done(self, who: Hashable, part: int) -> bool:
        """``who`` has done ``part``; False if another was first and it is to be dropped."""
        if part in self._held.get(who, ()):
            self._held[who].remove(part)
        is_first = part in self._open
        self._open.discard(part)
        return is_first

    def others_with(self, part: int) -> list[Hashable]:
        """Who has ``part`` although it is done; they have it no longer afterwards."""
        others = [who for who, held in self._held.items() if part in held]
        for who in others:
            self._held[who].remove(part)
        return others

    def lose(self, who: Hashable, why: str) -> list[int]:
        """``who`` is gone; gives the parts it had. They wait again, before all others.

        Raises EngineError if so many had one of them and were lost that it is taken for the cause.
        """
        lost = [part for part in self._held.pop(who, []) if part in self._open]
        for part in lost:
            self._losses[part] += 1
            if self._losses[part] >= _MOST_LOSSES:
                raise EngineError(
                    f"{_MOST_LOSSES} Ray actors were lost while they had part {part}, the last "
                    f"one: {why}. Score its cells by themselves to find out why"
                )
        held_by_others = {part for held in self._held.values() for part in held}
        self._waiting.extendleft(part for part in reversed(lost) if part not in held_by_others)
        return lost

    def _straggler(self) -> int | None:
        at_work = Counter(part for held in self._held.values() for part in held)
        # The order in which they were given is that of each list.
        latest = [part for held in self._held.values() for part in reversed(held)]
        few = [part for part in latest if at_work[part] < _MOST_AT_WORK_ON_A_PART]
        return few[0] if few else None
