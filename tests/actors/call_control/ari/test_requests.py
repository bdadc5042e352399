"""What is sent to Asterisk, and what comes back: against a server that answers what the test says."""

from collections.abc import Awaitable, Callable

import pytest

from actors.call_control.ari import Ari, Broken, Channel, Invalid
from actors.call_control.commands import Place
from tests.actors.call_control.ari.stage import Stage, ok, one_by_one, play, refused

SENT: list[tuple[Callable[[Ari], Awaitable[object]], str]] = [
    (lambda ari: ari.answer("17.1"), "POST /ari/channels/17.1/answer"),
    (lambda ari: ari.answer("a/b c"), "POST /ari/channels/a%2Fb%20c/answer"),
    (lambda ari: ari.hang_up("17.1"), "DELETE /ari/channels/17.1?reason=normal"),
    (lambda ari: ari.hang_up("17.1", "busy"), "DELETE /ari/channels/17.1?reason=busy"),
    (lambda ari: ari.progress("17.1"), "POST /ari/channels/17.1/progress"),
    (lambda ari: ari.ring("17.1"), "POST /ari/channels/17.1/ring"),
    (lambda ari: ari.stop_ring("17.1"), "DELETE /ari/channels/17.1/ring"),
    (lambda ari: ari.start_music("17.1"), "POST /ari/channels/17.1/moh"),
    (lambda ari: ari.start_music("17.1", "jazz"), "POST /ari/channels/17.1/moh?mohClass=jazz"),
    (lambda ari: ari.stop_music("17.1"), "DELETE /ari/channels/17.1/moh"),
    (lambda ari: ari.mute("17.1", "in"), "POST /ari/channels/17.1/mute?direction=in"),
    (lambda ari: ari.unmute("17.1", "in"), "DELETE /ari/channels/17.1/mute?direction=in"),
    (lambda ari: ari.send_digits("17.1", "12#"), "POST /ari/channels/17.1/dtmf?dtmf=12%23"),
    (
        lambda ari: ari.play_on_channel("17.1", "sound:a/b", "p-1"),
        "POST /ari/channels/17.1/play/p-1?media=sound:a/b",
    ),
    (lambda ari: ari.continue_in_dialplan("17.1", None), "POST /ari/channels/17.1/continue"),
    (
        lambda ari: ari.continue_in_dialplan("17.1", Place("people", "100", 1)),
        "POST /ari/channels/17.1/continue?context=people&extension=100&priority=1",
    ),
    (
        lambda ari: ari.snoop("17.1", "s-1", spy="in"),
        "POST /ari/channels/17.1/snoop/s-1?spy=in&whisper=none&app=agent",
    ),
    (lambda ari: ari.set_variable("17.1", "A", ""), "POST /ari/channels/17.1/variable?variable=A&value="),
    (
        lambda ari: ari.originate("media-u", "AudioSocket/h:1/u/c(slin)", formats="slin", app_args="media,17.1"),
        "POST /ari/channels?endpoint=AudioSocket/h:1/u/c(slin)&app=agent&appArgs=media,17.1&channelId=media-u"
        "&formats=slin&timeout=10",
    ),
    (
        lambda ari: ari.originate("person-1", "PJSIP/200", originator="17.1", caller_id='"A" <1>', timeout_s=30),
        "POST /ari/channels?endpoint=PJSIP/200&app=agent&channelId=person-1&originator=17.1"
        "&callerId=%22A%22+%3C1%3E&timeout=30",
    ),
    (
        lambda ari: ari.create_bridge("call-17.1"),
        "POST /ari/bridges/call-17.1?type=mixing,dtmf_events,proxy_media&name=agent",
    ),
    (lambda ari: ari.add_to_bridge("b", "17.1"), "POST /ari/bridges/b/addChannel?channel=17.1"),
    (lambda ari: ari.add_to_bridge("b", "17.1", "17.2"), "POST /ari/bridges/b/addChannel?channel=17.1,17.2"),
    (lambda ari: ari.remove_from_bridge("b", "17.1"), "POST /ari/bridges/b/removeChannel?channel=17.1"),
    (lambda ari: ari.play_on_bridge("b", "sound:x", "p"), "POST /ari/bridges/b/play/p?media=sound:x"),
    (lambda ari: ari.stop_playback("p"), "DELETE /ari/playbacks/p"),
    (
        lambda ari: ari.record_bridge("b", "calls/17.1", "wav", max_s=60),
        "POST /ari/bridges/b/record?name=calls/17.1&format=wav&maxDurationSeconds=60&ifExists=fail&beep=false",
    ),
    (lambda ari: ari.stop_recording("calls/17.1"), "POST /ari/recordings/live/calls%2F17.1/stop"),
    (lambda ari: ari.discard_recording("calls/17.1"), "DELETE /ari/recordings/live/calls%2F17.1"),
]


