"""The three engines `gateway`: against a real AI server, and against one that does what real ones seldom do."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from msgspec import structs

from actors.catalogue import Unusable
from actors.link import Broken, Gone, Link, News
from actors.llm.engine import Full, Line, Prompt, Token, ToolCall
from actors.llm.gateway import Gateway as Llm
from actors.stt.engine import Distant, Hints, UnusableHints
from actors.stt.gateway import Gateway as Stt
from actors.tts.engine import Pcm, Voice
from actors.tts.gateway import Gateway as Tts
from bench.system import free_port
from config.engines import Local
from config.grammar import grammar
from config.load import SHIPPED, Config, load
from config.secret import Secret
from ipc import gateway as wire
from tests.actors.gateway.house import ANSWER, PATIENCE_S, QUESTION, Server, said, seconds_of_sound

CONFIG = load(SHIPPED)
AGENT = CONFIG.agent
HINTS = Hints(AGENT.language, grammar(AGENT))


def config(url: str, **more: Any) -> Config:
    local = Local(ws_url=url, **more)
    return structs.replace(CONFIG, settings=structs.replace(CONFIG.settings, local=local))


Maker = Callable[..., Awaitable[Any]]


@pytest.fixture
def made() -> Iterator[Maker]:
    """Makes an engine, or a link, as an actor does; here in a thread, for the gateway may be in this loop."""
    links: list[Link] = []

    async def make(kind: type[Any], url: str, **more: Any) -> Any:
        if kind is Link:
            links.append(await asyncio.to_thread(Link.to, config(url, **more), "stt"))
            return links[-1]
        engine = await asyncio.to_thread(kind.of, config(url, **more))
        links.append(engine._link)
        return engine

    yield make
    for link in links:
        link.close()


def prompt(text: str, *, tools: tuple[str, ...] = (), agent: str = AGENT.name) -> Prompt:
    return Prompt(agent, AGENT.prompt, (Line("caller", text),), tools, "call-1")


# -- a real server


async def test_the_recogniser_hears_utterances_one_after_the_other(server: Server, made: Maker) -> None:
    stt: Stt = await made(Stt, server.url)
    stream = await stt.reach(HINTS)
    for text in (QUESTION, "where are you"):
        pcm = np.frombuffer(said(text), dtype="<i2").astype(np.int16)
        guesses = [stream.feed(pcm[at : at + 320]) for at in range(0, len(pcm), 320)]
        hearing = await stream.finish()
        assert hearing.text == text
        assert 0.0 < hearing.confidence <= 1.0
        assert guesses[0] == "", "nothing of the one before"
    stream.feed(np.frombuffer(said("goodbye"), dtype="<i2").astype(np.int16))
    stream.drop()
    stream.feed(np.frombuffer(said(), dtype="<i2").astype(np.int16))
    assert (await stream.finish()).text == QUESTION
    assert stream.broken == ""
    stream.close()
    with pytest.raises(UnusableHints, match="grammar"):
        await stt.reach(Hints("en-us", "no grammar at all"))


async def test_an_utterance_without_a_sample_is_nothing(server: Server, made: Maker) -> None:
    stt: Stt = await made(Stt, server.url)
    stream = await stt.reach(HINTS)
    assert (await stream.finish()).text == ""
    stream.close()


async def test_the_model_answers_with_text_and_tools(server: Server, made: Maker) -> None:
    llm: Llm = await made(Llm, server.url)
    await llm.reserve("call-1", AGENT.name, AGENT.prompt, AGENT.tools)
    llm.prepare(prompt(QUESTION))
    pieces = [piece async for piece in llm.generate(prompt(QUESTION))]
    assert "".join(piece.text for piece in pieces if isinstance(piece, Token)).strip() == ANSWER
    pieces = [piece async for piece in llm.generate(prompt("can i talk to a person", tools=("transfer",)))]
    assert [piece.name for piece in pieces if isinstance(piece, ToolCall)] == ["transfer"]
    with pytest.raises(Full, match="nobody"):
        await anext(aiter(llm.generate(prompt(QUESTION, agent="nobody"))))
    llm.release("call-1")


async def test_the_voice_speaks_and_says_where_its_words_are(server: Server, made: Maker) -> None:
    tts: Tts = await made(Tts, server.url)
    chunks: list[Pcm] = []

    def sink(pcm: Pcm) -> bool:
        chunks.append(pcm)
        return True

    words = await asyncio.to_thread(tts.synthesize, ANSWER, Voice(), sink)
    assert 3.0 < seconds_of_sound(np.concatenate(chunks).astype("<i2").tobytes(), tts.sample_rate) < 8.0
    assert [ANSWER[word.start : word.start + word.length] for word in words][:2] == ["We", "are"]

    # One who has heard enough, and one whom somebody else stops.
    kept: list[Pcm] = []
    assert await asyncio.to_thread(tts.synthesize, ANSWER, Voice(), lambda pcm: bool(kept.append(pcm))) == ()
    assert len(kept) == 1

    begun = threading.Event()

    def slow(pcm: Pcm) -> bool:
        begun.set()
        return True

    speaking = asyncio.create_task(asyncio.to_thread(tts.synthesize, ANSWER * 40, Voice(), slow))
    assert await asyncio.to_thread(begun.wait, PATIENCE_S)
    tts.stop(slow)
    await asyncio.wait_for(speaking, PATIENCE_S)


# -- one that does what it is told by the test

Answerer = Callable[[web.WebSocketResponse, wire.ToGateway], Awaitable[None]]


@contextlib.asynccontextmanager
async def pretender(answer: Answerer, *, greet: bool = True, loading: int = 0) -> AsyncIterator[str]:
    """Gives its address. `answer` gets each text frame. The first `loading` welcomes tell of no engine."""
    welcomes = count(1)

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if isinstance(message.data, bytes):
                continue
            frame = wire.from_client(message.data)
            if isinstance(frame, wire.Hello) and greet:
                ready = ("stt", "llm", "tts") if next(welcomes) > loading else ()
                await socket.send_str(
                    wire.encode(wire.Welcome(protocol=2, server="pretender", engines={}, ready=ready))
                )
            else:
                await answer(socket, frame)
        return socket

    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.01)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def breaks(socket: web.WebSocketResponse, frame: wire.ToGateway) -> None:
    await socket.close(code=wire.CLOSE_GOING)


async def says_nothing(socket: web.WebSocketResponse, frame: wire.ToGateway) -> None:
    return


async def test_a_gateway_that_is_not_there_cannot_be_used(made: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.link.START_S", 0.5)
    url = f"ws://127.0.0.1:{free_port()}"
    with pytest.raises(Unusable) as error:
        await made(Stt, url)
    assert f"the stt engines are those of {url}, which cannot be used: Connection refused" in str(error.value)
    assert "ringmaster up --role ai-server" in str(error.value)


async def test_one_that_still_loads_its_models_is_waited_for(made: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.link.START_S", 0.1)
    async with pretender(says_nothing, loading=3) as url:
        assert (await made(Llm, url)).name == "gateway"
    monkeypatch.setattr("actors.link.READY_S", 0.1)
    async with pretender(says_nothing, loading=1000) as url:
        with pytest.raises(Unusable, match="no llm actor is ready there"):
            await made(Llm, url)


async def test_one_that_does_not_let_us_in_is_not_tried_again(made: Maker) -> None:
    asked = []

    async def refuses(socket: web.WebSocketResponse, frame: wire.ToGateway) -> None:
        asked.append(frame)
        await socket.send_str(wire.encode(wire.Error(code="unauthorized", text="the token is missing or wrong")))

    async with pretender(refuses, greet=False) as url:
        with pytest.raises(Unusable) as error:
            await made(Llm, url, token=Secret("open barley"))
        assert "does not let us in: the token is missing or wrong" in str(error.value)
        assert "open barley" not in str(error.value)
        assert [frame.token for frame in asked if isinstance(frame, wire.Hello)] == ["open barley"]


async def test_what_was_awaited_when_the_connection_breaks_is_an_error_and_it_is_made_anew(made: Maker) -> None:
    async with pretender(breaks) as url:
        link: Link = await made(Link, url)
        came: asyncio.Queue[News] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def take(news: News) -> None:
            loop.call_soon_threadsafe(came.put_nowait, news)

        for number in range(3):
            async with asyncio.timeout(PATIENCE_S):
                while not link.up:
                    await asyncio.sleep(0)
                link.handle("c", take)
                link.send(wire.Release(call=f"c{number}"))
                assert isinstance(await came.get(), Gone)


async def test_a_recogniser_that_breaks_says_so_and_stays_broken(made: Maker) -> None:
    async def attends_then_breaks(socket: web.WebSocketResponse, frame: wire.ToGateway) -> None:
        if isinstance(frame, wire.Attend):
            await socket.send_str(wire.encode(wire.Attended(call=frame.call)))
        elif isinstance(frame, wire.Finish):
            await socket.close()

    async with pretender(attends_then_breaks) as url:
        stt: Stt = await made(Stt, url)
        stream = await stt.reach(HINTS)
        stream.feed(np.ones(320, dtype=np.int16))
        with pytest.raises(Distant):
            await stream.finish()
        assert stream.broken
        assert stream.feed(np.ones(320, dtype=np.int16)) == ""
        with pytest.raises(Distant):
            await stream.finish()
        again = await stt.reach(HINTS)
        assert again.broken == "", "another one can be had over the next connection"


async def test_a_recogniser_that_says_nothing_is_not_waited_for_for_ever(made: Maker) -> None:
    async with pretender(says_nothing) as url:
        stt: Stt = await made(Stt, url, response_timeout_s=0.1)
        with pytest.raises(Distant, match=r"within 0\.1 s"):
            await stt.reach(HINTS)


async def test_a_model_without_room_is_full(made: Maker) -> None:
    async def busy(socket: web.WebSocketResponse, frame: wire.ToGateway) -> None:
        if isinstance(frame, wire.Reserve | wire.Generate):
            request = frame.request if isinstance(frame, wire.Generate) else ""
            error = wire.Error(code="busy", text="all 4 calls are taken", call=frame.call, request=request)
            await socket.send_str(wire.encode(error))

    async with pretender(busy) as url:
        llm: Llm = await made(Llm, url)
        with pytest.raises(Full, match="all 4"):
            await llm.reserve("call-1", "", "", ())
        with pytest.raises(Full, match="all 4"):
            await anext(aiter(llm.generate(prompt(QUESTION))))


async def test_a_question_is_asked_again_when_nothing_of_its_answer_had_come(made: Maker) -> None:
    asked: list[str] = []

    async def second_time(socket: web.WebSocketResponse, frame: wire.ToGateway) -> None:
        if not isinstance(frame, wire.Generate):
            return
        asked.append(frame.lines[0].text)
        if len(asked) == 1:
            await socket.close()
            return
        await socket.send_str(wire.encode(wire.Token(request=frame.request, text="Yes")))
        if len(asked) == 2:
            await socket.send_str(wire.encode(wire.Generated(request=frame.request)))
        else:
            await socket.close()

    async with pretender(second_time) as url:
        llm: Llm = await made(Llm, url)
        assert [piece async for piece in llm.generate(prompt(QUESTION))] == [Token("Yes")]
        assert asked == [QUESTION, QUESTION]
        assert [piece async for piece in llm.generate(prompt(QUESTION))] == [Token("Yes")], "half of it, and no second"


async def test_a_gateway_that_stays_away_is_an_error_of_the_answer_and_of_the_clause(made: Maker) -> None:
    async with pretender(breaks) as url:
        llm: Llm = await made(Llm, url, response_timeout_s=0.3)
        tts: Tts = await made(Tts, url, response_timeout_s=0.3)
    with pytest.raises(Broken):
        await anext(aiter(llm.generate(prompt(QUESTION))))
    with pytest.raises(Broken):
        await asyncio.to_thread(tts.synthesize, "Hello.", Voice(), lambda pcm: True)


async def test_a_clause_that_broke_off_goes_on_where_it_was(made: Maker) -> None:
    whole = np.arange(1000, dtype="<i2")
    tries = 0

    async def halves(socket: web.WebSocketResponse, frame: wire.ToGateway) -> None:
        nonlocal tries
        if not isinstance(frame, wire.Speak):
            return
        tries += 1
        for sequence, at in enumerate(range(0, 1000, 100)):
            if tries == 1 and at == 600:
                await socket.close()
                return
            await socket.send_bytes(wire.pack_audio(frame.stream, sequence, whole[at : at + 100].tobytes()))
        await socket.send_str(wire.encode(wire.Spoken(request=frame.request, samples=1000)))

    async with pretender(halves) as url:
        tts: Tts = await made(Tts, url)
        got: list[Pcm] = []
        await asyncio.to_thread(tts.synthesize, "Hello.", Voice(), lambda pcm: got.append(pcm) is None)
        assert tries == 2
        assert np.array_equal(np.concatenate(got), whole)
