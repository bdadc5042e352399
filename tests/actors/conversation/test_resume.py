"""A conversation actor dies, and its successor knows from the journal what was said, heard and left unanswered."""

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.conversation import events as ev
from actors.conversation.course import Course
from actors.conversation.events import HistoryLine
from actors.conversation.resume import Past, past
from actors.conversation.turns import Turns
from config.schema import Turns as Rules
from ipc.journal import (
    AgentSaid,
    BargedIn,
    CallAnswered,
    CallEnded,
    CallerAway,
    CallerSaid,
    CallStarted,
    Consulted,
    ConsultSaid,
    DigitsPressed,
    EngineLost,
    NoiseIgnored,
    Noted,
    ProviderLost,
    Record,
    ToolRun,
    TurnTimed,
)
from tests.actors.conversation.stage import AGENT, MS, Stage

STARTED = CallStarted(
    at_ns=1,
    call_id="c1",
    holder="conversation.1",
    agent="desk",
    pipeline="embedded",
    engines={},
    caller_number="",
    caller_name="",
    rate=8000,
    arrived_ns=0,
    wall="",
)
ENDED = CallEnded(
    at_ns=9,
    cause="caller hung up",
    frames_sent=0,
    frames_received=0,
    underruns=0,
    skipped=0,
    corrupt=0,
    takeovers=0,
    late_ms={},
)


def agent(text: str, heard: str | None = None, turn: int = 0) -> AgentSaid:
    return AgentSaid(
        at_ns=2,
        turn=turn,
        kind="answer",
        text=text,
        heard=text if heard is None else heard,
        interrupted=heard is not None,
        generation=1,
        samples=0,
        played=0,
        first_ns=0,
        last_ns=0,
    )


def caller(text: str, turn: int = 1) -> CallerSaid:
    return CallerSaid(
        at_ns=3, turn=turn, text=text, confidence=1.0, onset_ns=0, last_speech_ns=0, speech_ms=0, lost_frames=0
    )


def after(*records: Record) -> Past:
    known = past((STARTED, *records))
    assert known is not None
    return known


def lines(known: Past) -> list[tuple[str, str]]:
    return [(line.who, line.text) for line in known.history.lines]


def test_the_conversation_is_known_as_far_as_it_was_heard() -> None:
    known = after(agent("Good morning."), caller("are you open"), agent("Yes we are. Until nine.", "Yes we are.", 1))
    assert lines(known) == [("agent", "Good morning."), ("caller", "are you open"), ("agent", "Yes we are.")]
    assert (known.history.unanswered, known.turn, known.started) == (None, 1, STARTED)


def test_a_question_that_was_not_answered_yet_is_known_to_be_open() -> None:
    known = after(agent("Good morning."), caller("are you open"))
    assert lines(known) == [("agent", "Good morning.")]
    assert known.history.unanswered == "are you open"


def test_speech_that_was_not_understood_is_to_be_answered_too() -> None:
    assert after(agent("Good morning."), caller("")).history.unanswered == ""


def test_of_one_turn_the_last_word_counts() -> None:
    known = after(caller("on monday"), caller("on monday at nine"), agent("Booked.", turn=1))
    assert lines(known) == [("caller", "on monday at nine"), ("agent", "Booked.")]


def test_a_reply_of_which_nothing_was_heard_answers_but_was_not_said() -> None:
    known = after(caller("hello"), agent("Hello to you.", "", 1))
    assert lines(known) == [("caller", "hello")] and known.history.unanswered is None


def test_keys_are_part_of_the_conversation() -> None:
    known = after(agent("Press one."), DigitsPressed(at_ns=3, digits="1#"))
    assert (known.history.unanswered, known.turn) == ("pressed one pound", 1)
    known = after(agent("Press one."), DigitsPressed(at_ns=3, digits="1"), agent("Thanks.", turn=1))
    assert lines(known) == [("agent", "Press one."), ("caller", "pressed one"), ("agent", "Thanks.")]


def test_what_is_no_part_of_the_conversation_changes_nothing() -> None:
    others = (
        NoiseIgnored(at_ns=4, speech_ms=100),
        BargedIn(at_ns=4, turn=1, onset_ns=0, flushed_ns=0, silent_ns=0),
        EngineLost(at_ns=5, role="stt", actor="stt.1", reason="", successor=""),
    )
    known, without = after(caller("hello"), *others), after(caller("hello"))
    assert (lines(known), known.history.unanswered, known.turn) == (lines(without), "hello", 1)


def test_it_is_known_since_when_the_caller_may_have_said_more() -> None:
    assert after(agent("Good morning."), caller("hello")).until_ns == 3


def test_what_was_only_timed_or_noted_is_not_understood_yet() -> None:
    timed = TurnTimed(
        at_ns=9,
        turn=1,
        last_speech_ns=4,
        decided_ns=5,
        heard_ns=0,
        first_token_ns=0,
        first_clause_ns=0,
        first_audio_ns=6,
        on_wire_ns=7,
        filler=True,
    )
    noted = Noted(at_ns=10, what="media moved", detail={})
    assert after(caller("hello"), timed, noted).until_ns == 3


