"""A reply that is whole in the mouth outlives whoever made it: the successor knows that it is being heard."""

from actors.conversation import events as ev
from actors.conversation.course import Course
from actors.conversation.history import History
from actors.conversation.resume import past
from config.agent import Agent
from config.schema import Turns as Rules
from ipc.journal import AgentSaid, AgentSaying, CallerSaid, CallStarted, Record

AGENT = Agent(name="desk", greeting="Good morning.")
SECOND = 1_000_000_000
SAMPLES = 16_000


def saying(ending: str = "") -> AgentSaying:
    return AgentSaying(
        at_ns=3, turn=1, kind="answer", text="We are open.", generation=4, samples=SAMPLES, ending=ending
    )


def successor(ending: str = "") -> Course:
    course = Course(
        Rules(),
        3,
        AGENT,
        generation=4,
        history=History(unanswered="when are you open"),
        turn=1,
        saying=saying(ending),
    )
    assert course.handle(ev.Started(), 0) == [], "nothing is asked again, and nothing is said twice"
    return course


def written(actions: list[ev.Action]) -> list[Record]:
    return [action.record for action in actions if isinstance(action, ev.Write)]


def test_it_is_followed_to_its_end_and_then_stands_in_the_history() -> None:
    course = successor()
    assert course.watched == (4,)
    (said,) = written(course.handle(ev.WirePlayed(4, SAMPLES, 1, SECOND), SECOND))
    assert isinstance(said, AgentSaid) and said.heard == "We are open." and not said.interrupted
    assert [(line.who, line.text) for line in course.history.lines] == [
        ("caller", "when are you open"),
        ("agent", "We are open."),
    ]


def test_what_was_to_be_done_after_it_is_done() -> None:
    actions = successor("hang_up").handle(ev.WirePlayed(4, SAMPLES, 1, SECOND), SECOND)
    assert [action for action in actions if isinstance(action, ev.EndCall)]


def test_the_caller_can_interrupt_it_and_begins_a_turn_of_their_own() -> None:
    course = successor()
    course.handle(ev.WirePlayed(4, SAMPLES // 2, 1, SECOND), SECOND)
    actions: list[ev.Action] = []
    for frame in range(10):
        actions += course.handle(ev.FrameHeard(100 + frame, SECOND, True), SECOND + frame * 20_000_000)
    assert [action.generation for action in actions if isinstance(action, ev.Flush)] == [5]
    assert course.turn == 2


def test_the_journal_says_once_that_a_reply_is_whole() -> None:
    course = Course(Rules(), 3, AGENT)
    course.handle(ev.Started(), 0)
    records = written(course.handle(ev.ClauseWritten(1, 0, 0, SAMPLES, ()), SECOND))
    assert [(record.text, record.generation) for record in records if isinstance(record, AgentSaying)] == [
        ("Good morning.", 1)
    ]
    assert written(course.handle(ev.WirePlayed(1, 160, 1, SECOND), SECOND)) == []


def test_a_successor_takes_up_only_what_has_not_been_heard_to_its_end() -> None:
    started = CallStarted(
        at_ns=1,
        call_id="c",
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
    asked = CallerSaid(
        at_ns=2, turn=1, text="hours", confidence=1.0, onset_ns=0, last_speech_ns=1, speech_ms=500, lost_frames=0
    )
    heard = AgentSaid(
        at_ns=4,
        turn=1,
        kind="answer",
        text="We are open.",
        heard="We are open.",
        interrupted=False,
        generation=4,
        samples=SAMPLES,
        played=SAMPLES,
        first_ns=3,
        last_ns=4,
    )
    before, after = past([started, asked, saying()]), past([started, asked, saying(), heard])
    assert before is not None and before.saying == saying() and before.history.unanswered == "hours"
    assert after is not None and after.saying is None and after.history.unanswered is None
