"""Every event in every state of a call: one table."""

import pytest

from actors.call_control.commands import (
    Answer,
    CreateBridge,
    EndConversation,
    HangUpCaller,
    Join,
    OpenRings,
    Originate,
    Place,
    ReadCall,
    RemoveMedia,
    SetVariables,
    StartConversation,
)
from actors.call_control.events import (
    BridgeGone,
    CallerLeft,
    CallRead,
    ConversationLost,
    DigitPressed,
    Event,
    Failed,
    HangUpAsked,
    MediaAttached,
    MediaExpected,
    MediaLegArrived,
    MediaLegEnded,
    MediaLost,
    Performed,
    RingsOpened,
    TimePassed,
    TransferAsked,
    Why,
)
from tests.actors.call_control.world import CALL, World

SALES = Place("from-internal", "6000", 1)
TO_SALES = TransferAsked("sales", SALES, request=3)


def admitting() -> World:
    call = World()
    call.answer(ReadCall)
    return call


def connecting() -> World:
    call = World()
    for kind in (ReadCall, OpenRings, StartConversation, Originate):
        call.answer(kind)
    return call


def talking() -> World:
    return World().talk()


def hanging_up() -> World:
    call = talking()
    call.tell(HangUpAsked("goodbye"))
    call.answer(SetVariables)
    return call


def transferring() -> World:
    call = talking()
    call.tell(TransferAsked("sales", SALES, request=9))
    call.answer(RemoveMedia)
    return call


def clearing() -> World:
    call = talking()
    call.caller_leaves()
    return call


def over() -> World:
    call = clearing()
    call.settle()
    return call


def direct_talking() -> World:
    return World(direct=True).talk()


STATES = (admitting, connecting, talking, hanging_up, transferring, clearing, over, direct_talking)
A, C, T, L, X, END = "admitting", "connecting", "talking", "leaving", "clearing", "over"

# What comes after each event, by state in the order of STATES.
TABLE: list[tuple[str, Event, tuple[str, ...]]] = [
    ("the caller leaves", CallerLeft("normal clearing"), (X, X, X, X, X, X, END, X)),
    ("the agent hangs up", HangUpAsked("goodbye"), (L, L, L, L, L, X, END, X)),
    ("the agent transfers", TO_SALES, (A, L, L, L, L, X, END, X)),
    ("the media leg ends", MediaLegEnded("media-uuid-1", "16"), (A, C, C, L, L, X, END, T)),
    ("another leg ends", MediaLegEnded("media-other", "16"), (A, C, T, L, L, X, END, T)),
    ("the media leg arrives", MediaLegArrived("media-uuid-1"), (A, C, T, L, L, X, END, T)),
    ("another leg arrives", MediaLegArrived("media-other"), (A, C, T, L, L, X, END, T)),
    ("the bridge is deleted", BridgeGone(), (A, C, C, L, L, X, END, T)),
    ("a digit", DigitPressed("5"), (A, C, T, L, L, X, END, T)),
    ("media attached", MediaAttached(moved=False), (A, C, T, L, L, X, END, T)),
    ("media moved", MediaAttached(moved=True), (A, C, T, L, L, X, END, T)),
    ("media lost", MediaLost("closed by peer"), (A, C, T, L, L, X, END, X)),
    ("the conversation is lost", ConversationLost("degraded"), (A, L, L, L, L, X, END, X)),
    ("time passes", TimePassed(), (A, C, T, L, L, X, END, T)),
    ("an agent, late", CallRead("x"), (A, C, T, L, L, X, END, T)),
    ("rings, late", RingsOpened("s", "uuid-9"), (A, C, T, L, L, X, END, T)),
    ("a uuid, late", MediaExpected("uuid-9"), (A, C, T, L, L, X, END, T)),
    ("the caller joined", Performed(Join("b", CALL)), (A, C, T, L, L, X, END, T)),
    ("no such join", Failed(Join("b", "x"), Why.GONE, "gone"), (A, C, T, L, L, X, END, T)),
    ("answering failed", Failed(Answer(CALL), Why.GONE, "gone"), (A, X, T, L, L, X, END, T)),
    ("no bridge", Failed(CreateBridge("b"), Why.REFUSED, "no"), (A, C, T, L, L, X, END, T)),
    ("no rings", Failed(OpenRings(CALL, 8000, ""), Why.REFUSED, "no"), (L, C, T, L, L, X, END, T)),
    ("the hang-up is taken on", Performed(HangUpCaller(CALL)), (A, C, T, L, L, X, END, T)),
    ("the hang-up is too late", Failed(HangUpCaller(CALL), Why.GONE, "gone"), (A, C, T, X, X, X, END, T)),
    ("the conversation is ended", Performed(EndConversation("x", "")), (A, C, T, L, L, X, END, T)),
]


@pytest.mark.parametrize(("what", "event", "after"), TABLE, ids=[what for what, _, _ in TABLE])
def test_every_event_is_allowed_in_every_state_and_only_some_change_it(
    what: str, event: Event, after: tuple[str, ...]
) -> None:
    for state, expected in zip(STATES, after, strict=True):
        call = state()
        call.tell(event)
        assert call.stage == expected, f"{what} while {state.__name__}"
