"""Whom the agent talks to, in virtual time: the caller, a person who is asked to take the call, or nobody yet.

Times in ms from the start of the call; the greeting has been heard at 1800. `said` shows what both sides heard, with
what was said to the person and by them marked.
"""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from actors.conversation import events as ev
from actors.conversation.details import Details
from config.agent import Consulting
from config.keeping import Outbound
from config.schema import NoInput
from config.schema import Turns as Rules
from ipc.journal import AgentSaid, CallAnswered, CallerAway, CallerSaid, Consulted
from tests.actors.conversation.stage import AGENT, MS, Stage

TEXTS = Consulting(
    trying="I am trying to reach {destination}.",
    waiting=("Still trying.",),
    announce="A call from {caller_name}. {reason} Yes or no?",
    again="Yes or no?",
    no_answer="Nobody is there.",
    busy="They are busy.",
    declined="They have no time.",
    cancelled="I have stopped.",
    failed="It did not work.",
)
DESK = structs.replace(
    AGENT, consult=TEXTS, trouble="I have to pass you on.", outbound_greeting="Hello, it is the desk."
)
ADA = Details("Ada", "5551234")
BEGUN = ev.ConsultBegun("person", "the practice", "It is a tooth ache.", ring_s=30, decide_s=20)
TO_PERSON, BY_PERSON = "agent (consulting)", "person (consulting)"
ANNOUNCED = "A call from Ada. It is a tooth ache. Yes or no?"


def stage(**changes: object) -> Stage:
    return Stage(**({"agent": DESK, "details": ADA} | changes))  # type: ignore[arg-type]


def consulted(**changes: object) -> Stage:
    """At 2000 it rings, at 5000 the person answers; the announcement ends at 8320."""
    scene = stage(**changes)
    scene.at(2000, BEGUN)
    scene.at(5000, ev.ConsultChanged("asking"))
    return scene


def decisions(scene: Stage) -> list[tuple[int, bool, str]]:
    found = [(at, action) for at, action in scene.actions if isinstance(action, ev.DecideConsult)]
    return [(at, decision.accepted, decision.reason) for at, decision in found]


def states(scene: Stage) -> list[tuple[str, str]]:
    return [(record.state, record.reason) for record in scene.records if isinstance(record, Consulted)]


def said_to(scene: Stage, *whom: str) -> list[str]:
    return [text for who, text in scene.conversation if who in whom]


# -- an attended transfer: it rings


def test_while_it_rings_the_caller_may_go_on_talking_to_the_agent() -> None:
    scene = stage()
    scene.at(2000, BEGUN)
    scene.caller_speaks(5000, 6000)
    scene.run(10_000)
    assert scene.conversation[1:] == [
        ("agent", "I am trying to reach the practice."),
        ("caller", "hello"),
        ("agent", "You said hello."),
    ]
    assert states(scene) == [("ringing", "It is a tooth ache.")]


def test_a_silent_caller_is_told_that_it_still_rings_and_never_sent_away() -> None:
    scene = stage(rules=Rules(no_input=NoInput(after_s=4, max_prompts=1)))
    scene.at(2000, BEGUN)
    scene.run(29_000)
    assert scene.conversation[2:] == [("agent", "Still trying.")] * 5
    assert not scene.ended


@pytest.mark.parametrize("key", ["0", "*"])
def test_the_caller_calls_it_off_with_a_key(key: str) -> None:
    scene = stage()
    scene.at(2000, BEGUN)
    scene.at(6000, ev.DigitPressed(key))
    scene.at(6100, ev.DigitPressed(key))
    scene.at(6200, ev.ConsultChanged("ended", "cancelled"))
    scene.run(9000)
    assert [at for at, _ in scene.kinds(ev.CancelConsult)] == [6000]
    assert scene.conversation[-1] == ("agent", "I have stopped.")