def test_a_call_that_is_over_is_not_taken_over() -> None:
    assert past([STARTED, caller("hello"), ENDED]) is None


def test_a_journal_without_its_beginning_is_no_call() -> None:
    assert past([]) is None
    assert past([caller("hello")]) is None


SPEECH = st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from([60, 160, 600, 1500])), max_size=8)
KEYS = st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from("19#")), max_size=4)
HEARD = st.lists(st.sampled_from(["", "hello", "where are you"]), min_size=1, max_size=4)


@settings(max_examples=30, deadline=None)
@given(SPEECH, KEYS, HEARD)
def test_at_every_moment_of_every_call_the_journal_knows_what_the_agent_knew(
    speech: list[tuple[int, int]], keys: list[tuple[int, str]], heard: list[str]
) -> None:
    stage = Stage(rules=Rules(max_call_s=600), hears=lambda utterance: heard[utterance % len(heard)])
    for start, length in speech:
        stage.caller_speaks(start, start + length)
    for at, key in keys:
        stage.at(at, ev.DigitPressed(key))
    for now in range(20, 24_000, 20):
        stage.run(now)
        known = after(*stage.records)
        told = stage.machine.history
        assert known.history.lines == told.lines, f"at {now} ms, after {stage.conversation}"
        assert known.history.unanswered == told.unanswered, f"at {now} ms, after {stage.conversation}"
        turns = [record.turn for record in stage.records if isinstance(record, AgentSaid | CallerSaid)]
        assert max(turns, default=0) <= known.turn <= stage.machine.turn, "the successor's next turn has a new number"


def test_what_the_caller_is_to_be_told_of_a_tool_is_known() -> None:
    failed = ToolRun(at_ns=4, turn=1, name="transfer", arguments={}, outcome="failed: nobody there")
    done = ToolRun(at_ns=4, turn=1, name="take_booking", arguments={}, outcome="done")
    told = ToolRun(at_ns=4, turn=1, name="transfer", arguments={}, outcome="unreachable: BUSY")
    known = after(caller("a person"), agent("Of course.", turn=1), done, told, failed)
    assert lines(known)[2:] == [("tool", "failed: transfer: nobody there")]
    machine = Course(Rules(), 3, AGENT, history=known.history, turn=known.turn)
    asked = [action for action in machine.handle(ev.Started(), MS) if isinstance(action, ev.Ask)]
    assert [action.lines[-1].who for action in asked] == ["tool"]


def test_where_the_caller_is_and_who_is_being_asked_is_known() -> None:
    ringing = Consulted(at_ns=4, destination="boss", state="ringing", reason="It is urgent.")
    asking = Consulted(at_ns=5, destination="boss", state="asking")
    ended = Consulted(at_ns=6, destination="boss", state="ended", reason="declined")
    assert (after(ringing).consult, after(ringing).reason) == (ringing, "It is urgent.")
    assert (after(ringing, asking).consult, after(ringing, asking).reason) == (asking, "It is urgent.")
    assert after(ringing, asking, ended).consult is None
    assert not after(caller("hello")).away
    assert after(CallerAway(at_ns=4, away=True)).away
    assert not after(CallerAway(at_ns=4, away=True), CallerAway(at_ns=5, away=False)).away
    assert after(CallAnswered(at_ns=4, by="person", after_ms=900)).answered


def test_what_was_said_to_a_person_is_no_part_of_the_conversation() -> None:
    known = after(caller("hello"), ConsultSaid(at_ns=4, who="person", text="no"))
    assert (lines(known), known.history.unanswered) == ([], "hello")


def test_a_call_that_a_provider_has_lost_is_a_pipelines() -> None:
    lost = ProviderLost(at_ns=4, provider="speaker", reason="", pipeline="embedded", engines={"stt": "pocketsphinx"})
    known = after(caller("hello"), lost)
    assert (known.started.provider, known.started.pipeline) == ("", "embedded")


def test_who_had_put_us_on_hold_is_left_alone_by_a_successor_and_answered_when_they_are_back() -> None:
    known = after(agent("Good morning."), caller("are you open"), CallerAway(at_ns=4, away=True))
    machine = Course(Rules(), 3, AGENT, history=known.history, turn=known.turn, away=known.away)
    assert machine.handle(ev.Started(), MS) == []
    asked = [action for action in machine.handle(ev.Held(False), 2 * MS) if isinstance(action, ev.Ask)]
    assert [action.lines[-1].text for action in asked] == ["are you open"]


def test_a_successor_answers_what_was_left_open_with_the_whole_history() -> None:
    known = after(agent("Good morning."), caller("are you open"))
    machine = Turns(Rules(), 3, AGENT, generation=7, history=known.history, turn=known.turn)
    asked = [action for action in machine.handle(ev.Started(), MS) if isinstance(action, ev.Ask)]
    assert [action.lines for action in asked] == [
        (HistoryLine("agent", "Good morning."), HistoryLine("caller", "are you open"))
    ]
