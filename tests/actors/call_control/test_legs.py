"""The life of a call's legs, told as scenes in virtual time. See `world` for how a scene is played."""

import pytest

from actors.call_control.commands import (
    Answer,
    CloseRings,
    Command,
    Continue,
    CreateBridge,
    EndConversation,
    ExpectMedia,
    HangUpCaller,
    Join,
    OpenRings,
    Originate,
    Place,
    ReadCall,
    RemoveBridge,
    RemoveMedia,
    SetVariables,
    StartConversation,
)
from actors.call_control.events import (
    ConversationLost,
    DigitPressed,
    Event,
    HangUpAsked,
    MediaAttached,
    MediaLegArrived,
    MediaLegMade,
    MediaLost,
    Performed,
    TransferAsked,
    Why,
)
from ipc.actions import KeyPressed
from tests.actors.call_control.world import CALL, FALLBACK, World

SALES = Place("from-internal", "6000", 1)
TO_SALES = TransferAsked("sales", SALES, request=3)


def names(commands: list[Command]) -> list[str]:
    return [type(command).__name__ for command in commands]


def keys(call: World) -> str:
    """What the conversation was told of keys, besides those in the audio."""
    return "".join(note.digit for note in call.told if isinstance(note, KeyPressed))


def statuses(call: World) -> list[str]:
    return [command.variables["AGENT_STATUS"] for command in call.all if isinstance(command, SetVariables)]


# -- admission ---------------------------------------------------------------------------------------------------------


def test_nothing_is_done_to_the_caller_before_supervisor_and_conversation_have_both_said_yes() -> None:
    call = World(agent="night-desk")
    assert names(call.waiting) == ["ReadCall"]
    call.answer(ReadCall)
    assert names(call.waiting) == ["OpenRings"]
    call.answer(OpenRings)
    assert [command.agent for command in call.waiting if isinstance(command, StartConversation)] == ["night-desk"]
    call.answer(StartConversation)
    assert names(call.waiting) == ["Answer", "CreateBridge", "Originate"]


@pytest.mark.parametrize("refuses", [OpenRings, StartConversation])
@pytest.mark.parametrize("why", [Why.REFUSED, Why.UNKNOWN, Why.UNREACHABLE])
def test_a_caller_who_is_not_admitted_goes_on_in_the_dialplan_unanswered_and_marked_busy(
    refuses: type[Command], why: Why
) -> None:
    call = World()
    call.answer(ReadCall)
    if refuses is StartConversation:
        call.answer(OpenRings)
    call.answer(refuses, why)
    call.settle()
    assert (statuses(call), [command.place for command in call.all if isinstance(command, Continue)]) == (
        ["BUSY"],
        [None],
    )
    assert (call.asked(Answer), call.stage, call.leftovers) == (0, "over", [])


def test_a_conversation_that_may_have_started_in_spite_of_its_silence_is_ended() -> None:
    call = World()
    call.answer(ReadCall)
    call.answer(OpenRings)
    call.answer(StartConversation, Why.UNKNOWN, done=True)
    call.settle()
    assert (call.asked(EndConversation), call.asked(CloseRings), call.leftovers) == (1, 1, [])


def test_without_an_agent_in_the_dialplan_the_default_agent_answers() -> None:
    call = World()
    call.answer(ReadCall, Why.UNKNOWN)
    call.answer(OpenRings)
    assert [command.agent for command in call.waiting if isinstance(command, StartConversation)] == [""]


# -- connecting --------------------------------------------------------------------------------------------------------


def test_a_good_call_is_answered_bridged_and_written_into_the_journal() -> None:
    call = World().talk()
    assert call.in_bridge == {CALL, "media-uuid-1"}
    assert call.notes == ["admitted", "answered", "bridged"]


def test_each_leg_joins_as_soon_as_it_may_whatever_comes_first() -> None:
    call = World()
    for kind in (ReadCall, OpenRings, StartConversation):
        call.answer(kind)
    call.tell(MediaLegArrived("media-uuid-1"))  # the event overtakes the answer to the originate
    assert not [command for command in call.waiting if isinstance(command, Join)]
    call.answer(CreateBridge)
    assert [command.channel_id for command in call.waiting if isinstance(command, Join)] == ["media-uuid-1"]
    call.answer(Answer)
    assert [command.channel_id for command in call.waiting if isinstance(command, Join)] == ["media-uuid-1", CALL]
    call.settle()
    assert call.stage == "talking"


