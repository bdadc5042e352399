"""When engines count as too slow for another call."""

from actors.conversation.pressure import WINDOW_NS, Pressure
from ipc.journal import CallerSaid, TurnTimed

S, MS = 1_000_000_000, 1_000_000


def turn(at_ns: int, took_ms: int, *, filler: bool = False) -> TurnTimed:
    begin = at_ns - took_ms * MS
    return TurnTimed(
        at_ns=at_ns,
        turn=1,
        last_speech_ns=begin,
        decided_ns=begin,
        heard_ns=begin,
        first_token_ns=begin,
        first_clause_ns=begin,
        first_audio_ns=begin,
        on_wire_ns=at_ns,
        filler=filler,
    )


def pressure(*took_ms: int, limit_ms: int = 1500) -> Pressure:
    """After turns that took so long, one every second from second 100 on."""
    made = Pressure(limit_ms)
    for number, took in enumerate(took_ms):
        made.note(turn(100 * S + number * S, took))
    return made


def test_turns_in_time_let_calls_in() -> None:
    assert not pressure(500, 600, 700, 1500).too_high(104 * S)


def test_a_quarter_of_late_turns_keeps_calls_out() -> None:
    assert pressure(500, 1600, 500, 500, 1600, 500, 500, 500, 1600, 500).too_high(110 * S)


def test_fewer_late_turns_do_not() -> None:
    assert not pressure(*[500] * 10, 1600, 1600, 1600).too_high(113 * S)


def test_two_late_turns_may_be_the_death_of_an_engine() -> None:
    assert not pressure(1600, 1600).too_high(102 * S)


def test_late_turns_are_forgotten() -> None:
    made = pressure(1600, 1600, 1600)
    assert made.too_high(103 * S)
    assert not made.too_high(102 * S + WINDOW_NS + 1)


def test_a_turn_that_began_with_a_filler_was_late() -> None:
    made = Pressure(5000)
    for number in range(3):
        made.note(turn(100 * S + number, 1500, filler=True))
    assert made.too_high(101 * S)


def test_without_a_limit_nothing_is_late() -> None:
    assert not pressure(9000, 9000, 9000, 9000, limit_ms=0).too_high(104 * S)


def test_other_records_say_nothing() -> None:
    made = Pressure(100)
    said = CallerSaid(at_ns=S, turn=1, text="", confidence=0, onset_ns=0, last_speech_ns=0, speech_ms=0, lost_frames=0)
    for _ in range(5):
        made.note(said)
    assert not made.too_high(2 * S)
