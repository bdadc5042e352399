"""What the history says became of a call, and its time line."""

import pytest
from msgspec.structs import replace

from actors.call_control.chronicle import LOST_AWAY, Redaction, channels, facts, outcome, words
from actors.call_control.commands import Answer, StartConversation
from actors.call_control.events import (
    BridgeGone,
    CallerHeld,
    CallerLeft,
    CallRead,
    ConsultAsked,
    ConsultDecided,
    DigitPressed,
    Event,
    Failed,
    HangUpAsked,
    MediaLegArrived,
    Performed,
    PersonArrived,
    PersonLeft,
    TransferAsked,
    Why,
)
from actors.call_control.sessions import OutboundCall, Session
from ipc.past_calls import OUTCOMES
from tests.actors.call_control.world import World

EVERYTHING = Redaction(())


def busy(call: World) -> None:
    call.answer(type(call.waiting[0]))
    call.answer(type(call.waiting[0]))
    call.answer(StartConversation, Why.REFUSED)
    call.settle()


def hung_up_while_leaving(call: World) -> None:
    """The agent wants them to go on; before Asterisk is asked they have hung up themselves."""
    call.talk()
    call.tell(HangUpAsked("bye"))
    call.tell(CallerLeft("the caller hung up"))


def handed(call: World) -> None:
    call.talk()
    call.tell(ConsultAsked("sales", "Local/1@x", "p", 30, 20, 7))
    call.settle()
    call.person_answers()
    call.settle()
    call.tell(ConsultDecided(True, "", 8))
    call.settle()
    assert call.stage == "handed"


def person_left(call: World) -> None:
    handed(call)
    call.tell(PersonLeft(call.person, "hung up"))
    call.settle()


ENDS = [
    ("caller hung up", lambda call: call.talk().caller_leaves()),
    ("caller hung up", hung_up_while_leaving),
    ("agent hung up", lambda call: (call.talk(), call.tell(HangUpAsked("bye")), call.settle())),
    ("transferred", lambda call: (call.talk(), call.tell(TransferAsked("sales", None, 5)), call.settle())),
    ("transferred", person_left),
    ("failed", lambda call: (call.talk(), call.conversation_dies(), call.settle())),
    ("failed", lambda call: (call.talk(), call.tell(TransferAsked("on_failure", None, 5, "FAILED")), call.settle())),
    ("busy", busy),
    ("abandoned", lambda call: call.caller_leaves()),
    ("lost", lambda call: call.talk().caller_leaves(LOST_AWAY)),
]


@pytest.mark.parametrize(("came_to", "goes"), ENDS)
def test_what_became_of_the_call_is_told_truly(came_to: str, goes: object) -> None:
    call = World()
    goes(call)  # type: ignore[operator]
    assert outcome(call.session) == came_to, call.session.cause
    assert came_to in OUTCOMES


def test_an_agent_that_says_goodbye_in_early_media_has_hung_up_and_not_failed() -> None:
    call = World(early=True).talk()
    call.tell(HangUpAsked("bye"))
    call.settle()
    assert outcome(call.session) == "agent hung up"


def test_whom_we_called_and_who_did_not_answer() -> None:
    call = World(outbound=OutboundCall(number="1", endpoint="Local/1@x", request=99), agent_known="")
    call.settle()
    assert call.stage == "dialling"
    call.caller_leaves("not answered: busy")
    assert outcome(call.session) == "no answer"
    assert facts(call.session, EVERYTHING).direction == "out"


def test_a_call_that_was_handed_over_counts_as_transferred_while_they_talk() -> None:
    call = World()
    handed(call)
    assert facts(call.session, EVERYTHING).outcome == "transferred"


def test_the_legs_are_those_of_the_session_whatever_it_is_made_of() -> None:
    call = World()
    handed(call)
    assert {leg.kind for leg in channels(call.session).values()} == {"caller", "person"}
    direct = World(direct=True)
    direct.talk()
    assert channels(direct.session) == {}
    assert channels(replace(call.session, consult=None, old_media=(), media=None)) == {
        call.session.call_id: channels(call.session)[call.session.call_id]
    }


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (Performed(Answer("1.1")), ("Answer", "")),
        (Failed(Answer("1.1"), Why.REFUSED, "no\nway"), ("Answer failed", "refused: no\\nway")),
        (CallerLeft("normal clearing"), ("CallerLeft", "cause normal clearing")),
        (CallerHeld(True), ("CallerHeld", "held")),
        (DigitPressed("5"), ("DigitPressed", "5")),
        (MediaLegArrived("media-1"), ("MediaLegArrived", "")),
        (PersonArrived("person-1"), ("PersonArrived", "")),
        (BridgeGone("consult-1"), ("BridgeGone", "bridge id consult-1")),
        (TransferAsked("sales", None, 5, "BUSY"), ("TransferAsked", "destination sales; status BUSY")),
        (CallRead("desk", variables={"ssn": "123"}), ("CallRead", "agent desk; audiosocket")),
    ],
)
def test_the_time_line_is_readable_and_says_nothing_of_what_the_dialplan_knows(
    event: Event, told: tuple[str, str]
) -> None:
    assert words(event, EVERYTHING) == told


def test_what_is_left_out() -> None:
    redaction = Redaction(("numbers", "names", "digits"))
    assert redaction.number("+49 151 98765") == "…765"
    assert redaction.number("") == redaction.name("") == ""
    assert words(DigitPressed("5"), redaction) == ("DigitPressed", "…")
    assert redaction.argument("room 12 at 7") == "room … at …"
    assert Redaction(("texts",)).argument("room") == "…"
    session = Session(call_id="1.1", rate=8000, arrived_ns=0, caller_number="12345", caller_name="Ann")
    assert facts(session, redaction).caller_number == "…345"
