"""Who is blamed for lost workers: a row that ends two of them alone and as their first."""

from types import SimpleNamespace

import pyarrow as pa

from bloodcell.engine.suspects import Waiting


def table(*rows: int) -> pa.Table:
    return pa.table({"row": pa.array(rows, pa.int64()), "path": [str(row) for row in rows]})


def lost(
    *tables: pa.Table, alone: bool = True, sent: int = 1, lacked_memory: bool = False, born: int = 0
) -> SimpleNamespace:
    """What a worker looks like that was lost with ``tables`` after ``sent`` ones in all."""
    by_row = {one["row"][0].as_py(): one for one in tables}
    return SimpleNamespace(
        tables=by_row, is_alone=alone, tables_sent=sent, lacked_memory=lacked_memory, born=born
    )


IDLE = SimpleNamespace(tables={})


def taken(waiting: Waiting, worker: SimpleNamespace = IDLE) -> list[int] | None:
    """The rows of what ``worker`` is given."""
    given = waiting.take(worker)  # type: ignore[arg-type]
    return None if given is None else given["row"].to_pylist()


def suspect(waiting: Waiting, worker: SimpleNamespace) -> list[int]:
    """Whom the loss of ``worker`` makes blamed."""
    waiting.suspect(worker)  # type: ignore[arg-type]
    return [table["row"][0].as_py() for table in waiting.newly_blamed()]


def test_rows_of_a_lost_worker_are_tried_alone_before_anything_else() -> None:
    waiting = Waiting([table(8, 9)])
    assert suspect(waiting, lost(table(0, 1), table(4), alone=False, sent=5)) == []
    busy = SimpleNamespace(tables={6: table(6)})
    assert taken(waiting, busy) is None, "it would not be alone"
    assert [taken(waiting) for _ in range(4)] == [[0], [1], [4], [8, 9]]
    assert taken(waiting) is None
    assert waiting.is_suspect(table(4))
    assert not waiting.is_suspect(table(8, 9))


def test_a_row_that_ends_two_workers_as_their_first_is_blamed() -> None:
    waiting = Waiting([])
    suspect(waiting, lost(table(0, 1), alone=False))
    assert taken(waiting) == [0]
    assert suspect(waiting, lost(table(0))) == []
    assert taken(waiting) == [0], "again, before the others"
    assert suspect(waiting, lost(table(0))) == [0]
    assert [taken(waiting), taken(waiting)] == [[1], None]


def test_a_worker_that_had_others_before_blames_nobody() -> None:
    waiting = Waiting([])
    for _ in range(3):
        assert suspect(waiting, lost(table(7), sent=2)) == []
        assert taken(waiting) == [7]
    assert suspect(waiting, lost(table(7))) == []


def test_want_of_memory_blames_nobody_until_a_later_worker_had_enough() -> None:
    waiting = Waiting([table(9)])
    suspect(waiting, lost(table(7, 8), alone=False))
    for row in (7, 8):
        assert taken(waiting) == [row]
        assert suspect(waiting, lost(table(row), lacked_memory=True, born=5)) == []
    assert taken(waiting) == [9], "all others before"
    waiting.scored(SimpleNamespace(born=4))  # type: ignore[arg-type]
    for _ in range(2):
        assert [taken(waiting), taken(waiting)] == [[7], [8]], "where there are no others"
        assert suspect(waiting, lost(table(7), lacked_memory=True, born=6)) == []
        assert suspect(waiting, lost(table(8), lacked_memory=True, born=7)) == []
    waiting.scored(SimpleNamespace(born=8))  # type: ignore[arg-type]
    assert taken(waiting) == [7]
    assert suspect(waiting, lost(table(7), lacked_memory=True, born=9)) == []
    assert taken(waiting) == [7]
    assert suspect(waiting, lost(table(7), lacked_memory=True, born=10)) == [7]


def test_a_worker_lost_with_nothing_to_do_makes_nobody_suspect() -> None:
    waiting = Waiting([table(3)])
    assert suspect(waiting, lost()) == []
    assert taken(waiting) == [3]
