"""A call that we make, told as scenes in virtual time. See `world` for how a scene is played."""

from actors.call_control.commands import (
    Answer,
    HangUpCaller,
    OpenRings,
    OriginateCaller,
    ReadCall,
    StartConversation,
)
from actors.call_control.events import CallerLeft, HangUpAsked, Why
from actors.call_control.sessions import OutboundCall
from ipc.actions import CallAnswered
from tests.actors.call_control.world import World

CALLEE = OutboundCall(number="5551234", endpoint="Local/5551234@out", caller_id="<100>", ring_s=30, request=9)


def dialling() -> World:
    call = World(outbound=CALLEE, agent_known="")
    for kind in (OpenRings, StartConversation, OriginateCaller):
        call.answer(kind)
    return call


def test_nobody_is_dialled_before_an_agent_is_ready_to_talk() -> None:
    call = World(outbound=CALLEE, agent_known="")
    assert call.asked(ReadCall) == 0
    call.answer(OpenRings)
    assert call.asked(OriginateCaller) == 0
    call.answer(StartConversation)
    assert call.asked(OriginateCaller) == 1
    started = [command for command in call.all if isinstance(command, StartConversation)]
    assert [command.outbound for command in started] == [True]


def test_who_placed_the_call_is_told_that_it_is_being_dialled() -> None:
    call = dialling()
    assert [(reply.request, reply.refusal) for reply in call.replies] == [(9, "")]
    assert (call.stage, call.media) == ("dialling", {})


def test_whoever_answers_is_bridged_without_a_second_answer_and_then_the_agent_is_told() -> None:
    call = dialling()
    call.callee_answers()
    assert not call.told
    call.settle()
    assert (call.stage, call.asked(Answer)) == ("talking", 0)
    assert [type(note) for note in call.told] == [CallAnswered]


def test_a_call_that_nobody_answers_ends_with_the_reason() -> None:
    call = dialling()
    call.caller_here = False
    call.tell(CallerLeft("not answered: busy"))
    call.settle()
    assert (call.stage, call.session.cause, call.leftovers) == ("over", "not answered: busy", [])


def test_a_number_that_cannot_be_dialled_is_refused_and_nothing_is_left() -> None:
    call = World(outbound=CALLEE, agent_known="")
    for kind in (OpenRings, StartConversation):
        call.answer(kind)
    call.answer(OriginateCaller, Why.REFUSED)
    call.caller_here = False
    call.settle()
    assert [(reply.request, reply.refusal) for reply in call.replies] == [(9, "refused")]
    assert (call.stage, call.leftovers) == ("over", [])


def test_a_full_system_refuses_to_call() -> None:
    call = World(outbound=CALLEE, agent_known="")
    call.answer(OpenRings, Why.REFUSED)
    call.settle()
    assert [reply.request for reply in call.replies if reply.refusal] == [9]
    assert (call.stage, call.asked(OriginateCaller), call.leftovers) == ("over", 0, [])


def test_ringing_can_be_given_up() -> None:
    call = dialling()
    call.tell(HangUpAsked("not needed any more"))
    call.settle()
    assert (call.asked(HangUpCaller), call.stage, call.leftovers) == (1, "over", [])