@pytest.mark.parametrize(("request_of", "sent"), SENT, ids=[sent.partition("/ari/")[2] for _, sent in SENT])
def test_parameters_go_in_the_query_and_ids_are_quoted(
    request_of: Callable[[Ari], Awaitable[object]], sent: str
) -> None:
    stage = Stage(ok())
    play(stage, request_of)
    assert stage.asked == [sent]
    assert stage.bodies == [None]
    assert stage.headers[0].get("Content-Length", "0") == "0"
    assert stage.headers[0]["Authorization"] == "Basic bWU6c3dvcmRmaXNo"


# -- variables ---------------------------------------------------------------------------------------------------------


def test_the_variables_of_a_new_channel_go_in_a_body_of_json() -> None:
    stage = Stage(ok({}))
    play(stage, lambda ari: ari.originate("c", "PJSIP/200", variables={"A": "b", "C": 'd "e"'}))
    assert stage.asked == ["POST /ari/channels?endpoint=PJSIP/200&app=agent&channelId=c&timeout=10"]
    assert stage.bodies == [{"variables": {"A": "b", "C": 'd "e"'}}]


def test_a_variable_is_its_value_or_none() -> None:
    stage = Stage(ok({"value": "night"}), refused(404, "Provided variable was not found"))
    assert play(stage, lambda ari: one_by_one(ari.variable("1", "A"), ari.variable("1", "A"))) == ["night", None]


def test_a_function_that_says_nothing_of_this_channel_is_none_and_another_500_is_an_error() -> None:
    stage = Stage(refused(500, "Unable to read provided function"))
    assert play(stage, lambda ari: ari.variable("1", "CHANNEL(audionativeformat)")) is None
    with pytest.raises(Broken):
        play(stage, lambda ari: ari.variable("1", "A"))


class Variables(Stage):
    """A channel on which only `SET` is set."""

    async def serve(self, request):  # type: ignore[no-untyped-def]
        self.answers = [ok({"value": "x"}) if request.query["variable"] == "SET" else refused(404)]
        return await super().serve(request)


def test_of_several_variables_those_that_are_set_are_told() -> None:
    stage = Variables()
    assert play(stage, lambda ari: ari.variables("1", ["A", "SET", "B"])) == {"SET": "x"}
    assert sorted(stage.asked) == [f"GET /ari/channels/1/variable?variable={name}" for name in ("A", "B", "SET")]


def test_several_variables_are_set_in_one_request_where_asterisk_can_and_else_one_after_the_other() -> None:
    def of(version: str) -> Stage:
        stage = Stage(ok({"system": {"version": version}}), ok())
        play(stage, lambda ari: one_by_one(ari.version(), ari.set_variables("1", {"A": "b", "C": "d"})))
        return stage

    new, old = of("22.10.0"), of("22.9.0")
    assert (new.asked[1:], new.bodies[1:]) == (
        ["POST /ari/channels/1/variables"],
        [{"variables": {"A": "b", "C": "d"}}],
    )
    assert old.asked[1:] == [f"POST /ari/channels/1/variable?variable={name}" for name in ("A&value=b", "C&value=d")]


def test_a_value_that_is_too_long_for_a_request_line_goes_in_a_body() -> None:
    stage = Stage(ok())
    play(stage, lambda ari: ari.set_variable("1", "A", "ä" * 2000))
    assert stage.asked == ["POST /ari/channels/1/variable"]
    assert stage.bodies == [{"variable": "A", "value": "ä" * 2000}]


