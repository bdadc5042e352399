"""An attended transfer, told as scenes in virtual time. See `world` for how a scene is played."""

import pytest

from actors.call_control.commands import Continue, CreateBridge, Join, OriginatePerson, RemovePerson, StartMusic
from actors.call_control.events import ConsultAsked, ConsultDecided, DigitPressed, HangUpAsked, TransferAsked, Why
from ipc.actions import ConsultChanged, KeyPressed
from tests.actors.call_control.world import CALL, World

ASK = ConsultAsked(destination="sales", endpoint="Local/6000@people/n", uuid="p", ring_s=30, decide_s=20, request=3)
ACCEPT = ConsultDecided(accepted=True, reason="", request=4)
DECLINE = ConsultDecided(accepted=False, reason="declined", request=5)
MEDIA = "media-uuid-1"
THEIRS = "consult-p"


def ringing() -> World:
    call = World().talk()
    call.tell(ASK)
    call.settle()
    return call


def asking() -> World:
    call = ringing()
    call.person_answers()
    call.settle()
    return call


def handed() -> World:
    call = asking()
    call.tell(ACCEPT)
    call.settle()
    return call


def states(call: World) -> list[tuple[str, str]]:
    return [(note.state, note.reason) for note in call.told if isinstance(note, ConsultChanged)]


def back(call: World, reason: str) -> None:
    """Agent and caller are together, nobody else is there, and the agent knows why."""
    assert call.stage == "talking"
    assert call.in_bridge == {CALL, MEDIA}
    assert (call.people, call.music, call.bridges) == (set(), False, {f"call-{CALL}"})
    assert states(call)[-1] == ("ended", reason)
    assert call.session.consult is None


def test_while_it_rings_the_caller_stays_with_the_agent() -> None:
    call = ringing()
    assert (call.stage, call.in_bridge, call.music) == ("talking", {CALL, MEDIA}, False)
    assert [(reply.request, reply.refusal) for reply in call.replies] == [(3, "")]


def test_the_person_who_answers_hears_the_agent_and_the_caller_hears_music() -> None:
    call = asking()
    assert call.where == {CALL: f"call-{CALL}", MEDIA: THEIRS, call.person: THEIRS}
    assert (call.music, states(call)) == (True, [("asking", "")])


def test_the_person_who_accepts_is_with_the_caller_and_the_agent_is_out() -> None:
    call = handed()
    assert (call.stage, call.in_bridge, call.music) == ("handed", {CALL, call.person}, False)
    assert [(reply.request, reply.refusal) for reply in call.replies] == [(3, ""), (4, "")]
    assert states(call) == [("asking", ""), ("joined", "")]
    assert (call.media, call.rings, call.conversation, call.bridges) == ({}, False, False, {f"call-{CALL}"})


def test_after_that_the_callers_hangup_hangs_the_person_up() -> None:
    call = handed()
    call.caller_leaves()
    call.settle()
    assert (call.stage, call.leftovers) == ("over", [])


def test_after_that_the_persons_hangup_sends_the_caller_on_in_the_dialplan() -> None:
    call = handed()
    call.person_hangs_up()
    call.settle()
    assert (call.asked(Continue), call.stage, call.leftovers) == (1, "over", [])


def test_their_bridge_is_made_again_when_somebody_deletes_it() -> None:
    call = handed()
    call.bridge_is_deleted()
    call.settle()
    assert (call.stage, call.in_bridge) == ("handed", {CALL, call.person})


def test_a_person_who_declines_is_hung_up_and_the_agent_comes_back() -> None:
    call = asking()
    call.tell(DECLINE)
    call.settle()
    back(call, "declined")
    assert [(reply.request, reply.refusal) for reply in call.replies] == [(3, ""), (5, "")]


