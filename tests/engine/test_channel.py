"""What joins two threads: order, back-pressure, errors, and an early end of either side."""

import threading
from collections.abc import Callable

import pytest

from bloodcell.engine.channel import Channel

WAIT_S = 10.0


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_items_come_in_order_and_then_the_end() -> None:
    channel: Channel[int] = Channel(3)
    for item in range(3):
        assert channel.put(item)
    channel.end()
    assert list(channel) == [0, 1, 2]
    assert list(channel) == []


def test_a_sender_waits_while_the_channel_is_full() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    second = in_thread(lambda: channel.put(2))
    second.join(0.1)
    assert second.is_alive()
    assert next(channel) == 1
    second.join(WAIT_S)
    assert not second.is_alive()
    assert next(channel) == 2


def test_an_error_comes_after_the_items_before_it_and_to_every_receiver() -> None:
    channel: Channel[int] = Channel(2)
    channel.put(1)
    channel.end(OSError("disk gone"))
    assert next(channel) == 1
    for _ in range(2):
        with pytest.raises(OSError, match="disk gone"):
            next(channel)


def test_the_first_error_is_the_one_that_is_raised() -> None:
    channel: Channel[int] = Channel(1)
    channel.end(OSError("first"))
    channel.end(OSError("then"))
    channel.end()
    with pytest.raises(OSError, match="first"):
        next(channel)


def test_senders_are_let_go_when_nobody_receives_any_more() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    sent: list[bool] = []
    waiting = in_thread(lambda: sent.append(channel.put(2)))
    channel.abandon()
    waiting.join(WAIT_S)
    assert sent == [False]
    assert list(channel) == []


def test_each_item_comes_to_one_of_several_receivers() -> None:
    channel: Channel[int] = Channel(2)
    received: list[list[int]] = [[], [], []]
    threads = [in_thread(lambda own=own: own.extend(channel)) for own in received]  # type: ignore[misc]
    for item in range(300):
        channel.put(item)
    channel.end()
    for thread in threads:
        thread.join(WAIT_S)
    assert sorted(item for own in received for item in own) == list(range(300))


def test_idle_is_a_channel_that_may_yet_be_sent_something() -> None:
    channel: Channel[int] = Channel(1)
    assert channel.is_idle()
    channel.put(1)
    assert not channel.is_idle()
    next(channel)
    channel.end()
    assert not channel.is_idle()