def test_a_media_leg_that_does_not_come_up_in_time_is_removed_and_asked_for_again_under_a_new_uuid() -> None:
    call = World()
    for kind in (ReadCall, OpenRings, StartConversation):
        call.answer(kind)
    call.answer(Originate, Why.UNKNOWN)
    call.settle()
    assert [command.channel_id for command in call.all if isinstance(command, Originate)] == [
        "media-uuid-1",
        "media-uuid-2",
    ]
    assert (call.stage, call.asked(RemoveMedia), list(call.media)) == ("talking", 1, ["media-uuid-2"])

    silent = World()
    for kind in (ReadCall, OpenRings, StartConversation):
        silent.answer(kind)
    silent.waiting = [command for command in silent.waiting if not isinstance(command, Originate)]
    silent.tell(MediaLegMade("media-uuid-1"))
    silent.pass_time(8)
    silent.settle()
    assert (silent.stage, list(silent.media), silent.asked(RemoveMedia)) == ("talking", ["media-uuid-2"], 1)


# -- losing the media leg ----------------------------------------------------------------------------------------------


def test_a_lost_media_leg_is_replaced_at_once_and_the_caller_stays() -> None:
    call = World().talk()
    call.media_leg_ends("media-uuid-1")
    assert names(call.waiting) == ["ExpectMedia"]
    call.settle()
    assert (call.stage, call.in_bridge) == ("talking", {CALL, "media-uuid-2"})
    assert call.notes[-2:] == ["media lost", "media restored"]
    assert (call.asked(RemoveMedia), call.asked(Answer)) == (0, 1)


def test_three_losses_in_a_minute_are_made_good_and_the_fourth_sends_the_caller_on() -> None:
    call = World().talk()
    for loss in (1, 2, 3):
        call.media_leg_ends(f"media-uuid-{loss}")
        call.pass_time(1)
        call.settle()
        assert call.stage == "talking", loss
    call.media_leg_ends("media-uuid-4")
    call.settle()
    assert [command.variables["AGENT_STATUS"] for command in call.all if isinstance(command, SetVariables)] == [
        "FAILED"
    ]
    assert [command.place for command in call.all if isinstance(command, Continue)] == [FALLBACK]
    assert (call.stage, call.leftovers, call.notes[-1]) == ("over", [], "given up")


def test_losses_that_lie_more_than_a_minute_back_are_forgiven() -> None:
    call = World().talk()
    for loss in range(1, 10):
        call.media_leg_ends(f"media-uuid-{loss}")
        call.pass_time(1)
        call.settle()
        call.pass_time(30)
    assert call.stage == "talking"


def test_the_supervisors_word_alone_loses_the_leg_only_after_a_second_without_an_end_from_asterisk() -> None:
    call = World().talk()
    call.tell(MediaLost("closed by peer"))
    assert not call.waiting
    call.pass_time(1)
    assert names(call.waiting) == ["ExpectMedia", "RemoveMedia"]
    call.settle()
    assert (call.stage, call.in_bridge) == ("talking", {CALL, "media-uuid-2"})


def test_the_supervisors_word_about_the_last_leg_does_not_cost_the_next_one() -> None:
    call = World().talk()
    call.media_leg_ends("media-uuid-1")
    call.answer(ExpectMedia)
    call.tell(MediaLost("closed by peer"))  # comes late, and means media-uuid-1
    call.settle()
    call.tell(MediaAttached(moved=False))
    call.pass_time(5)
    assert (call.stage, call.in_bridge) == ("talking", {CALL, "media-uuid-2"})


def test_a_bridge_that_somebody_deletes_is_made_again_with_both_legs() -> None:
    call = World().talk()
    call.bridge_is_deleted()
    call.settle()
    assert (call.stage, call.in_bridge, call.asked(CreateBridge)) == ("talking", {CALL, "media-uuid-1"}, 2)


