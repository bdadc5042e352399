"""Which transport a call's audio takes, and which the next when one fails. See `world` for how a scene is played."""

from actors.call_control.choice import Abilities, Preferences, choose
from actors.call_control.commands import ConnectMedia, ExpectMedia, Judge, Originate
from actors.call_control.events import Why
from config.media import AudioProfile, MediaSettings, Transport
from config.schema import Settings
from tests.actors.call_control.world import CALL, SECOND, World

ALL: tuple[Transport, ...] = ("audiosocket", "audiosocket_external", "websocket", "rtp")
ABLE = Abilities(version="22.11.0")


def used(call: World) -> list[Transport]:
    return [command.transport for command in call.all if isinstance(command, Originate)]


# -- in a call ---------------------------------------------------------------------------------------------------------


def test_a_transport_that_works_is_used_and_praised() -> None:
    call = World(transports=ALL).talk()
    assert (used(call), call.judged) == (["audiosocket"], [Judge("audiosocket", worked=True)])


def test_each_transport_that_fails_is_followed_by_the_next_and_the_caller_stays() -> None:
    call = World(transports=ALL)
    while len(used(call)) < 4 or call.waiting:
        refused = isinstance(call.waiting[0], Originate) and call.waiting[0].transport != "rtp"
        call.answer(0, Why.REFUSED if refused else None)
        if not call.waiting:
            call.pass_time(1)
    assert used(call) == list(ALL)
    assert (call.stage, call.asked(ConnectMedia)) == ("talking", 1)
    assert [judge.worked for judge in call.judged] == [False, False, False, True]


def test_a_port_that_asterisk_has_waited_for_in_vain_is_not_tried_again_by_the_other_kind_of_audiosocket() -> None:
    call = World(transports=ALL)
    while call.stage != "talking":
        in_vain = isinstance(call.waiting[0], Originate) and call.waiting[0].transport == "audiosocket"
        if in_vain:
            call.pass_time(2)
        call.answer(0, Why.REFUSED if in_vain else None)
    assert used(call) == ["audiosocket", "websocket"]
    assert call.judged[:2] == [Judge("audiosocket", worked=False), Judge("audiosocket_external", worked=False)]


def test_a_port_that_asterisk_has_waited_for_in_vain_is_tried_again_where_there_is_no_other_way() -> None:
    call = World(transports=("audiosocket", "audiosocket_external"))
    while call.stage != "talking":
        in_vain = isinstance(call.waiting[0], Originate) and call.waiting[0].transport == "audiosocket"
        if in_vain:
            call.pass_time(2)
        call.answer(0, Why.REFUSED if in_vain else None)
    assert used(call) == ["audiosocket", "audiosocket_external"]


def test_an_asterisk_that_cannot_be_reached_says_nothing_of_a_transport() -> None:
    call = World(transports=ALL)
    while not used(call):
        call.answer(0)
    call.answer(Originate, Why.UNREACHABLE)
    call.settle()
    assert used(call) == ["audiosocket", "audiosocket"]
    assert call.judged == [Judge("audiosocket", worked=True)]


def test_a_leg_that_has_served_for_long_is_made_anew_over_the_same_transport() -> None:
    call = World(transports=ALL).talk()
    call.pass_time(60)
    call.media_leg_ends("media-uuid-1")
    call.settle()
    assert (used(call), call.stage) == (["audiosocket", "audiosocket"], "talking")


def test_a_leg_that_has_served_for_a_moment_only_is_followed_by_the_next_transport() -> None:
    call = World(transports=("audiosocket", "websocket")).talk()
    call.pass_time(1)
    call.media_leg_ends("media-uuid-1")
    call.settle()
    assert used(call) == ["audiosocket", "websocket"]
    assert call.in_bridge == {CALL, "media-uuid-2"}
    assert [command.transport for command in call.all if isinstance(command, ExpectMedia)] == ["websocket"]


def test_a_connection_that_the_supervisor_cannot_make_is_a_transport_that_failed() -> None:
    call = World(transports=("websocket", "rtp"))
    while call.waiting or call.stage != "talking":
        refused = isinstance(call.waiting[0], ConnectMedia) and used(call)[-1] == "websocket"
        call.answer(0, Why.REFUSED if refused else None)
        if not call.waiting:
            call.pass_time(1)
    assert (used(call), call.in_bridge) == (["websocket", "rtp"], {CALL, "media-uuid-2"})


# -- before a call -----------------------------------------------------------------------------------------------------


def chosen(said: dict[str, str], abilities: Abilities = ABLE, **settings: object) -> tuple[int, tuple[Transport, ...]]:
    config = Settings(media=MediaSettings(transports=ALL), **settings)  # type: ignore[arg-type]
    choice = choose(config, abilities, Preferences(), said, 0)
    return choice.rate, choice.transports


def test_a_wideband_caller_is_heard_wide_where_asterisk_can_send_it() -> None:
    wide = {"CHANNEL(audionativeformat)": "(g722|ulaw)"}
    assert chosen(wide)[0] == 16000
    assert chosen(wide, Abilities(version="22.6.1"))[0] == 8000
    assert chosen({"CHANNEL(audionativeformat)": "(ulaw)"})[0] == 8000


def test_the_audio_profile_of_the_call_comes_before_the_settings() -> None:
    profiles = {"plain": AudioProfile(format="slin", transports=("rtp",))}
    said = {"CHANNEL(audionativeformat)": "(opus)", "AI_AUDIO_PROFILE": "plain"}
    assert chosen(said, audio_profiles=profiles) == (8000, ("rtp",))


def test_a_profile_that_is_not_there_leaves_the_settings_as_they_are() -> None:
    assert chosen({"AI_AUDIO_PROFILE": "nonsense"}) == (8000, ALL)


def test_what_asterisk_lacks_is_not_tried() -> None:
    assert chosen({}, Abilities("22.11.0", frozenset({"chan_rtp.so", "chan_websocket.so"})))[1] == ("websocket", "rtp")
    assert chosen({}, Abilities("20.5.0"))[1] == ("audiosocket", "audiosocket_external", "rtp")
    assert "websocket" not in chosen({}, Abilities("22.11.0", secure=True))[1]


def test_where_asterisk_lacks_everything_it_is_tried_all_the_same() -> None:
    assert chosen({}, Abilities("22.11.0", frozenset({"pbx_config.so"})))[1] == ALL


def test_a_transport_that_has_failed_twice_in_a_row_comes_last_for_a_minute() -> None:
    preferences = Preferences()
    preferences.note("audiosocket", worked=False, now=0)
    assert preferences.order(ALL, SECOND)[0] == "audiosocket"
    preferences.note("audiosocket", worked=False, now=SECOND)
    assert preferences.order(ALL, 2 * SECOND) == ("audiosocket_external", "websocket", "rtp", "audiosocket")
    assert preferences.order(ALL, 62 * SECOND) == ALL
    preferences.note("audiosocket", worked=True, now=2 * SECOND)
    assert preferences.order(ALL, 3 * SECOND) == ALL


def test_where_no_port_is_free_for_the_next_leg_the_transport_after_it_is_taken() -> None:
    call = World(transports=("audiosocket", "rtp", "websocket")).talk()
    call.media_leg_ends("media-uuid-1")
    call.answer(ExpectMedia, Why.REFUSED)
    call.pass_time(1)
    call.settle()
    assert (used(call), call.stage) == (["audiosocket", "websocket"], "talking")