def test_the_caller_calls_it_off_in_words_by_the_tool() -> None:
    scene = stage(thinks=lambda _: [(10, "All right."), (0, ev.AnswerTool(0, "cancel_transfer", {}))])
    scene.at(2000, BEGUN)
    scene.caller_speaks(5000, 6000)
    scene.at(6600, ev.ConsultChanged("ended", "cancelled"))
    scene.run(12_000)
    assert len(scene.kinds(ev.CancelConsult)) == 1 and not scene.kinds(ev.RunTool)
    assert said_to(scene, "agent")[-2:] == ["All right.", "I have stopped."]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("User busy", "They are busy."),
        ("no answer", "Nobody is there."),
        ("User alerting, no answer", "Nobody is there."),
        ("Normal Clearing", "Nobody is there."),
        ("Call Rejected", "They have no time."),
        ("Circuit/channel congestion", "It did not work."),
        ("", "It did not work."),
    ],
)
def test_the_caller_hears_why_nobody_came_and_goes_on_with_the_same_history(reason: str, text: str) -> None:
    scene = stage()
    scene.at(2000, BEGUN)
    scene.at(7000, ev.ConsultChanged("ended", reason))
    scene.caller_speaks(10_000, 11_000)
    scene.run(15_000)
    assert said_to(scene, "agent")[2] == text
    assert scene.conversation[-1] == ("agent", "You said hello.")
    assert [line.text for line in scene.machine.history.lines][-3:] == [text, "hello", "You said hello."]


def test_that_it_rings_is_not_said_to_its_end_when_it_does_not() -> None:
    scene = stage()
    scene.at(2000, BEGUN)
    scene.at(3000, ev.ConsultChanged("ended", "busy"))
    scene.run(6000)
    assert said_to(scene, "agent")[1:] == ["I am trying to", "They are busy."]


def test_a_transfer_that_is_refused_is_no_transfer() -> None:
    scene = stage()
    scene.at(2000, BEGUN)
    scene.at(2100, ev.ConsultRefused("no such extension"))
    scene.at(2100, ev.ToolFailed("transfer", "no such extension"))
    scene.run(9000)
    assert scene.talk.mode == "caller"
    assert states(scene) == [("ringing", "It is a tooth ache."), ("ended", "no such extension")]
    assert scene.conversation[-1] == ("agent", "You said failed: transfer: no such extension.")


def test_when_no_word_comes_of_it_the_agent_gives_it_up() -> None:
    scene = stage(rules=Rules(no_input=NoInput(after_s=300)))
    scene.at(2000, BEGUN)
    scene.run(60_000)
    assert [at for at, _ in scene.kinds(ev.CancelConsult)] == [57_000]
    assert scene.conversation[-1] == ("agent", "Nobody is there.")


# -- the person has answered


def test_the_person_hears_who_and_why_and_takes_the_call_by_voice() -> None:
    scene = consulted(hears=lambda _: "yes please")
    scene.caller_speaks(9000, 9500)
    scene.at(10_200, ev.ConsultChanged("joined"))
    scene.run(40_000)
    assert scene.conversation[2:] == [(TO_PERSON, ANNOUNCED), (BY_PERSON, "yes please")]
    assert [decision[1:] for decision in decisions(scene)] == [(True, "accepted")]
    assert [state for state, _ in states(scene)] == ["ringing", "asking", "joined"]
    assert [attend.whom for _, attend in scene.kinds(ev.Attend)] == ["person"]  # type: ignore[union-attr]
    assert ANNOUNCED not in [line.text for line in scene.machine.history.lines]
    assert not scene.ended, "whoever holds the call ends it"


@pytest.mark.parametrize(("key", "accepted"), [("1", True), ("2", False)])
def test_a_key_decides_at_once_also_in_the_middle_of_the_announcement(key: str, accepted: bool) -> None:
    scene = consulted()
    scene.at(6000, ev.DigitPressed(key))
    scene.run(6100)
    assert decisions(scene) == [(6000, accepted, "accepted" if accepted else "declined")]
    assert said_to(scene, TO_PERSON) == ["A call from Ada."]


def test_a_yes_as_people_say_it_who_pick_up_is_no_answer() -> None:
    scene = consulted(hears=lambda _: "yes")
    scene.caller_speaks(5600, 5900)
    scene.caller_speaks(9500, 9900)
    scene.run(12_000)
    ((at, accepted, _),) = decisions(scene)
    assert accepted and at > 9900


def test_who_says_hello_into_the_announcement_is_not_asked_again_for_it() -> None:
    scene = consulted(hears=lambda utterance: {1: "hello", 2: "no sorry"}[utterance])
    scene.caller_speaks(5100, 5600)
    scene.caller_speaks(9000, 9500)
    scene.at(10_500, ev.ConsultChanged("ended", "declined"))
    scene.run(14_000)
    assert scene.conversation[2:] == [
        (BY_PERSON, "hello"),
        (TO_PERSON, ANNOUNCED),
        (BY_PERSON, "no sorry"),
        ("agent", "They have no time."),
    ]
    assert [decision[1:] for decision in decisions(scene)] == [(False, "declined")]
    assert [attend.whom for _, attend in scene.kinds(ev.Attend)] == ["person", "caller"]  # type: ignore[union-attr]


