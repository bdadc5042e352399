"""Events that wait: in order, bounded, and nobody starves."""

import asyncio
import logging

import pytest

from actors.call_control.ari import AriEvent
from actors.call_control.event_queue import AT_ONCE, DIGITS_AT_ONCE, MOST_CHANNELS, Digits, Down, EventQueue, Up

EVENT = AriEvent(type="StasisEnd")


def take(queue: EventQueue, count: int) -> list[object]:
    async def run() -> list[object]:
        async with asyncio.timeout(10):
            return [await queue.get() for _ in range(count)]

    return asyncio.run(run())


def test_what_comes_first_goes_first() -> None:
    queue = EventQueue()
    up, down = Up("127.0.0.1"), Down("gone")
    queue.put(up)
    queue.offer(EVENT, 10)
    queue.put(down)
    assert take(queue, 3) == [up, EVENT, down]


@pytest.mark.parametrize(("most_events", "most_bytes"), [(3, 10**9), (10**9, 30)])
def test_what_finds_no_room_is_dropped_and_an_up_after_the_flood_asks_for_a_comparison(
    most_events: int, most_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    queue = EventQueue(most_events, most_bytes)
    up = Up("127.0.0.1")
    queue.put(up)
    take(queue, 1)
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            queue.offer(EVENT, 10)
    assert (len(queue), queue.dropped, len(caplog.records)) == (3, 7, 1)
    assert take(queue, 4) == [EVENT, EVENT, EVENT, up]
    queue.offer(EVENT, 10)
    assert take(queue, 1) == [EVENT], "there is room again"


def test_that_the_connection_is_gone_always_finds_room() -> None:
    queue = EventQueue(1)
    queue.offer(EVENT, 0)
    queue.put(Down("gone"))
    assert take(queue, 2) == [EVENT, Down("gone")]


def test_others_have_their_turn_while_there_is_always_more() -> None:
    async def run() -> int:
        queue = EventQueue()
        for _ in range(4 * AT_ONCE):
            queue.offer(EVENT, 0)
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        for _ in range(4 * AT_ONCE):
            await queue.get()
        task.cancel()
        return turns

    assert asyncio.run(run()) >= 3


def test_a_flood_of_digits_of_one_channel_is_cut_and_another_is_not_touched(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    digits = Digits(lambda: now)
    with caplog.at_level(logging.WARNING):
        admitted = sum(digits.admits("17.1") for _ in range(10_000))
    assert admitted == DIGITS_AT_ONCE
    assert digits.refused == 10_000 - DIGITS_AT_ONCE
    assert len(caplog.records) == 1 and "17.1" in caplog.text
    assert digits.admits("17.2")
    now = 1.0
    assert sum(digits.admits("17.1") for _ in range(100)) == 20, "a second later there are 20 more"


def test_a_person_who_presses_keys_quickly_loses_none() -> None:
    now = 0.0
    digits = Digits(lambda: now)
    for number in range(1000):
        now = number / 12
        assert digits.admits("17.1")


def test_channels_without_end_do_not_fill_the_memory() -> None:
    now = 0.0
    digits = Digits(lambda: now)
    for number in range(3 * MOST_CHANNELS):
        now = float(number)
        digits.admits(f"17.{number}")
    assert len(digits) <= MOST_CHANNELS
