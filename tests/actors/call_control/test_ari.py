"""The ARI client against a server that answers what the test says, and against none."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from actors.call_control.ari import (
    Ari,
    AriError,
    Broken,
    Channel,
    Conflict,
    Forbidden,
    Invalid,
    NoReply,
    NotFound,
    Unreachable,
    WrongPassword,
)
from actors.call_control.commands import Place
from config.schema import Asterisk
from config.secret import Secret

Answers = list[web.Response | None]


class Stage:
    """Answers requests in the order of `answers`; None breaks the connection instead."""

    def __init__(self, *answers: web.Response | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.rel_url}")
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0)
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer


def play(stage: Stage, scene: Callable[[Ari], Awaitable[object]]) -> object:
    async def run() -> object:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", stage.serve)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        settings = Asterisk(port=runner.addresses[0][1], username="me", password=Secret("swordfish"), app_name="agent")
        try:
            async with asyncio.timeout(20), Ari(settings) as ari:
                return await scene(ari)
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def ok(body: object = None) -> web.Response:
    return web.Response(status=204) if body is None else web.json_response(body)


# -- what is sent ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_of", "sent"),
    [
        (lambda ari: ari.answer("17.1"), "POST /ari/channels/17.1/answer"),
        (lambda ari: ari.answer("a/b c"), "POST /ari/channels/a%2Fb%20c/answer"),
        (lambda ari: ari.hang_up("17.1"), "DELETE /ari/channels/17.1?reason=normal"),
        (lambda ari: ari.continue_in_dialplan("17.1", None), "POST /ari/channels/17.1/continue"),
        (
            lambda ari: ari.continue_in_dialplan("17.1", Place("people", "100", 1)),
            "POST /ari/channels/17.1/continue?context=people&extension=100&priority=1",
        ),
        (
            lambda ari: ari.create_bridge("call-17.1"),
            "POST /ari/bridges/call-17.1?type=mixing,dtmf_events,proxy_media&name=agent",
        ),
        (lambda ari: ari.add_to_bridge("b", "17.1"), "POST /ari/bridges/b/addChannel?channel=17.1"),
        (
            lambda ari: ari.originate("media-u", "AudioSocket/h:1/u/c(slin)", formats="slin", app_args="media,17.1"),
            "POST /ari/channels?endpoint=AudioSocket/h:1/u/c(slin)&app=agent&appArgs=media,17.1&channelId=media-u"
            "&formats=slin&timeout=10",
        ),
    ],
)
def test_parameters_go_in_the_query_and_ids_are_quoted(
    request_of: Callable[[Ari], Awaitable[object]], sent: str
) -> None:
    stage = Stage(ok())
    play(stage, request_of)
    assert stage.asked == [sent]
    assert stage.headers[0].get("Content-Length", "0") == "0"
    assert stage.headers[0]["Authorization"] == "Basic bWU6c3dvcmRmaXNo"


# -- what comes back ---------------------------------------------------------------------------------------------------


def test_channels_are_told_by_their_place_in_the_dialplan() -> None:
    stage = Stage(
        ok(
            [
                {
                    "id": "17.1",
                    "name": "PJSIP/caller-1",
                    "state": "Up",
                    "caller": {"name": "Ann", "number": "100"},
                    "dialplan": {
                        "context": "in",
                        "exten": "1",
                        "priority": 2,
                        "app_name": "Stasis",
                        "app_data": "agent,x",
                    },
                    "a field of tomorrow": 1,
                },
                {"id": "17.2"},
            ]
        )
    )
    channels = play(stage, lambda ari: ari.channels())
    assert isinstance(channels, list)
    assert [channel.in_application("agent") for channel in channels] == [True, False]
    assert not channels[0].in_application("agen")
    assert (channels[0].caller.number, channels[1]) == ("100", Channel(id="17.2"))


def test_a_variable_is_its_value_or_none() -> None:
    stage = Stage(ok({"value": "night"}), web.json_response({"message": "Provided variable was not found"}, status=404))
    assert play(stage, lambda ari: both(ari.variable("1", "AI_AGENT"), ari.variable("1", "AI_AGENT"))) == [
        "night",
        None,
    ]


async def both(*requests: Awaitable[object]) -> list[object]:
    return [await request for request in requests]


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
        (503, b"", Broken, "is still starting"),
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
    assert "swordfish" not in str(raised.value)


def test_an_answer_that_is_no_ari_is_an_error_too() -> None:
    with pytest.raises(Broken, match="something else than ARI"):
        play(Stage(ok({"not": "a list"})), lambda ari: ari.channels())


def test_a_bridge_that_exists_already_is_fine() -> None:
    play(Stage(web.Response(status=409)), lambda ari: ari.create_bridge("b"))


def test_nobody_listening_is_said_with_the_remedy() -> None:
    async def scene() -> None:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        async with Ari(Asterisk(port=port)) as ari:
            for attempt in (ari.answer("1"), ari.open_events()):
                with pytest.raises(Unreachable, match=r"cannot reach Asterisk at .*enabled=yes.*http\.conf"):
                    await attempt

    asyncio.run(scene())


# -- connections that break --------------------------------------------------------------------------------------------


def test_a_request_whose_connection_breaks_is_sent_once_more() -> None:
    stage = Stage(None, ok())
    play(stage, lambda ari: ari.answer("17.1"))
    assert len(stage.asked) == 2


def test_and_not_a_third_time() -> None:
    stage = Stage(None, None)
    with pytest.raises(NoReply, match="did not answer"):
        play(stage, lambda ari: ari.answer("17.1"))
    assert len(stage.asked) == 2


@pytest.mark.parametrize(
    ("what", "status", "request_of"),
    [
        ("the id is taken: by our first try", 409, lambda ari: ari.originate("c", "e", formats="slin", app_args="")),
        ("not in Stasis any more: sent on by our first try", 409, lambda ari: ari.continue_in_dialplan("c", None)),
        ("hung up meanwhile", 404, lambda ari: ari.continue_in_dialplan("c", None)),
    ],
)
def test_a_second_try_that_finds_the_first_one_done_succeeds(
    what: str, status: int, request_of: Callable[[Ari], Awaitable[object]]
) -> None:
    play(Stage(None, web.Response(status=status)), request_of)
    with pytest.raises(Conflict if status == 409 else NotFound):
        play(Stage(web.Response(status=status)), request_of)


# -- the events connection ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        (401, WrongPassword, "asterisk.password"),
        (403, Forbidden, "read_only"),
        (404, NotFound, "enabled=yes` in ari.conf"),
        (503, Broken, "still starting"),
    ],
)
def test_a_refused_events_connection_says_what_to_do(status: int, error: type[AriError], text: str) -> None:
    stage = Stage(web.Response(status=status))
    with pytest.raises(error) as raised:
        play(stage, lambda ari: ari.open_events())
    assert text in str(raised.value)
    assert stage.asked == ["GET /ari/events?app=agent&subscribeAll=false"]
