"""The turn machine, in virtual time. Times in ms from the start of the call; the agent's greeting takes 1.75 s."""

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.conversation import events as ev
from actors.conversation.events import HistoryLine
from actors.conversation.history import History
from actors.conversation.turns import Turns
from config.schema import BargeIn, NoInput
from config.schema import Turns as Rules
from ipc.journal import AgentSaid, BargedIn, CallerSaid, DigitsPressed, FalseBargeIn, NoiseIgnored, Record, TurnTimed
from tests.actors.conversation.stage import AGENT, MS, Stage

GREETING = AGENT.greeting
GREETED = 1800
"""When the greeting has been heard."""


def only(records: list[Record]) -> Record:
    assert len(records) == 1, records
    return records[0]


def test_the_agent_greets_first_and_then_listens() -> None:
    stage = Stage()
    stage.run(GREETED)
    assert stage.conversation == [("agent", GREETING)]
    assert stage.machine.phase == "idle"


def test_a_question_is_answered_and_both_are_remembered() -> None:
    stage = Stage(hears=lambda _: "are you open")
    stage.caller_speaks(2000, 3000)
    stage.run(8000)
    assert stage.conversation == [("agent", GREETING), ("caller", "are you open"), ("agent", "You said are you open.")]
    assert [(line.who, line.text) for line in stage.machine.history.lines] == [
        ("agent", GREETING),
        ("caller", "are you open"),
        ("agent", "You said are you open."),
    ]