def test_who_is_not_clear_is_asked_once_more_and_given_up_when_their_time_is_up() -> None:
    scene = consulted(hears=lambda _: "who is it")
    scene.caller_speaks(9000, 9500)
    scene.caller_speaks(13_000, 13_500)
    scene.at(25_200, ev.ConsultChanged("ended", "no decision in time"))
    scene.run(29_000)
    assert said_to(scene, TO_PERSON) == [ANNOUNCED, "Yes or no?"]
    assert decisions(scene) == [(25_000, False, "no decision in time")]
    assert scene.conversation[-1] == ("agent", "Nobody is there.")


def test_who_says_nothing_is_asked_once_more() -> None:
    scene = consulted()
    scene.run(24_000)
    assert said_to(scene, TO_PERSON) == [ANNOUNCED, "Yes or no?"]


def test_a_cough_is_no_answer() -> None:
    scene = consulted(hears=lambda _: "")
    scene.caller_speaks(9000, 9100)
    scene.run(11_000)
    assert said_to(scene, TO_PERSON) == [ANNOUNCED]


@pytest.mark.parametrize("cause", ["Normal Clearing", "no cause given"])
def test_the_person_hangs_up_and_the_caller_goes_on_with_the_agent(cause: str) -> None:
    scene = consulted()
    scene.at(7000, ev.ConsultChanged("ended", cause))
    scene.caller_speaks(10_000, 11_000)
    scene.run(15_000)
    assert scene.conversation[-3:] == [
        ("agent", "They have no time."),
        ("caller", "hello"),
        ("agent", "You said hello."),
    ]
    assert not decisions(scene)


def test_what_the_caller_had_asked_when_the_person_answered_is_heard_and_not_said_to_the_person() -> None:
    scene = stage(thinks=lambda text: [(4000, f"You said {text}.")], rules=Rules(filler_after_ms=0))
    scene.at(2000, BEGUN)
    scene.caller_speaks(5000, 6000)
    scene.at(6500, ev.ConsultChanged("asking"))
    scene.at(9500, ev.ConsultChanged("ended", "declined"))
    scene.run(14_000)
    assert scene.conversation[2:] == [
        ("caller", "hello"),
        (TO_PERSON, "A call from Ada. It is a tooth ache. Yes or"),
        ("agent", "They have no time."),
    ]
    assert scene.machine.phase == "idle"


def test_no_time_of_the_call_is_told_to_the_person() -> None:
    scene = consulted(rules=Rules(max_call_s=10))
    scene.at(24_000, ev.ConsultChanged("ended", "declined"))
    scene.run(40_000)
    assert said_to(scene, TO_PERSON) == [ANNOUNCED, "Yes or no?"]
    assert scene.conversation[-1] == ("agent", "Goodbye.") and scene.ended == "the call's time was up"


def test_generations_and_utterances_are_counted_through() -> None:
    scene = consulted(hears=lambda utterance: "no" if utterance == 2 else "hello")
    scene.caller_speaks(2100, 2400)
    scene.caller_speaks(9000, 9500)
    scene.at(10_500, ev.ConsultChanged("ended", "declined"))
    scene.caller_speaks(13_000, 13_500)
    scene.run(16_000)
    begun = [action.utterance for _, action in scene.kinds(ev.BeginHearing)]  # type: ignore[union-attr]
    generations = [action.generation for _, action in scene.kinds(ev.Flush)]  # type: ignore[union-attr]
    assert begun == [1, 2, 3] and generations == list(range(1, len(generations) + 1))


def test_a_successor_goes_on_asking() -> None:
    scene = stage(hears=lambda _: "yes")
    scene.machine.phase = "away"
    scene.feed(ev.Started())
    for action in scene.talk.take_over(BEGUN, scene.now_ms * MS, asking=True):
        scene._perform(action)
    scene.frame = 1  # it has begun
    scene.caller_speaks(5000, 5500)
    scene.run(8000)
    assert scene.conversation == [(TO_PERSON, ANNOUNCED), (BY_PERSON, "yes")]
    assert [accepted for _, accepted, _ in decisions(scene)] == [True]