# -- media legs --------------------------------------------------------------------------------------------------------


def test_an_external_media_leg_gives_its_channel_variables() -> None:
    where = {"UNICASTRTP_LOCAL_PORT": "20424", "UNICASTRTP_LOCAL_ADDRESS": "127.0.0.1"}
    stage = Stage(ok({"id": "media-u", "channelvars": where}))

    found = play(
        stage,
        lambda ari: ari.external_media(
            "media-u", external_host="127.0.0.1:18080", encapsulation="rtp", transport="udp", audio_format="ulaw"
        ),
    )
    assert found == where
    assert stage.asked == [
        "POST /ari/channels/externalMedia?channelId=media-u&app=agent&external_host=127.0.0.1:18080&encapsulation=rtp"
        "&transport=udp&format=ulaw"
    ]


# -- what comes back ---------------------------------------------------------------------------------------------------


def test_channels_are_told_by_their_place_in_the_dialplan() -> None:
    place = {"context": "in", "exten": "1", "priority": 2, "app_name": "Stasis", "app_data": "agent,x"}
    ann = {"name": "Ann", "number": "100"}
    full = {"id": "17.1", "name": "PJSIP/caller-1", "state": "Up", "caller": ann, "dialplan": place, "of tomorrow": 1}
    channels = play(Stage(ok([full, {"id": "17.2"}])), lambda ari: ari.channels())
    assert [channel.in_application("agent") for channel in channels] == [True, False]
    assert not channels[0].in_application("agen")
    assert (channels[0].caller.number, channels[1]) == ("100", Channel(id="17.2"))


def test_a_channel_that_is_gone_is_none() -> None:
    stage = Stage(ok({"id": "17.1"}), refused(404, "Channel not found"))
    assert play(stage, lambda ari: one_by_one(ari.channel("17.1"), ari.channel("17.1"))) == [Channel(id="17.1"), None]


def test_modules_run_or_do_not() -> None:
    modules = [{"name": "chan_audiosocket.so", "status": "Running"}, {"name": "chan_rtp.so", "status": "Not Running"}]
    assert play(Stage(ok(modules)), lambda ari: ari.modules()) == {"chan_audiosocket.so": True, "chan_rtp.so": False}
    stage = Stage(ok(modules[0]), refused(404))
    assert play(stage, lambda ari: one_by_one(ari.module("chan_audiosocket.so"), ari.module("x.so"))) == [True, False]


def test_what_asterisk_is_and_who_listens() -> None:
    info = {"system": {"version": "22.11.0-rc1", "entity_id": "e"}, "config": {"name": "pbx"}, "build": {}}
    found = play(Stage(ok(info)), lambda ari: ari.info())
    assert (found.system.version, found.config.name) == ("22.11.0-rc1", "pbx")
    applications = [{"name": "agent", "channel_ids": ["17.1"], "bridge_ids": [], "endpoint_ids": []}]
    assert play(Stage(ok(applications)), lambda ari: ari.applications())["agent"].channel_ids == ("17.1",)
    stage = Stage(ok({"name": "PJSIP/200", "state": "INUSE"}))
    assert play(stage, lambda ari: ari.device_state("PJSIP/200")) == "INUSE"
    assert stage.asked == ["GET /ari/deviceStates/PJSIP%2F200"]


def test_an_answer_that_is_no_ari_is_an_error() -> None:
    with pytest.raises(Broken, match="something else than ARI"):
        play(Stage(ok({"not": "a list"})), lambda ari: ari.channels())


def test_what_is_there_already_or_gone_already_is_fine_where_that_was_the_aim() -> None:
    play(Stage(refused(409)), lambda ari: ari.create_bridge("b"))
    play(Stage(refused(404)), lambda ari: ari.stop_playback("p"))
    play(Stage(refused(404)), lambda ari: ari.stop_recording("r"))
    play(Stage(refused(404)), lambda ari: ari.discard_recording("r"))
    with pytest.raises(Invalid):
        play(Stage(refused(422)), lambda ari: ari.remove_from_bridge("b", "c"))
