"""What goes wrong between Asterisk and us: each error with its type and sentence, and what is sent twice."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from actors.call_control.ari import (
    Ari,
    AriError,
    Broken,
    Conflict,
    Forbidden,
    Invalid,
    NoReply,
    NotFound,
    Starting,
    Unreachable,
    WrongPassword,
)
from config.schema import Asterisk
from config.secret import Secret
from tests.actors.call_control.ari.stage import PASSWORD, Stage, ok, play, refused

Request = Callable[[Ari], Awaitable[object]]


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        (400, b'{"message": "Endpoint must be specified"}', Invalid, "Endpoint must be specified (400)"),
        (404, b'{"message": "Channel not found"}', NotFound, "Channel not found (404)"),
        (409, b'{"message": "Channel not in Stasis application"}', Conflict, "Channel not in Stasis application (409)"),
        (412, b'{"message": "Channel in invalid state"}', Invalid, "Channel in invalid state (412)"),
        (422, b"", Invalid, "Asterisk gave no reason (422)"),
        (500, b'{"error": "Allocation failed"}', Broken, "Allocation failed (500)"),
        (500, b"<html>oops</html>", Broken, "Asterisk gave no reason (500)"),
        (500, b"[]", Broken, "Asterisk gave no reason (500)"),
        (302, b"", Invalid, "asterisk.port must be where Asterisk's own HTTP server answers"),
        (403, b'{"message": "Write access denied"}', Forbidden, "set `read_only=no`"),
        (401, b'{"message": "Authentication required"}', WrongPassword, "asterisk.username and asterisk.password"),
    ],
)
def test_errors_have_a_type_and_a_sentence_whatever_their_body(
    status: int, body: bytes, error: type[AriError], text: str
) -> None:
    with pytest.raises(error) as raised:
        play(Stage(web.Response(status=status, body=body)), lambda ari: ari.answer("17.1"))
    assert text in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_nobody_listening_is_said_with_the_remedy() -> None:
    async def scene() -> None:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        async with Ari(Asterisk(port=port)) as ari:
            for attempt in (ari.answer("1"), ari.open_events()):
                with pytest.raises(Unreachable, match=r"cannot reach Asterisk at .*\(Connection refused\).*http\.conf"):
                    await attempt

    asyncio.run(scene())


def test_an_answer_that_does_not_come_is_given_up_at_the_deadline_and_not_asked_for_again() -> None:
    asked: list[bytes] = []

    async def scene() -> None:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n"))
            await reader.read()
            writer.close()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        async with Ari(Asterisk(port=server.sockets[0].getsockname()[1], password=Secret(PASSWORD))) as ari:
            with pytest.raises(NoReply, match="did not answer in time"):
                await ari.request("POST", "channels/1/answer", within=0.1)
        server.close()

    asyncio.run(scene())
    assert len(asked) == 1


# -- Asterisk is starting ----------------------------------------------------------------------------------------------


def test_a_request_waits_for_an_asterisk_that_is_starting() -> None:
    stage = Stage(refused(503), refused(503), ok())
    play(stage, lambda ari: ari.send_digits("17.1", "1"))
    assert stage.asked == ["POST /ari/channels/17.1/dtmf?dtmf=1"] * 3, (
        "nothing was done, so even this may be sent again"
    )


def test_but_no_longer_than_its_deadline() -> None:
    with pytest.raises(Starting, match="is still starting"):
        play(Stage(refused(503)), lambda ari: ari.request("GET", "channels", within=0.1))


# -- connections that break --------------------------------------------------------------------------------------------


def test_a_request_whose_connection_breaks_is_sent_once_more() -> None:
    stage = Stage(None, ok())
    play(stage, lambda ari: ari.answer("17.1"))
    assert len(stage.asked) == 2


def test_and_not_a_third_time() -> None:
    stage = Stage(None)
    with pytest.raises(NoReply, match="did not answer"):
        play(stage, lambda ari: ari.answer("17.1"))
    assert len(stage.asked) == 2


def test_digits_are_never_pressed_twice() -> None:
    stage = Stage(None, ok())
    with pytest.raises(NoReply):
        play(stage, lambda ari: ari.send_digits("17.1", "1"))
    assert len(stage.asked) == 1


DONE_BEFORE: list[tuple[str, int, Request]] = [
    ("the id is taken: by our first try", 409, lambda ari: ari.originate("c", "e", formats="slin")),
    ("not in Stasis any more: sent on by our first try", 409, lambda ari: ari.continue_in_dialplan("c", None)),
    ("hung up meanwhile", 404, lambda ari: ari.continue_in_dialplan("c", None)),
    ("taken out by our first try", 422, lambda ari: ari.remove_from_bridge("b", "c")),
    ("it is being recorded: by our first try", 409, lambda ari: ari.record_bridge("b", "r")),
]


@pytest.mark.parametrize(("what", "status", "request_of"), DONE_BEFORE, ids=[case[0] for case in DONE_BEFORE])
def test_a_second_try_that_finds_the_first_one_done_succeeds(what: str, status: int, request_of: Request) -> None:
    play(Stage(None, refused(status)), request_of)
    with pytest.raises(AriError) as raised:
        play(Stage(refused(status)), request_of)
    assert f"({status})" in str(raised.value)


def external_media(ari: Ari) -> Awaitable[dict[str, str]]:
    return ari.external_media(
        "media-u", external_host="127.0.0.1:1", encapsulation="rtp", transport="udp", audio_format="ulaw"
    )


def test_an_external_media_leg_whose_answer_was_lost_is_looked_for() -> None:
    there = Stage(None, refused(500), ok({"id": "media-u"}), ok({"value": "7"}))
    assert play(there, external_media)["UNICASTRTP_LOCAL_PORT"] == "7"
    with pytest.raises(Broken):
        play(Stage(None, refused(500), refused(404)), external_media)
    with pytest.raises(Broken):
        play(Stage(refused(500)), external_media)


def test_a_playback_whose_answer_was_lost_is_looked_for_and_not_heard_twice() -> None:
    plays = Stage(None, ok({"id": "p", "state": "playing"}))
    play(plays, lambda ari: ari.play_on_bridge("b", "sound:x", "p"))
    assert plays.asked == ["POST /ari/bridges/b/play/p?media=sound:x", "GET /ari/playbacks/p"]
    lost = Stage(None, refused(404), ok())
    play(lost, lambda ari: ari.play_on_bridge("b", "sound:x", "p"))
    assert lost.asked == [*plays.asked, plays.asked[0]]


# -- the events connection ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        (401, WrongPassword, "asterisk.password"),
        (403, Forbidden, "read_only"),
        (404, NotFound, "enabled=yes` in ari.conf"),
        (503, Starting, "still starting"),
    ],
)
def test_a_refused_events_connection_says_what_to_do(status: int, error: type[AriError], text: str) -> None:
    stage = Stage(refused(status))
    with pytest.raises(error) as raised:
        play(stage, lambda ari: ari.open_events())
    assert text in str(raised.value)
    assert stage.asked == ["GET /ari/events?app=agent&subscribeAll=false"]
