"""What the dialplan is told of a call, and what it is not told."""

from actors.conversation.outcome import LONGEST_VALUE, MOST, Outcome
from ipc.journal import CallerSaid, DigitsPressed, ToolRun

SECOND = 1_000_000_000


def said(turn: int) -> CallerSaid:
    return CallerSaid(
        at_ns=0, turn=turn, text="", confidence=1.0, onset_ns=0, last_speech_ns=0, speech_ms=0, lost_frames=0
    )


def test_turns_and_seconds_are_counted() -> None:
    outcome = Outcome(10 * SECOND)
    for record in (said(1), said(1), DigitsPressed(at_ns=0, digits="1"), said(3)):
        outcome.note(record)
    assert outcome.at_end("no_input", 71 * SECOND) == {
        "AGENT_OUTCOME": "no_input",
        "AGENT_TURNS": "3",
        "AGENT_SECONDS": "61",
    }


def test_names_are_made_harmless_or_refused() -> None:
    outcome = Outcome(0)
    values = {"day": "a", "AGENT_Time": "b", "SHELL(rm -rf /)": "c", "": "d", "_x": "e", "STATUS": "f", "a" * 41: "g"}
    taken, refused = outcome.set(values)
    assert taken == {"AGENT_DAY": "a", "AGENT_TIME": "b"}
    assert refused == ["SHELL(rm -rf /)", "", "_x", "STATUS", "a" * 41]


def test_values_are_one_short_line_and_not_without_end() -> None:
    outcome = Outcome(0)
    taken, _ = outcome.set({"note": "one\r\ntwo\x00 {three}" + "x" * 999})
    assert taken["AGENT_NOTE"].startswith("one two three") and len(taken["AGENT_NOTE"]) == LONGEST_VALUE
    _, refused = outcome.set({f"v{number}": "x" for number in range(MOST)})
    assert refused == [f"v{MOST - 1}"]
    assert outcome.set({"note": "again"}) == ({"AGENT_NOTE": "again"}, [])


def test_what_was_set_is_known_to_a_successor_and_outlives_the_end() -> None:
    outcome = Outcome(0)
    run = ToolRun(at_ns=0, turn=1, name="set_result", arguments={"outcome": "booked", "day": "Monday"}, outcome="done")
    outcome.note(run)
    assert outcome.told == "booked"
    assert outcome.at_end("goodbye", 0).items() >= {"AGENT_OUTCOME": "booked", "AGENT_DAY": "Monday"}.items()


def test_an_end_that_did_not_come_about_is_taken_back() -> None:
    outcome = Outcome(0)
    outcome.at_end("transferred:boss", 0)
    assert outcome.told == "transferred:boss"
    assert outcome.at_end("", 0)["AGENT_OUTCOME"] == "" and outcome.told == ""
