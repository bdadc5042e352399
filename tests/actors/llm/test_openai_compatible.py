"""A server that speaks OpenAI's protocol, with the manners of those that are in use."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest
from aiohttp import web

from actors.catalogue import Unusable
from actors.llm.engine import Failed, Full, Line, Prompt, Token, ToolCall
from actors.llm.openai_compatible import OpenAiCompatible
from config.engines import OpenAiCompatible as Settings
from config.load import SHIPPED, load
from config.secret import Secret

AGENTS = dict(load(SHIPPED).agents)
AGENT = load(SHIPPED).agent

Event = dict[str, Any] | str | None


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def finished(reason: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}
ROLE = delta(role="assistant", content="")
DONE = "[DONE]"
CUT = None
"""The connection is cut here."""


class Server:
    """In a thread of its own: engines ask it before there is a loop."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.status = 200
        self.models: Any = {"data": [{"id": "small"}, {"id": "large"}]}
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.peers: set[Any] = set()
        self.wait = False
        self.left = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._runner = web.AppRunner(self._app(), handler_cancellation=True, shutdown_timeout=0.1)
        self.url = self._do(self._start())

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        return app

    def _do(self, work: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _start(self) -> str:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}/v1"

    async def _models(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Authorization", ""))
        return web.json_response(self.models, status=self.status)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.peers.add(request.transport and request.transport.get_extra_info("peername"))
        if self.status != 200:
            return web.json_response({"error": {"message": "no such thing"}}, status=self.status)
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        await reply.write(b": keep-alive\n\n")
        try:
            for event in self.events:
                if event is CUT:
                    assert request.transport is not None
                    request.transport.abort()
                    return reply
                text = event if isinstance(event, str) else json.dumps(event)
                await reply.write(f"data: {text}\n\n".encode())
            if self.wait:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        return reply

    def stop(self) -> None:
        self._do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def prompt(said: str = "hello", call: str = "c1") -> Prompt:
    lines = (Line("agent", AGENT.greeting), Line("caller", said))
    return Prompt(AGENT.name, AGENT.prompt, lines, AGENT.tools, call)


def asked(engine: OpenAiCompatible, *questions: Prompt) -> list[list[Token | ToolCall]]:
    """The answers, one after the other, over one session."""

    async def ask() -> list[list[Token | ToolCall]]:
        try:
            return [[part async for part in engine.generate(question)] for question in questions]
        finally:
            await engine.close()

    return asyncio.run(ask())


def engine(server: Server, **settings: Any) -> OpenAiCompatible:
    return OpenAiCompatible(Settings(base_url=server.url, **settings), AGENTS)


def spoken(parts: list[Token | ToolCall]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Token))


MANNERS: dict[str, list[Event]] = {
    "vLLM": [ROLE, delta(content="We are"), delta(content=" open."), finished("stop"), USAGE, DONE],
    "llama-server": [delta(role="assistant", content=None), delta(content="We are open."), finished("stop"), DONE],
    "Ollama": [
        delta(role="assistant", content="We"),
        delta(role="assistant", content=" are open."),
        finished("stop"),
        DONE,
    ],
}


@pytest.mark.parametrize("events", MANNERS.values(), ids=MANNERS.keys())
def test_an_answer_is_streamed(server: Server, events: list[Event]) -> None:
    server.events = events
    (parts,) = asked(engine(server), prompt())
    assert spoken(parts) == "We are open."


def test_the_server_is_asked_for_what_the_settings_say(server: Server) -> None:
    server.events = [DONE]
    asked(engine(server, model="large", api_key=Secret("key"), max_tokens=7, temperature=0.5), prompt("are you open"))
    (body,) = server.bodies
    assert server.keys == ["Bearer key"]
    assert (body["model"], body["max_tokens"], body["temperature"], body["stream"]) == ("large", 7, 0.5, True)
    assert [message["role"] for message in body["messages"]] == ["system", "assistant", "user"]
    assert body["messages"][-1]["content"] == "are you open"
    assert {tool["function"]["name"] for tool in body["tools"]} == set(AGENT.tools)


