"""Key presses in packets of their own: each counts once, however many of its packets come."""

import random
import struct

import pytest

from actors.audio.telephone_event import OVER_NS, KeyPresses


def event(key: int, *, end: bool = False, duration: int = 160) -> bytes:
    return struct.pack(">BBH", key, 0x80 if end else 0, duration)


def press(key: int) -> list[bytes]:
    return [event(key, duration=160 * number) for number in range(1, 5)] + [event(key, end=True)] * 3


def test_a_key_counts_once_at_its_end() -> None:
    keys = KeyPresses()
    assert [keys.take(1000, packet, 0) for packet in press(5)] == ["", "", "", "", "5", "", ""]
    assert [keys.take(4000, packet, 0) for packet in press(11)] == ["", "", "", "", "#", "", ""]


def test_the_same_key_twice_is_two() -> None:
    keys = KeyPresses()
    assert "".join(keys.take(stamp, packet, 0) for stamp in (1000, 3000) for packet in press(1)) == "11"


@pytest.mark.parametrize("seed", range(20))
def test_as_long_as_one_of_its_packets_comes_the_key_counts_and_only_once(seed: int) -> None:
    rng = random.Random(seed)
    keys, pressed, heard = KeyPresses(), [rng.randrange(16) for _ in range(30)], ""
    for number, key in enumerate(pressed):
        packets = press(key)
        kept = rng.sample(packets, rng.randint(1, len(packets)))
        heard += "".join(keys.take((number * 3200 - 9000) % 2**32, packet, 0) for packet in kept)
    heard += keys.overdue(OVER_NS)
    assert heard == "".join("0123456789*#ABCD"[key] for key in pressed)


def test_a_key_whose_end_was_lost_counts_when_nothing_more_comes_of_it() -> None:
    keys = KeyPresses()
    keys.take(1000, event(9), 0)
    assert keys.overdue(OVER_NS - 1) == ""
    assert keys.overdue(OVER_NS) == "9"
    assert keys.overdue(2 * OVER_NS) == ""


def test_what_the_next_press_has_overtaken_is_stale_and_what_is_no_key_is_nothing() -> None:
    keys = KeyPresses()
    keys.take(9000, event(1, end=True), 0)
    assert keys.take(6000, event(2, end=True), 0) == ""
    assert keys.take(12_000, event(16, end=True), 0) == ""
    assert keys.take(15_000, b"\x01\x80", 0) == ""