def test_the_time_of_a_turn_is_accounted_for_from_the_last_speech_to_the_wire() -> None:
    stage = Stage(stt_ms=30, tts_ms=20, thinks=lambda _: [(100, "Yes. We are.")])
    stage.caller_speaks(2000, 3000)
    stage.run(8000)
    timed = only(stage.record(TurnTimed))
    assert isinstance(timed, TurnTimed)
    instants = (timed.last_speech_ns, timed.decided_ns, timed.heard_ns, timed.first_token_ns, timed.on_wire_ns)
    assert [at // MS for at in instants] == [3000, 3400, 3440, 3540, 3560]
    assert timed.first_clause_ns == timed.first_token_ns


def test_a_pause_shorter_than_the_patience_does_not_end_a_turn() -> None:
    stage = Stage(rules=Rules(end_silence_ms=400))
    stage.caller_speaks(2000, 2500)
    stage.caller_speaks(2860, 3500)
    stage.run(8000)
    finished = stage.kinds(ev.FinishHearing)
    assert [at for at, _ in finished] == [3900]


def test_who_was_not_understood_so_far_is_given_more_time() -> None:
    stage = Stage(rules=Rules(end_silence_ms=400, unclear_end_silence_ms=700), hears=lambda _: "")
    stage.caller_speaks(2000, 3000)
    stage.run(8000)
    assert [at for at, _ in stage.kinds(ev.FinishHearing)] == [3700]


def test_speech_that_holds_no_known_words_is_asked_about_and_not_ignored() -> None:
    asked: list[str] = []
    stage = Stage(hears=lambda _: "", thinks=lambda text: asked.append(text) or [(10, "Pardon?")])
    stage.caller_speaks(2000, 3000)
    stage.run(8000)
    assert asked == [""]
    assert stage.conversation[1:] == [("caller", ""), ("agent", "Pardon?")]


def test_a_click_is_no_turn() -> None:
    stage = Stage(hears=lambda _: "")
    stage.caller_speaks(2000, 2100)
    stage.run(4000)
    assert stage.conversation == [("agent", GREETING)]
    assert len(stage.record(NoiseIgnored)) == 1
    assert stage.machine.phase == "idle" and stage.machine.turn == 0


def test_barge_in_silences_the_agent_and_keeps_what_was_heard_of_its_reply() -> None:
    stage = Stage(hears=lambda _: "where are you")
    stage.caller_speaks(900, 2000)
    stage.run(6000)
    cut = stage.record(AgentSaid)[0]
    assert isinstance(cut, AgentSaid)
    assert cut.interrupted and cut.heard == "Good morning," and cut.text == GREETING
    assert stage.machine.history.lines[0] == HistoryLine("agent", "Good morning,")
    barged = only(stage.record(BargedIn))
    assert isinstance(barged, BargedIn)
    assert (barged.flushed_ns - barged.onset_ns) // MS == 120  # 140 ms of speech; the onset is a frame's end
    assert barged.silent_ns <= barged.flushed_ns


def test_a_cough_does_not_cost_the_agent_its_sentence() -> None:
    stage = Stage(hears=lambda _: "")
    stage.caller_speaks(900, 1080)
    stage.run(8000)
    assert len(stage.record(FalseBargeIn)) == 1
    assert stage.conversation == [("agent", "Good morning,"), ("agent", "front desk.")]


def test_the_greeting_can_be_protected() -> None:
    stage = Stage(rules=Rules(barge_in=BargeIn(protect_greeting_ms=10_000)))
    stage.caller_speaks(500, 1500)
    stage.run(4000)
    assert stage.conversation == [("agent", GREETING)]


def test_with_barge_in_switched_off_the_agent_finishes() -> None:
    stage = Stage(rules=Rules(barge_in=BargeIn(enabled=False)))
    stage.caller_speaks(500, 1500)
    stage.run(4000)
    assert stage.conversation == [("agent", GREETING)]


def test_who_goes_on_before_the_answer_is_heard_gets_one_answer_to_all_of_it() -> None:
    stage = Stage(
        hears=lambda utterance: {1: "on monday", 2: "on monday at nine"}[utterance],
        thinks=lambda text: [(600, f"Booked {text}.")],
    )
    stage.caller_speaks(2000, 2600)
    stage.caller_speaks(3200, 3800)
    stage.run(9000)
    assert stage.conversation == [
        ("agent", GREETING),
        ("caller", "on monday"),
        ("caller", "on monday at nine"),
        ("agent", "Booked on monday at nine."),
    ]
    assert {said.turn for said in stage.record(CallerSaid)} == {1}  # type: ignore[attr-defined]
    begun = [action.from_frame for _, action in stage.kinds(ev.BeginHearing)]  # type: ignore[union-attr]
    assert begun[0] == begun[1], "heard again from the start of the turn"
    assert [line.text for line in stage.machine.history.lines] == [
        GREETING,
        "on monday at nine",
        "Booked on monday at nine.",
    ]


def test_clauses_are_spoken_while_the_rest_is_still_being_thought() -> None:
    stage = Stage(thinks=lambda _: [(10, "Of course. "), (2000, "The doctor is in on Monday.")])
    stage.caller_speaks(2000, 3000)
    stage.run(10_000)
    first, second = (at for at, say in stage.kinds(ev.Say) if say.kind == "answer")  # type: ignore[union-attr]
    assert second - first == 2000
    assert stage.conversation[-1] == ("agent", "Of course. The doctor is in on Monday.")


def test_a_slow_answer_is_bridged_by_the_filler_once() -> None:
    stage = Stage(rules=Rules(filler_after_ms=1500), thinks=lambda _: [(5000, "Yes.")])
    stage.caller_speaks(2000, 3000)
    stage.run(12_000)
    fillers = [at for at, say in stage.kinds(ev.Say) if say.kind == "filler"]  # type: ignore[union-attr]
    assert fillers == [4500]
    assert stage.conversation[-1] == ("agent", "One moment. Yes.")


def test_what_is_understood_only_after_the_filler_is_answered_too() -> None:
    """As when another recogniser has to hear it again."""
    stage = Stage(rules=Rules(filler_after_ms=1500), stt_ms=2500)
    stage.caller_speaks(2000, 3000)
    stage.run(12_000)
    assert stage.conversation[-2:] == [("caller", "hello"), ("agent", "One moment. You said hello.")]


def test_an_answer_of_nothing_at_all_is_not_silence() -> None:
    stage = Stage(thinks=lambda _: [])
    stage.caller_speaks(2000, 3000)
    stage.run(8000)
    assert stage.conversation[-1] == ("agent", "Pardon?")


def test_a_silent_caller_is_asked_twice_and_then_told_goodbye() -> None:
    stage = Stage(rules=Rules(no_input=NoInput(after_s=8.0, max_prompts=2)))
    stage.run(60_000)
    assert stage.conversation == [
        ("agent", GREETING),
        ("agent", "Are you there?"),
        ("agent", "Hello?"),
        ("agent", "Goodbye."),
    ]
    assert stage.ended == "no input"


def test_the_goodbye_is_heard_to_its_last_sample_before_the_call_is_hung_up() -> None:
    hang_up = ev.AnswerTool(0, "hang_up", {})
    stage = Stage(thinks=lambda _: [(10, "Goodbye then."), (0, hang_up)])
    stage.caller_speaks(2000, 3000)
    stage.run(10_000)
    last = stage.record(AgentSaid)[-1]
    assert isinstance(last, AgentSaid)
    assert stage.ended and last.played == last.samples > 0
    assert not stage.kinds(ev.RunTool)


def test_who_interrupts_the_goodbye_is_not_hung_up_on() -> None:
    hang_up = ev.AnswerTool(0, "hang_up", {})
    answers = iter([[(10, "Goodbye then."), (0, hang_up)], [(10, "Nine to five.")]])
    stage = Stage(thinks=lambda _: next(answers))  # type: ignore[arg-type, return-value]
    stage.caller_speaks(2000, 3000)
    stage.caller_speaks(3700, 4700)
    stage.run(8000)
    assert not stage.ended
    assert stage.conversation[-1] == ("agent", "Nine to five.")


def test_a_booking_is_made_at_once_and_a_transfer_after_the_last_word() -> None:
    booking, transfer = ev.AnswerTool(0, "take_booking", {"day": "monday"}), ev.AnswerTool(0, "transfer", {})
    stage = Stage(thinks=lambda _: [(10, booking), (0, "I will put you through."), (0, transfer)])
    stage.caller_speaks(2000, 3000)
    stage.run(8000)
    (booked_at, booked), (moved_at, moved) = stage.kinds(ev.RunTool)
    heard_at = stage.said[-1][0]
    assert isinstance(booked, ev.RunTool) and isinstance(moved, ev.RunTool)
    assert (booked.name, moved.name) == ("take_booking", "transfer")
    assert booked_at < heard_at == moved_at


def test_a_call_does_not_last_for_ever() -> None:
    stage = Stage(rules=Rules(max_call_s=10, no_input=NoInput(after_s=300)))
    stage.run(60_000)
    assert stage.ended == "the call's time was up"
    assert stage.conversation[-1] == ("agent", "Goodbye.")


def test_who_talks_while_the_time_of_the_call_is_up_hears_one_goodbye_to_its_end() -> None:
    stage = Stage(rules=Rules(max_call_s=10))
    stage.caller_speaks(9000, 30_000)
    stage.run(60_000)
    assert stage.ended == "the call's time was up"
    assert [text for who, text in stage.conversation if who == "agent"][1:] == ["Goodbye."]


def test_who_talks_without_end_is_answered_all_the_same() -> None:
    stage = Stage(rules=Rules(max_turn_s=5))
    stage.caller_speaks(2000, 60_000)
    stage.run(8000)
    assert next(at for at, _ in stage.kinds(ev.FinishHearing)) <= 7000


def test_digits_pressed_together_are_one_entry_and_are_answered() -> None:
    stage = Stage()
    stage.at(2000, ev.DigitPressed("1"))
    stage.at(2400, ev.DigitPressed("#"))
    stage.run(8000)
    pressed = only(stage.record(DigitsPressed))
    assert isinstance(pressed, DigitsPressed) and pressed.digits == "1#"
    assert stage.conversation[-1] == ("agent", "You said pressed one pound.")


def test_a_cough_after_keys_does_not_cost_the_caller_their_answer() -> None:
    stage = Stage(hears=lambda _: "", thinks=lambda text: [(600, f"You said {text}.")])
    stage.at(2000, ev.DigitPressed("1"))
    stage.caller_speaks(3600, 3760)
    stage.run(9000)
    assert stage.conversation[-1] == ("agent", "You said pressed one.")
    assert len(stage.record(NoiseIgnored)) == 1 and stage.machine.turn == 1


def test_what_comes_from_a_cancelled_answer_or_an_older_utterance_is_left_alone() -> None:
    stage = Stage(thinks=lambda _: [(1000, "Late.")])
    stage.caller_speaks(2000, 3000)
    stage.run(3500)
    stage.at(3600, ev.AnswerText(99, "Someone else's."))
    stage.at(3600, ev.Transcript(99, "someone else", 1.0, 0))
    stage.at(3600, ev.ClauseWritten(1, 7, 0, 10, ()))
    stage.run(8000)
    assert stage.conversation[-1] == ("agent", "Late.")


def test_a_call_taken_over_goes_on_with_its_history_and_answers_what_was_not_answered() -> None:
    history = History([HistoryLine("agent", GREETING)], unanswered="are you open")
    machine = Turns(Rules(), 3, AGENT, generation=4, history=history, turn=1)
    asked = [action for action in machine.handle(ev.Started(), 1 * MS) if isinstance(action, ev.Ask)]
    assert [line.text for line in asked[0].lines] == [GREETING, "are you open"]


def test_at_the_callers_hang_up_it_is_written_down_what_they_heard() -> None:
    stage = Stage()
    stage.run(1000)
    stage.feed(ev.CallOver())
    said = only(stage.record(AgentSaid))
    assert isinstance(said, AgentSaid) and said.interrupted and said.heard == "Good morning,"


EVENTS = st.one_of(
    st.builds(ev.FrameHeard, st.just(0), st.just(0), st.booleans()),
    st.builds(ev.Transcript, st.integers(0, 4), st.sampled_from(["", "hello"]), st.just(0.5), st.just(0)),
    st.builds(ev.PartialText, st.integers(0, 4), st.sampled_from(["", "hello"])),
    st.builds(ev.AnswerText, st.integers(0, 4), st.sampled_from(["Yes. ", "no", "Well, then. I see. "])),
    st.builds(ev.AnswerTool, st.integers(0, 4), st.sampled_from(["hang_up", "transfer", "x"]), st.just({})),
    st.builds(ev.AnswerEnd, st.integers(0, 4)),
    st.builds(ev.ClauseWritten, st.integers(0, 6), st.integers(0, 3), st.integers(0, 999), st.just(800), st.just(())),
    st.builds(ev.WirePlayed, st.integers(0, 6), st.integers(0, 4000), st.just(1), st.just(2)),
    st.builds(ev.DigitPressed, st.sampled_from("0123456789*#")),
    st.sampled_from([ev.Clock(), ev.CallOver()]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 3000)), max_size=80))
def test_no_order_of_events_breaks_the_machine(steps: list[tuple[ev.Event, int]]) -> None:
    machine = Turns(Rules(), 3, AGENT)
    now = 1
    machine.handle(ev.Started(), now)
    generation = machine.generation
    for number, (event, delay_ms) in enumerate(steps):
        now += delay_ms * MS
        if isinstance(event, ev.FrameHeard):
            event = ev.FrameHeard(number, now, event.speech)
        over = machine.phase == "over"
        actions = machine.handle(event, now)
        assert not (over and actions)
        for action in actions:
            if isinstance(action, ev.Flush):
                assert action.generation > generation
                generation = action.generation
            if isinstance(action, ev.Say):
                assert action.text and action.generation == generation
