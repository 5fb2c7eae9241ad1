"""Who is given which part: each is done once, by whoever is first."""

import pytest

from bloodcell.errors import EngineError
from bloodcell.ray.nodes import Place, places
from bloodcell.ray.spread import Spread


def taken(spread: Spread, who: str) -> list[int]:
    """All that ``who`` is given now."""
    parts = []
    while (part := spread.take(who)) is not None:
        parts.append(part)
    return parts


def test_parts_are_handed_out_two_ahead_and_done_once() -> None:
    spread = Spread(range(5))
    assert [taken(spread, who) for who in "ab"] == [[0, 1], [2, 3]]
    assert spread.done("a", 0)
    assert taken(spread, "a") == [4]
    assert all([spread.done("a", 1), spread.done("b", 2), spread.done("b", 3)])
    assert not spread.is_finished
    assert spread.done("a", 4)
    assert spread.is_finished
    assert taken(spread, "b") == []


def test_who_has_nothing_to_do_takes_what_another_has_begun_last_and_the_first_answer_wins() -> (
    None
):
    spread = Spread(range(4))
    assert [taken(spread, who) for who in ("slow", "fast")] == [[0, 1], [2, 3]]
    assert spread.done("fast", 2)
    assert taken(spread, "fast") == []  # It has one of its own yet.
    assert spread.done("fast", 3)
    assert taken(spread, "fast") == [1]
    assert taken(spread, "third") == [0]  # 1 has two at work already.
    assert spread.done("fast", 1)
    assert spread.others_with(1) == ["slow"]
    assert not spread.done("slow", 1)
    assert spread.done("slow", 0)
    assert spread.others_with(0) == ["third"]
    assert spread.is_finished


def test_what_a_lost_one_had_is_given_first_and_not_while_another_has_it() -> None:
    spread = Spread(range(5))
    assert [taken(spread, who) for who in "ab"] == [[0, 1], [2, 3]]
    assert spread.lose("a", "killed") == [0, 1]
    assert spread.done("b", 2)
    assert taken(spread, "b") == [0]
    assert taken(spread, "c") == [1, 4]
    for part in (3, 0):
        assert spread.done("b", part)
    assert taken(spread, "b") == [4]
    assert spread.lose("c", "killed") == [1, 4]
    assert taken(spread, "b") == [1]
    assert spread.lose("nobody", "killed") == []


def test_a_part_that_ends_one_after_the_other_is_given_up() -> None:
    spread = Spread([7])
    for number in range(4):
        assert taken(spread, str(number)) == [7]
        spread.lose(str(number), "killed")
    assert taken(spread, "last") == [7]
    with pytest.raises(EngineError, match="5 Ray actors were lost while they had part 7"):
        spread.lose("last", "out of memory")


def node(name: str, cpus: float, gpus: float = 0, *, alive: bool = True) -> dict[str, object]:
    return {
        "NodeID": name, "NodeManagerHostname": name, "NodeManagerAddress": "10.0.0.1",
        "Alive": alive, "Resources": {"CPU": cpus, "GPU": gpus},
    }  # fmt: skip


def test_actors_are_one_a_node_or_as_many_as_fit_or_one_a_gpu() -> None:
    nodes = [node("head", 0), node("a", 8, 2), node("b", 4), node("gone", 8, alive=False)]

    def found(threads: int | None, *, on_gpu: bool) -> list[tuple[str, int]]:
        made = places(nodes, on_gpu=on_gpu, threads=threads)
        return [(place.node, place.cpus) for place in made]

    assert found(None, on_gpu=False) == [("a", 8), ("b", 4)]
    assert found(3, on_gpu=False) == [("a", 3), ("b", 3), ("a", 3)]
    assert found(None, on_gpu=True) == [("a", 4), ("a", 4)]
    assert found(16, on_gpu=True) == [("a", 4), ("a", 4)]
    assert places(nodes, on_gpu=True, threads=1)[1] == Place("a", "a (10.0.0.1)", 1, 1, 1)