def test_an_asterisk_that_takes_no_bridge_is_given_three_more_tries() -> None:
    call = World()
    for kind in (ReadCall, OpenRings, StartConversation, Answer, Originate):
        call.answer(kind)
    for _ in range(4):
        call.answer(CreateBridge, Why.REFUSED)
        call.pass_time(2)
    call.settle()
    assert (call.stage, call.asked(CreateBridge), call.leftovers) == ("over", 4, [])
    assert [command.place for command in call.all if isinstance(command, Continue)] == [FALLBACK]


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_when_the_caller_hangs_up_everything_is_removed_once() -> None:
    call = World().talk()
    call.caller_leaves()
    assert names(call.waiting) == ["RemoveMedia", "EndConversation", "RemoveBridge"]
    call.settle()
    assert (call.stage, call.leftovers) == ("over", [])
    assert sorted(call.removals) == sorted(["media-uuid-1", f"call-{CALL}", "conversation", "rings"])
    assert [command.cause for command in call.all if isinstance(command, EndConversation)] == ["normal clearing"]


def test_the_agent_hangs_up() -> None:
    call = World().talk()
    call.tell(HangUpAsked("goodbye"))
    assert statuses(call) == ["DONE"]
    call.answer(SetVariables)
    assert names(call.waiting) == ["HangUpCaller"]
    call.settle()
    assert (call.stage, call.leftovers) == ("over", [])
    assert [command.cause for command in call.all if isinstance(command, EndConversation)] == [
        "hung up by the agent: goodbye"
    ]


def test_a_transfer_removes_the_media_leg_then_continues_then_answers() -> None:
    call = World().talk()
    call.tell(TO_SALES)
    assert names(call.waiting) == ["RemoveMedia"]
    call.answer(RemoveMedia)
    assert call.waiting == [Continue(CALL, SALES)]
    assert not call.replies
    call.settle()
    assert [(reply.request, reply.refusal) for reply in call.replies] == [(3, "")]
    assert (call.stage, call.leftovers) == ("over", [])
    assert [command.cause for command in call.all if isinstance(command, EndConversation)] == ["transferred to sales"]


def test_a_transfer_that_asterisk_refuses_is_refused_and_the_agent_goes_on_talking() -> None:
    call = World().talk()
    call.tell(TO_SALES)
    call.answer(RemoveMedia)
    call.answer(Continue, Why.REFUSED)
    call.settle()
    assert [reply.refusal for reply in call.replies] == ["refused"]
    assert (call.stage, call.in_bridge) == ("talking", {CALL, "media-uuid-2"})
    assert call.notes[-2:] == ["transfer failed", "media restored"]


def test_after_a_failed_transfer_even_a_bridge_that_went_meanwhile_is_made_again() -> None:
    call = World().talk()
    call.tell(TO_SALES)
    call.answer(RemoveMedia)
    call.bridge_is_deleted()
    call.answer(Continue, Why.REFUSED)
    call.settle()
    assert (call.stage, call.in_bridge) == ("talking", {CALL, "media-uuid-2"})


def test_a_transfer_whose_answer_is_lost_is_tried_again_and_counts_as_done_when_the_caller_has_left() -> None:
    call = World().talk()
    call.tell(TO_SALES)
    call.answer(RemoveMedia)
    call.answer(Continue, Why.UNKNOWN)
    call.pass_time(1)
    call.answer(Continue, Why.GONE)
    call.settle()
    assert [reply.refusal for reply in call.replies] == [""]
    assert (call.stage, call.leftovers) == ("over", [])


def test_a_transfer_overtaken_by_the_callers_hangup_is_refused() -> None:
    call = World().talk()
    call.tell(TO_SALES)
    call.caller_leaves()
    call.settle()
    assert [reply.refusal for reply in call.replies] == ["the caller hung up first"]
    assert [command.cause for command in call.all if isinstance(command, EndConversation)] == ["normal clearing"]


def test_a_media_leg_that_cannot_be_removed_does_not_hold_a_transfer_up() -> None:
    call = World().talk()
    call.tell(TO_SALES)
    call.removals.clear()
    call.answer(RemoveMedia, Why.UNKNOWN)
    assert call.waiting == [Continue(CALL, SALES)]


def test_a_hangup_that_asterisk_does_not_answer_is_tried_for_a_minute() -> None:
    call = World().talk()
    call.tell(HangUpAsked("goodbye"))
    call.answer(SetVariables)
    for _ in range(8):
        call.answer(HangUpCaller, Why.UNREACHABLE)
        call.pass_time(10)
    call.settle()
    assert (call.asked(HangUpCaller), call.stage, call.leftovers) == (8, "over", [])