# -- the caller puts us on hold


def test_who_puts_us_on_hold_hears_the_rest_when_they_are_back() -> None:
    scene = stage(rules=Rules(no_input=NoInput(after_s=4)))
    scene.at(900, ev.Held(True))
    scene.caller_speaks(2000, 20_000)  # their music
    scene.at(30_000, ev.Held(False))
    scene.run(32_000)
    assert scene.conversation == [("agent", "Good morning,"), ("agent", "front desk.")]
    assert [away.away for away in scene.record(CallerAway)] == [True, False]  # type: ignore[attr-defined]
    assert not scene.kinds(ev.BeginHearing)


def test_what_they_had_said_is_answered_when_they_are_back() -> None:
    scene = stage()
    scene.caller_speaks(2000, 3000)
    scene.at(3020, ev.Held(True))
    scene.at(20_000, ev.Held(False))
    scene.run(24_000)
    assert scene.conversation[1:] == [("caller", "hello"), ("agent", "You said hello.")]
    assert [said.text for said in scene.record(CallerSaid)] == ["hello"]  # type: ignore[attr-defined]


def test_the_time_of_the_call_goes_on_while_they_are_away() -> None:
    scene = stage(rules=Rules(max_call_s=10))
    scene.at(3000, ev.Held(True))
    scene.run(20_000)
    assert scene.ended == "the call's time was up"


# -- the agent puts them on hold


def test_who_is_put_on_hold_hears_the_agent_again_as_soon_as_it_speaks() -> None:
    hold = ev.AnswerTool(0, "hold", {})
    answers = iter([[(10, "One moment."), (0, hold)], [(10, "Here I am.")]])
    scene = stage(thinks=lambda _: next(answers), rules=Rules(no_input=NoInput(after_s=4)))
    scene.caller_speaks(2000, 3000)
    scene.caller_speaks(30_000, 31_000)
    scene.run(35_000)
    tools = [(at, action.name) for at, action in scene.kinds(ev.RunTool)]  # type: ignore[union-attr]
    heard = next(at for at, _, text in scene.said if text == "One moment.")
    again = next(at for at, say in scene.kinds(ev.Say) if say.text == "Here I am.")  # type: ignore[union-attr]
    assert tools == [(heard, "hold"), (again, "resume")]
    assert "Are you there?" not in said_to(scene, "agent")


# -- nothing is left to go on with


def test_the_agent_says_that_it_cannot_go_on_and_whatever_they_say_the_caller_is_sent_on_then() -> None:
    scene = stage()
    scene.caller_speaks(2000, 3000)
    scene.at(2500, ev.CannotGoOn(can_speak=True))
    scene.at(3000, ev.DigitPressed("1"))
    scene.run(30_000)
    assert scene.conversation[1:] == [("agent", "I have to pass you on.")]
    ((at, sent),) = scene.kinds(ev.SendOn)
    last = scene.record(AgentSaid)[-1]
    assert isinstance(last, AgentSaid) and last.played == last.samples
    assert isinstance(sent, ev.SendOn) and sent.announced and at * MS >= last.last_ns


@pytest.mark.parametrize("held", [False, True])
def test_who_cannot_be_told_is_sent_on_at_once(held: bool) -> None:
    scene = stage()
    scene.at(2000, ev.Held(held))
    scene.at(2500, ev.CannotGoOn(can_speak=held))
    scene.run(20_000)
    assert scene.kinds(ev.SendOn) == [(2500, ev.SendOn(announced=False))]


def test_a_voice_that_does_not_come_holds_nobody_back() -> None:
    scene = stage(tts_ms=60_000)
    scene.at(2500, ev.CannotGoOn(can_speak=True))
    scene.run(20_000)
    assert scene.kinds(ev.SendOn) == [(12_500, ev.SendOn(announced=False))]


# -- tools that fail


def test_the_model_hears_of_a_tool_that_failed_once_nobody_speaks() -> None:
    scene = stage()
    scene.at(1000, ev.ToolFailed("send_digits", "no channel"))
    scene.run(8000)
    assert scene.conversation == [
        ("agent", "Good morning, front desk."),
        ("agent", "You said failed: send_digits: no channel."),
    ]
    assert [line.who for line in scene.machine.history.lines] == ["agent", "tool", "agent"]


# -- a call that we make