@pytest.mark.parametrize("cause", ["busy", "no answer", "not reachable"])
def test_a_person_who_does_not_answer_costs_the_caller_nothing(cause: str) -> None:
    call = ringing()
    call.person_hangs_up(cause)
    call.settle()
    back(call, cause)
    assert call.asked(StartMusic) == 0


def test_ringing_that_nobody_ends_ends_by_itself() -> None:
    call = ringing()
    call.pass_time(33.1)
    call.settle()
    back(call, "no answer")
    assert call.asked(RemovePerson) == 1


def test_a_person_who_hangs_up_while_they_are_asked_gives_the_caller_back_to_the_agent() -> None:
    call = asking()
    call.person_hangs_up()
    call.settle()
    back(call, "hung up")


def test_a_decision_that_never_comes_is_a_no() -> None:
    call = asking()
    call.pass_time(30.1)
    call.settle()
    back(call, "no decision in time")


def test_the_agent_can_give_it_up_while_it_rings() -> None:
    call = ringing()
    call.tell(ConsultDecided(accepted=False, reason="cancelled", request=6))
    call.settle()
    back(call, "cancelled")
    assert [reply.request for reply in call.replies] == [3, 6]


def test_nobody_can_accept_while_it_rings() -> None:
    call = ringing()
    call.tell(ACCEPT)
    assert call.replies[-1].refusal
    assert call.stage == "talking" and call.people


def test_a_destination_that_cannot_be_rung_is_refused_and_the_agent_goes_on() -> None:
    call = World().talk()
    call.tell(ASK)
    call.answer(OriginatePerson, Why.REFUSED)
    call.settle()
    assert [(reply.request, reply.refusal) for reply in call.replies] == [(3, "refused")]
    assert (call.stage, states(call), call.session.consult) == ("talking", [], None)


def test_only_one_person_is_asked_at_a_time() -> None:
    call = ringing()
    call.tell(ConsultAsked("sales", "Local/1@x", "q", 30, 20, 9))
    assert call.replies[-1].busy


def test_a_media_leg_that_is_lost_while_the_person_is_asked_is_made_again_with_the_person() -> None:
    call = asking()
    call.media_leg_ends(MEDIA)
    call.settle()
    assert call.where == {CALL: f"call-{CALL}", "media-uuid-2": THEIRS, call.person: THEIRS}


@pytest.mark.parametrize("event", [HangUpAsked("bye"), TransferAsked("sales", None, 8)])
@pytest.mark.parametrize("scene", [ringing, asking])
def test_whoever_sends_the_caller_away_meanwhile_leaves_nobody_behind(scene: object, event: object) -> None:
    call = scene()  # type: ignore[operator]
    call.tell(event)
    call.settle()
    assert (call.stage, call.leftovers) == ("over", [])


@pytest.mark.parametrize("scene", [ringing, asking, handed])
def test_a_caller_who_hangs_up_meanwhile_leaves_nobody_behind(scene: object) -> None:
    call = scene()  # type: ignore[operator]
    call.caller_leaves()
    call.settle()
    assert (call.stage, call.leftovers) == ("over", [])


def test_only_the_keys_of_whoever_hears_the_agent_count() -> None:
    call = World(transports=("rtp",)).talk()
    call.tell(ASK)
    call.settle()
    call.tell(DigitPressed("5"))
    call.person_answers()
    call.settle()
    call.tell(DigitPressed("0"))
    call.tell(DigitPressed("1", call.person))
    assert [note.digit for note in call.told if isinstance(note, KeyPressed)] == ["5", "1"]


def test_a_person_who_is_gone_when_they_are_to_be_joined_gives_the_caller_back() -> None:
    call = asking()
    call.tell(ACCEPT)
    call.answer(Join, Why.GONE)
    call.person_hangs_up()
    call.settle()
    back(call, "gone")


def test_a_bridge_that_cannot_be_made_gives_the_caller_back() -> None:
    call = ringing()
    call.person_answers()
    call.answer(CreateBridge, Why.REFUSED)
    call.settle()
    back(call, "refused")
