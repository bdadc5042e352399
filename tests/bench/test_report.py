"""What a call came to: the caller's account by the wire, beside the agent's by its journal."""

import json
from collections.abc import Sequence

from msgspec.structs import replace

from bench.caller import Line, Spoken
from bench.report import PARTS, Turn, parts_ms, report, turns
from ipc.journal import Record
from tests.bench.call import agent, barged_in, caller, ended, keys, spoken, started, timed

OPEN = Line("are you open", heard=("open",), reply="until nine")
GREETING = agent(300, 2000, "Good morning.", kind="greeting")

RECORDS: tuple[Record, ...] = (
    started(),
    GREETING,
    caller(3000, 4000, "are you open", 1),
    timed(4000, 1),
    agent(4475, 6000, "Yes, until nine.", 1),
    ended(9000),
)
SPOKEN = [spoken(OPEN, 2990, 3985, reply_ms=4480)]


def only(said: Sequence[Spoken], records: Sequence[Record]) -> Turn:
    (turn,) = turns(said, records)
    return turn


def test_a_line_is_matched_with_what_was_heard_answered_and_timed() -> None:
    assert only(SPOKEN, RECORDS) == Turn(
        caller_said="are you open",
        heard="are you open",
        agent_said="Yes, until nine.",
        understood=True,
        voice_to_voice_ms=495.0,
        barge_in_silence_ms=None,
        parts_ms={"endpointing": 400.0, "stt": 30.0, "llm": 20.0, "tts": 15.0, "mouth": 10.0},
    )


def test_the_parts_of_an_answers_time_add_up_to_the_whole() -> None:
    parts = parts_ms(timed(4000, 1))
    assert tuple(parts) == PARTS and sum(parts.values()) == 475.0


def test_a_part_that_did_not_happen_is_left_out() -> None:
    filler = replace(timed(4000, 1), filler=True, first_token_ns=0, first_clause_ns=0)
    assert list(parts_ms(filler)) == ["endpointing", "stt", "mouth"]


def test_a_line_of_which_a_word_was_missed_was_not_understood() -> None:
    records = [caller(3000, 4000, "are you often", 1), agent(4475, 6000, "Yes, until nine.", 1)]
    assert not only(SPOKEN, records).understood


def test_a_line_that_got_the_wrong_answer_was_not_understood() -> None:
    records = [caller(3000, 4000, "are you open", 1), agent(4475, 6000, "On Maple Street.", 1)]
    assert not only(SPOKEN, records).understood


def test_a_line_that_the_agent_took_for_nothing_was_not_understood() -> None:
    turn = only(SPOKEN, [GREETING])
    assert (turn.heard, turn.agent_said, turn.understood, turn.parts_ms) == (None, "", False, {})


def test_a_line_that_nobody_can_understand_must_not_be_understood() -> None:
    nonsense = Line("seventeen purple bicycles", reply="pardon")
    said = [spoken(nonsense, 3000, 4000)]
    pardon = agent(4475, 5000, "Pardon?", 1)
    assert only(said, [caller(3000, 4000, "", 1), pardon]).understood
    assert not only(said, [caller(3000, 4000, "are you open", 1), pardon]).understood, "it made words up"


def test_who_goes_on_is_heard_with_their_last_word() -> None:
    records = [caller(3000, 3600, "are you", 1), caller(3000, 4000, "are you open", 1), RECORDS[4]]
    assert only(SPOKEN, records).understood


def test_lines_are_told_apart_by_when_they_ended() -> None:
    where = Line("where are you", heard=("where",), reply="maple")
    said = [*SPOKEN, spoken(where, 8000, 9000, reply_ms=9500)]
    records = [
        *RECORDS[:-1],
        caller(8000, 9010, "where are you", 2),
        timed(9010, 2),
        agent(9500, 10_000, "On Maple Street.", 2),
    ]
    assert [(turn.heard, turn.understood) for turn in turns(said, records)] == [
        ("are you open", True),
        ("where are you", True),
    ]


def test_an_answer_that_went_on_after_a_false_alarm_is_one_answer() -> None:
    records = [
        caller(3000, 4000, "are you open", 1),
        agent(4475, 5000, "Yes, until nine. Do come.", 1, heard="Yes,"),
        agent(5800, 7000, "until nine. Do come.", 1),
    ]
    assert only(SPOKEN, records).agent_said == "Yes, until nine. Do come."


def test_prompts_and_goodbyes_to_a_silent_caller_are_no_answers() -> None:
    records = [
        *RECORDS[:-1],
        agent(14_000, 15_000, "Are you still there?", 1, kind="prompt"),
        agent(24_000, 25_000, "Goodbye.", 1, kind="goodbye"),
    ]
    assert only(SPOKEN, records).agent_said == "Yes, until nine."


def test_keys_are_matched_with_the_answer_that_followed_them() -> None:
    press = Line(press="12", reply="booked")
    said = [spoken(press, 3000, 3500)]
    records = [
        GREETING,
        keys(2000, "12"),
        agent(2500, 2900, "No.", 1),
        keys(5000, "12"),
        agent(5500, 6000, "Booked.", 2),
    ]
    turn = only(said, records)
    assert (turn.caller_said, turn.agent_said, turn.understood) == ("(pressed 12)", "Booked.", True)
    assert not only(said, records[:3]).understood


def test_an_interruption_tells_how_long_the_agent_went_on_at_the_callers_ear() -> None:
    interrupting = Line("stop", heard=("stop",), interrupt_after_ms=500)
    said = [spoken(interrupting, 1000, 1400, reply_ms=2000, silent_ms=1160)]
    records = [agent(300, 1130, "Good morning.", kind="greeting", heard="Good"), caller(1010, 1400, "stop", 1)]
    assert only(said, records).barge_in_silence_ms == 160.0


def test_a_call_is_well_when_every_line_was_said_and_understood() -> None:
    assert report(SPOKEN, RECORDS, planned=1)["ok"] is True
    assert report(SPOKEN, RECORDS, planned=2)["ok"] is False, "the call ended before the second line"
    assert report([], RECORDS, planned=0)["ok"] is True


def test_the_report_tells_of_the_first_sound_the_interruptions_and_the_pacer() -> None:
    made = report(SPOKEN, [*RECORDS, barged_in(1000, 2)], planned=1)
    assert made["first_audio_ms"] == 300.0
    assert made["barge_ins"] == 1
    assert made["engines"] == {"stt": "pocketsphinx", "llm": "scripted", "tts": "espeak"}
    assert made["audio"] == {
        "frames_sent": 1500,
        "late_ms": {"p50": 0.1, "p99": 1.2, "max": 4.0},
        "underruns": 1,
        "lost": 5,
        "samples_made_but_not_played": 0,
    }


def test_samples_that_were_made_and_not_played_are_lost_words_unless_the_caller_interrupted() -> None:
    cut = agent(4475, 5000, "Yes, until nine.", 1, heard="Yes,", played=300)
    lost = agent(4475, 5000, "Yes, until nine.", 2, played=700)
    audio = report(SPOKEN, [started(), cut, lost], planned=1)["audio"]
    assert isinstance(audio, dict) and audio["samples_made_but_not_played"] == 100


def test_a_call_that_came_to_nothing_has_a_report_too() -> None:
    assert report([], [], planned=3)["ok"] is False
    assert report([Spoken(OPEN)], [started()], planned=1)["first_audio_ms"] is None


def test_it_can_be_written_as_json() -> None:
    made = report(SPOKEN, RECORDS, planned=1)
    assert json.loads(json.dumps(made)) == made