def test_a_caller_whose_end_nobody_reports_is_let_go_five_seconds_after_the_hangup() -> None:
    call = World().talk()
    call.tell(HangUpAsked("goodbye"))
    call.answer(SetVariables)
    call.waiting.clear()
    call.tell(Performed(HangUpCaller(CALL)))
    call.pass_time(4.9)
    assert call.stage == "leaving"
    call.pass_time(0.2)
    call.settle()
    assert (call.stage, call.leftovers) == ("over", [])


@pytest.mark.parametrize("thing", [RemoveMedia, RemoveBridge, EndConversation, CloseRings])
def test_what_cannot_be_removed_is_tried_three_times_and_then_left_to_the_next_comparison(thing: type[Command]) -> None:
    call = World().talk()
    call.caller_leaves()
    for _ in range(3):
        while any(not isinstance(command, thing) for command in call.waiting):
            call.answer(next(i for i, command in enumerate(call.waiting) if not isinstance(command, thing)))
        call.answer(thing, Why.UNKNOWN)
        call.pass_time(1)
    call.settle()
    assert (call.stage, call.asked(thing), len(call.abandoned)) == ("over", 3, 1)


def test_a_caller_who_leaves_while_everything_is_being_made_leaves_nothing_behind() -> None:
    order: list[type[Command]] = [ReadCall, OpenRings, StartConversation, Answer, CreateBridge, Originate, Join, Join]
    for made in range(len(order) + 1):
        call = World()
        for kind in order[:made]:
            call.answer(kind)
        call.caller_leaves()
        call.settle()
        assert (call.stage, call.leftovers) == ("over", []), f"left after {made} answers"


def test_a_conversation_that_will_not_come_back_sends_the_caller_on() -> None:
    call = World().talk()
    call.conversation_dies()
    call.settle()
    assert [command.place for command in call.all if isinstance(command, Continue)] == [FALLBACK]
    assert (call.stage, call.leftovers, call.asked(EndConversation)) == ("over", [], 0)


# -- digits ------------------------------------------------------------------------------------------------------------


def test_digits_are_taken_from_ari_only_where_the_media_leg_cannot_carry_them() -> None:
    call = World()
    for kind in (ReadCall, OpenRings, StartConversation):
        call.answer(kind)
    call.tell(DigitPressed("1"))
    assert keys(call) == "1"
    call.talk().tell(DigitPressed("2"))
    assert keys(call) == "1"
    old = World(digits_in_media=False).talk()
    old.tell(DigitPressed("3"))
    assert keys(old) == "3"
    rtp = World(transports=("rtp",)).talk()
    rtp.tell(DigitPressed("4"))
    assert keys(rtp) == "4"


# -- direct calls ------------------------------------------------------------------------------------------------------


def test_a_direct_call_is_accepted_as_soon_as_its_rings_are_open() -> None:
    call = World(direct=True)
    assert call.waiting == [OpenRings("direct-uuid-0", 8000, "uuid-0")]
    call.answer(OpenRings)
    assert [(reply.request, reply.refusal) for reply in call.replies] == [(7, "")]
    call.settle()
    assert (call.stage, names(call.all)) == ("talking", ["OpenRings", "Reply", "StartConversation", "Note"])


def test_a_direct_call_that_is_not_admitted_is_refused() -> None:
    call = World(direct=True)
    call.answer(OpenRings, Why.REFUSED)
    assert [(reply.request, reply.refusal) for reply in call.replies] == [(7, "refused")]
    assert (call.stage, call.leftovers) == ("over", [])


@pytest.mark.parametrize(
    ("what", "event"),
    [
        ("its media connection ends", MediaLost("closed by peer")),
        ("the agent hangs up", HangUpAsked("goodbye")),
        ("the agent transfers: the dialplan goes on", TO_SALES),
        ("its conversation will not come back", ConversationLost("degraded")),
    ],
)
def test_a_direct_call_ends_by_closing_its_rings(what: str, event: Event) -> None:
    call = World(direct=True).talk()
    if isinstance(event, ConversationLost):
        call.conversation = False
    call.tell(event)
    call.settle()
    assert (call.stage, call.leftovers, call.asked(CloseRings)) == ("over", [], 1), what
    assert call.asked(Continue) == call.asked(HangUpCaller) == call.asked(SetVariables) == 0
    assert [reply.refusal for reply in call.replies if reply.request == 3] == ([""] if event is TO_SALES else [])
