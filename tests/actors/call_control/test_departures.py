"""How a caller leaves us: what they hear, and what the dialplan is told. See `world` for how a scene is played."""

from actors.call_control.commands import Answer, Continue, Join, PlaySound, Progress, SetVariables, StopMusic
from actors.call_control.events import (
    AnswerAsked,
    HangUpAsked,
    HoldAsked,
    ResultSet,
    SoundEnded,
    TransferAsked,
)
from tests.actors.call_control.world import CALL, FALLBACK, World

SORRY = "sound:sorry"
LOST = TransferAsked("on_failure", FALLBACK, request=3, status="FAILED", sound=SORRY)


def variables(call: World) -> list[dict[str, str]]:
    return [command.variables for command in call.all if isinstance(command, SetVariables)]


def test_the_dialplan_gets_what_the_agent_has_found_out() -> None:
    call = World().talk()
    call.tell(ResultSet({"AGENT_OUTCOME": "question", "AGENT_TURNS": "3"}))
    call.tell(ResultSet({"AGENT_OUTCOME": "booked"}))
    call.tell(TransferAsked("sales", None, 3, status="TRANSFERRED", variables={"PRIO": "1"}))
    call.settle()
    assert variables(call) == [
        {"AGENT_OUTCOME": "booked", "AGENT_TURNS": "3", "PRIO": "1", "AGENT_STATUS": "TRANSFERRED"}
    ]


def test_a_hangup_leaves_the_result_behind_for_the_h_extension() -> None:
    call = World().talk()
    call.tell(ResultSet({"AGENT_OUTCOME": "booked"}))
    call.tell(HangUpAsked("goodbye"))
    call.settle()
    assert variables(call) == [{"AGENT_OUTCOME": "booked", "AGENT_STATUS": "DONE"}]


def test_an_agent_that_has_died_before_it_could_say_how_it_ended_has_failed() -> None:
    call = World().talk()
    call.tell(LOST)
    while not variables(call):
        call.answer(0)
    assert variables(call) == [{"AGENT_STATUS": "FAILED", "AGENT_OUTCOME": "failed"}]
    told = World().talk()
    told.tell(ResultSet({"AGENT_OUTCOME": "booked"}))
    told.tell(TransferAsked("on_failure", FALLBACK, request=3, status="FAILED"))
    told.settle()
    assert variables(told) == [{"AGENT_STATUS": "FAILED", "AGENT_OUTCOME": "booked"}]


def test_a_caller_who_goes_on_after_the_agent_for_want_of_another_place_was_not_transferred() -> None:
    call = World().talk()
    call.tell(TransferAsked("on_failure", None, request=3, status="FAILED"))
    call.settle()
    assert call.session.cause == "the agent could not go on"


def test_a_caller_whose_agent_has_lost_its_voice_hears_why_and_then_goes_on() -> None:
    call = World().talk()
    call.tell(LOST)
    while not any(isinstance(command, PlaySound) for command in call.waiting):
        call.answer(0)
    (sound,) = [command for command in call.waiting if isinstance(command, PlaySound)]
    assert (sound.bridge_id, sound.media, sound.playback_id) == (f"call-{CALL}", SORRY, f"sorry-{CALL}")
    assert call.asked(Continue) == 0
    call.settle()
    assert [command.place for command in call.all if isinstance(command, Continue)] == [FALLBACK]
    assert (call.stage, call.leftovers) == ("over", [])


def test_a_sound_that_does_not_end_does_not_hold_the_caller() -> None:
    call = World().talk()
    call.tell(LOST)
    while not any(isinstance(command, PlaySound) for command in call.waiting):
        call.answer(0)
    call.waiting.clear()
    call.pass_time(7.9)
    assert call.asked(SetVariables) == 0
    call.pass_time(0.2)
    call.settle()
    assert (call.asked(Continue), call.stage) == (1, "over")
    call.tell(SoundEnded(f"sorry-{CALL}"))


def test_a_caller_who_was_not_answered_hears_nothing_and_goes_on() -> None:
    call = World(failure_sound=SORRY)
    while call.stage == "admitting":
        call.answer(0)
    call.conversation_dies()
    call.waiting = [command for command in call.waiting if not isinstance(command, Answer)]
    call.pass_time(0.1)
    call.tell(SoundEnded("another"))
    assert call.asked(PlaySound) == 0


def test_music_is_stopped_before_the_caller_goes_on() -> None:
    call = World().talk()
    call.tell(HoldAsked(on=True, request=4))
    call.settle()
    assert call.music
    call.tell(TransferAsked("sales", None, 5))
    assert call.asked(StopMusic) == 1
    call.settle()
    assert (call.music, call.stage) == (False, "over")


def test_hold_and_back() -> None:
    call = World().talk()
    call.tell(HoldAsked(on=True, request=4))
    call.settle()
    call.tell(HoldAsked(on=False, request=5))
    call.settle()
    assert (call.music, [reply.request for reply in call.replies]) == (False, [4, 5])


# -- early media -------------------------------------------------------------------------------------------------------


def test_early_media_lets_the_caller_hear_the_agent_unanswered() -> None:
    call = World(early=True).talk()
    assert (call.asked(Answer), call.asked(Progress), call.asked(Join)) == (0, 1, 2)


def test_early_media_ends_when_the_agent_answers() -> None:
    call = World(early=True).talk()
    call.tell(AnswerAsked(request=6))
    call.settle()
    assert (call.asked(Answer), call.asked(Join)) == (1, 2)
    assert [(reply.request, reply.refusal) for reply in call.replies] == [(6, "")]
