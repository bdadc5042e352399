"""Who has answered a call that we made, in virtual time. Speech in ms from the answer."""

from typing import Literal

import pytest

from actors.conversation import events as ev
from actors.conversation.pickup import Pickup
from config.keeping import Outbound

MS = 1_000_000

HELLO = [(300, 800)]
COMPANY = [(200, 1100), (1300, 2000)]
"""Two words with a short pause, less than 2 s of it."""
MONOLOGUE = [(200, 1900), (2100, 4500)]
CLICK = [(200, 260)]


def answered_by(rules: Outbound, speech: list[tuple[int, int]], key_at: int = 0) -> tuple[str, int]:
    """Who it was, and after how many ms that was known."""
    pickup = Pickup(rules, 0)
    for number in range(3000):
        now = (number + 1) * 20
        if key_at and now >= key_at > now - 20:
            pickup.handle(ev.DigitPressed("1"), now * MS)
        spoken = any(start < now <= end for start, end in speech)
        pickup.handle(ev.FrameHeard(number, now * MS, spoken), now * MS)
        if pickup.by:
            return pickup.by, now
    raise AssertionError("it was never known")


Wanted = Literal["any", "voice", "key"]


@pytest.mark.parametrize(
    ("wanted", "speech", "key_at", "by", "after_ms"),
    [
        ("any", HELLO, 0, "person", 1400),
        ("voice", HELLO, 0, "person", 1400),
        ("key", HELLO, 0, "unknown", 5000),
        ("any", COMPANY, 0, "person", 2600),
        ("voice", MONOLOGUE, 0, "machine", 2220),
        ("any", MONOLOGUE, 0, "machine", 5000),
        ("any", MONOLOGUE, 3000, "person", 3000),
        ("key", [], 3000, "person", 3000),
        ("voice", [], 3000, "unknown", 5000),
        ("any", CLICK, 0, "unknown", 5000),
        ("any", [*CLICK, (2000, 2500)], 0, "person", 3100),
        ("any", [], 0, "unknown", 5000),
        ("voice", [(4800, 5200)], 0, "unknown", 5000),
    ],
)
def test_it_is_known(wanted: Wanted, speech: list[tuple[int, int]], key_at: int, by: str, after_ms: int) -> None:
    assert answered_by(Outbound(answered_by=wanted), speech, key_at) == (by, after_ms)


def test_how_long_is_waited_for_a_sign_is_set() -> None:
    assert answered_by(Outbound(detect_s=2.0), []) == ("unknown", 2000)


def test_what_comes_later_changes_nothing() -> None:
    pickup = Pickup(Outbound(), 0)
    pickup.handle(ev.Clock(), pickup.due_ns)
    pickup.handle(ev.DigitPressed("1"), pickup.due_ns + MS)
    assert pickup.by == "unknown"