def called(outbound: Outbound, speech: Iterable[tuple[int, int]] = (), **changes: object) -> Stage:
    """It is answered at 4000."""
    scene = stage(outbound=outbound, **changes)
    scene.at(4000, ev.Answered())
    for start, end in speech:
        scene.caller_speaks(start, end)
    scene.run(16_000)
    return scene


def results(scene: Stage) -> list[dict[str, str]]:
    return [action.values for _, action in scene.actions if isinstance(action, ev.Result)]


def test_the_agent_speaks_when_a_person_has_answered() -> None:
    scene = called(Outbound(), [(4500, 5000)])
    assert scene.said[0] == (pytest.approx(7300, abs=400), "agent", "Hello, it is the desk.")
    assert results(scene) == [{"answered_by": "person"}]
    assert scene.record(CallAnswered) == [CallAnswered(at_ns=5600 * MS, by="person", after_ms=1600)]


def test_before_it_is_answered_nothing_is_said() -> None:
    scene = stage(outbound=Outbound())
    scene.caller_speaks(500, 3000)
    scene.run(60_000)
    assert not scene.actions


@pytest.mark.parametrize(
    ("speech", "by"), [([(4200, 8800)], "machine"), ([], "unknown")], ids=["an announcement", "silence"]
)
def test_what_is_done_with_a_machine_is_set(speech: list[tuple[int, int]], by: str) -> None:
    spoken = called(Outbound(undetected="speak"), speech)
    assert spoken.said[0][2] == "Hello, it is the desk." and results(spoken) == [{"answered_by": by}]
    scene = called(Outbound(undetected="hang_up"), speech)
    assert not scene.said and results(scene) == [{"answered_by": by}]
    assert scene.ended == f"no person has answered ({by})"


# -- all of it


EVENTS = st.one_of(
    st.builds(ev.FrameHeard, st.just(0), st.just(0), st.booleans()),
    st.builds(ev.Transcript, st.integers(0, 6), st.sampled_from(["", "hello", "yes", "no"]), st.just(0.5), st.just(0)),
    st.builds(ev.AnswerText, st.integers(0, 4), st.sampled_from(["Yes. ", "Well, then. I see. "])),
    st.builds(
        ev.AnswerTool,
        st.integers(0, 4),
        st.sampled_from(["hang_up", "transfer", "hold", "resume", "cancel_transfer"]),
        st.just({}),
    ),
    st.builds(ev.AnswerEnd, st.integers(0, 4)),
    st.builds(ev.ClauseWritten, st.integers(0, 9), st.integers(0, 3), st.integers(0, 999), st.just(800), st.just(())),
    st.builds(ev.WirePlayed, st.integers(0, 9), st.integers(0, 4000), st.just(1), st.just(2)),
    st.builds(ev.DigitPressed, st.sampled_from("012*#")),
    st.builds(ev.Held, st.booleans()),
    st.builds(ev.ConsultChanged, st.sampled_from(["asking", "joined", "ended"]), st.sampled_from(["", "busy"])),
    st.builds(ev.CannotGoOn, st.booleans()),
    st.sampled_from(
        [
            BEGUN,
            ev.ConsultRefused("no"),
            ev.Answered(),
            ev.Tell("News."),
            ev.ToolFailed("record", "no"),
            ev.Clock(),
            ev.CallOver(),
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 4000)), max_size=80), st.booleans())
def test_no_order_of_events_breaks_it(steps: list[tuple[ev.Event, int]], outbound: bool) -> None:
    scene = stage(outbound=Outbound() if outbound else None)
    now, generation, utterance = 1, 0, 0
    for number, (event, delay_ms) in enumerate([(ev.Started(), 0), *steps]):
        now += delay_ms * MS
        if isinstance(event, ev.FrameHeard):
            event = ev.FrameHeard(number, now, event.speech)
        actions = scene.talk.handle(event, now)
        for _ in range(5):
            due = scene.talk.wake_at()
            if due is None or due > now:
                break
            actions += scene.talk.handle(ev.Clock(), now)
        else:
            raise AssertionError(f"it wants to be woken for ever, since {due}, now is {now}")
        for action in actions:
            if isinstance(action, ev.Flush):
                assert action.generation > generation
                generation = action.generation
            if isinstance(action, ev.Say):
                assert action.text and action.generation == generation
            if isinstance(action, ev.BeginHearing):
                assert action.utterance > utterance
                utterance = action.utterance