def test_a_tool_call_is_put_together_from_its_pieces(server: Server) -> None:
    def call(**function: str) -> dict[str, Any]:
        return delta(tool_calls=[{"index": 0, "function": function}])

    pieces = [call(name="transfer", arguments=""), call(arguments='{"destin'), call(arguments='ation": "person"}')]
    server.events = [ROLE, delta(content="One moment."), *pieces, finished("tool_calls"), DONE]
    (parts,) = asked(engine(server), prompt())
    assert parts == [Token("One moment."), ToolCall("transfer", {"destination": "person"})]


def test_a_tool_call_may_come_whole_and_one_that_is_none_is_left_out(server: Server) -> None:
    calls = [
        {"index": 0, "function": {"name": "hang_up", "arguments": {}}},
        {"index": 1, "function": {"name": "dance", "arguments": "{}"}},
        {"index": 2, "function": {"name": "hang_up", "arguments": "{"}},
    ]
    server.events = [delta(content="Bye.", tool_calls=calls), finished("tool_calls"), DONE]
    (parts,) = asked(engine(server), prompt())
    assert parts == [Token("Bye."), ToolCall("hang_up", {})]


def test_a_connection_is_used_again(server: Server) -> None:
    server.events = [delta(content="Yes."), finished("stop"), DONE]
    assert [spoken(parts) for parts in asked(engine(server), prompt(), prompt(), prompt())] == ["Yes."] * 3
    assert len(server.peers) == 1


def test_closing_the_iterator_hangs_up_on_the_server(server: Server) -> None:
    server.events, server.wait = [delta(content="We are"), delta(content=" open")], True

    async def cancel() -> None:
        model = engine(server)
        stream = model.generate(prompt())
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.to_thread(server.left.wait, 10)
        await model.close()

    asyncio.run(cancel())
    assert server.left.is_set()


TROUBLE: list[tuple[str, list[Event], str]] = [
    ("cut", [delta(content="We"), CUT], "hung up in the middle"),
    ("ended early", [delta(content="We")], "hung up in the middle"),
    (
        "an error in the stream",
        [delta(content="We"), {"error": {"message": "out of memory"}}],
        "broke off: out of memory",
    ),
    ("no JSON", ["<html>"], "no JSON object"),
]


@pytest.mark.parametrize(("events", "sentence"), [case[1:] for case in TROUBLE], ids=[case[0] for case in TROUBLE])
def test_an_answer_that_goes_wrong_says_why(server: Server, events: list[Event], sentence: str) -> None:
    server.events = events
    with pytest.raises(Failed, match=sentence):
        asked(engine(server), prompt())


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "api_key"), (404, "base_url"), (429, "too much"), (500, "see its log")]
)
def test_a_refusal_is_told_with_the_remedy(server: Server, status: int, remedy: str) -> None:
    model = engine(server)
    server.status = status
    with pytest.raises(Failed, match=rf"answers {status} .*no such thing.*{remedy}"):
        asked(model, prompt())
    with pytest.raises(Unusable, match=rf"answers {status}: .*{remedy}"):
        engine(server)


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(server: Server) -> None:
    server.events, server.wait = [delta(content="We")], True
    with pytest.raises(Failed, match=r"said nothing for 0.2 s \(`engines.openai_compatible.timeout_s`\)"):
        asked(engine(server, timeout_s=0.2), prompt())


def test_a_server_that_is_gone(server: Server) -> None:
    model = engine(server)
    model._base = "http://127.0.0.1:9/v1"
    with pytest.raises(Failed, match="cannot be reached"):
        asked(model, prompt())
    with pytest.raises(Unusable, match=r"no language model server answers at http://127\.0\.0\.1:9/v1/models"):
        OpenAiCompatible(Settings(base_url="http://127.0.0.1:9/v1"))


def test_a_model_that_it_does_not_have_and_an_address_that_is_none(server: Server) -> None:
    with pytest.raises(Unusable, match="has no model 'huge'; it has small, large"):
        engine(server, model="huge")
    server.models = ["something else"]
    with pytest.raises(Unusable, match="gives no list of models"):
        engine(server)


def test_no_more_calls_than_the_settings_say(server: Server) -> None:
    model = engine(server, calls=1)
    model.reserve("a", AGENT.name, AGENT.prompt, AGENT.tools)
    model.reserve("a", AGENT.name, AGENT.prompt, AGENT.tools)
    with pytest.raises(Full):
        model.reserve("b", AGENT.name, AGENT.prompt, AGENT.tools)
    model.release("a")
    model.reserve("b", AGENT.name, AGENT.prompt, AGENT.tools)
