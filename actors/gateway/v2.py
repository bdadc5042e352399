"""A client of version 2 of the protocol (`ipc.gateway`): many calls on one connection, each with its own engines."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from actors.gateway.answering import Answering, Rooms
from actors.gateway.answering import Lost as AnswerLost
from actors.gateway.endpointing import Endpointer
from actors.gateway.lending import Lending
from actors.gateway.listening import Listening
from actors.gateway.outbox import Outbox
from actors.gateway.recognising import Recognising, lost_ms
from actors.gateway.voicing import Lost as VoiceLost
from actors.gateway.voicing import Manner, Said, Voicing
from actors.pool import NoEngine
from config.grammar import grammar
from ipc import gateway as wire
from ipc import messages
from ipc.bus import NoAnswer, Refused
from ipc.thinking import Token

log = logging.getLogger(__name__)

MOST_CALLS = 500
"""On one connection. A whole machine's calls come over one; each takes a few kB here until it is used."""

MOST_REQUESTS = 1000
"""Answers and clauses that are under way on one connection."""


@dataclass
class _Call:
    """One call of the client's, and what it uses of ours."""

    listening: Listening | None = None
    stream: int = -1
    """Under which its audio comes."""
    answering: Answering | None = None
    voices: dict[int, Voicing] = field(default_factory=dict)
    """By sample rate."""
    released: bool = False


class _Ears:
    """What is heard in one call goes back under its name."""

    def __init__(self, client: "Client", call: str) -> None:
        self._client = client
        self._call = call

    def partial(self, utterance: int, text: str) -> None:
        self._client.send(wire.Partial(call=self._call, utterance=utterance, text=text))

    def began(self, utterance: int) -> None:
        self._client.send(wire.SpeechStarted(call=self._call, utterance=utterance))

    def heard(self, utterance: int, heard: messages.Heard) -> None:
        self._client.send(
            wire.Heard(
                call=self._call,
                utterance=utterance,
                text=heard.text,
                confidence=heard.confidence,
                words=heard.words,
                lost_ms=lost_ms(heard),
            )
        )

    def unheard(self, utterance: int, reason: str) -> None:
        self._client.send(wire.Error(code="lost", text=reason, call=self._call, utterance=utterance))


class Client:
    """`take_text` and `take_audio` get what comes, in order; `close` gives everything back."""

    def __init__(self, lending: Lending, rooms: Rooms, outbox: Outbox) -> None:
        self._lending = lending
        self._rooms = rooms
        self._outbox = outbox
        self._calls: dict[str, _Call] = {}
        self._streams: dict[int, Listening] = {}
        self._requests: dict[str, asyncio.Task[Any]] = {}
        self._work: set[asyncio.Task[Any]] = set()

    def send(self, frame: wire.Frame) -> None:
        self._outbox.put(wire.encode(frame))

    async def take_text(self, text: str) -> None:
        """Returns when the next one may come."""
        try:
            frame = wire.from_client(text)
        except wire.Ill as error:
            self.send(wire.Error(code="bad_message", text=str(error)))
            return
        match frame:
            case wire.Hello():
                self.send(wire.Error(code="bad_message", text="hello is the first message, and comes once"))
            case wire.Release(call=name):
                self._release(name)
            case wire.Cancel(request=request):
                if task := self._requests.get(request):
                    task.cancel()
            case _:
                await self._for_call(frame)

    async def _for_call(self, frame: wire.ToGateway) -> None:
        assert not isinstance(frame, wire.Hello | wire.Cancel)
        call = self._calls.get(frame.call)
        if isinstance(frame, wire.Hear | wire.Finish):
            listening = call.listening if call is not None else None
            if listening is None:
                text = f"call {frame.call} is not attended: send `attend` first, and wait for `attended`"
                self.send(wire.Error(code="unknown_call", text=text, call=frame.call, utterance=frame.utterance))
            elif isinstance(frame, wire.Hear):
                listening.hear(frame.utterance)
            else:
                listening.finish(frame.utterance)
            return
        if call is None:
            if len(self._calls) >= MOST_CALLS:
                text = f"{MOST_CALLS} calls are open on this connection: release some, or make another one"
                self.send(wire.Error(code="too_many_calls", text=text, call=frame.call))
                return
            call = self._calls[frame.call] = _Call()
        match frame:
            case wire.Attend():
                self._begin(self._attend(call, frame))
            case wire.Reserve():
                self._begin(self._reserve(call, frame))
            case wire.Prepare():
                with contextlib.suppress(Refused):
                    agent = self._agent(frame.agent)
                    self._model(call).prepare(agent, frame.system, frame.lines, frame.tools)
            case wire.Generate():
                self._request(frame.call, frame.request, self._generate(call, frame))
            case wire.Speak():
                self._request(frame.call, frame.request, self._speak(call, frame))

    async def take_audio(self, body: bytes) -> None:
        """Returns when the next one may come: later, where more comes than can be heard."""
        try:
            audio = wire.unpack_audio(body)
        except wire.Ill as error:
            self.send(wire.Error(code="bad_message", text=str(error)))
            return
        listening = self._streams.get(audio.stream)
        if listening is None:
            return  # of a call that has just been released
        wait_s = listening.audio(audio.pcm)
        if wait_s:
            await asyncio.sleep(wait_s)

    # -- hearing

    async def _attend(self, call: _Call, frame: wire.Attend) -> None:
        if call.listening is not None:
            self._streams.pop(call.stream, None)
            await call.listening.close()
            call.listening = None
        if frame.stream in self._streams:
            text = f"stream {frame.stream} is another call's already"
            self.send(wire.Error(code="refused", text=text, call=frame.call))
            return
        config = self._lending.config
        ears = _Ears(self, frame.call)
        recogniser = Recognising(self._lending, ears.partial)
        try:
            await recogniser.open(
                frame.rate,
                config.agent.language if frame.language is None else frame.language,
                grammar(config.agent) if frame.grammar is None else frame.grammar,
                strict=frame.strict,
            )
        except (NoEngine, Refused, NoAnswer) as error:
            self.send(wire.Error(code=_kind(error), text=str(error), call=frame.call))
            return
        if call.released:
            await recogniser.close()
            return
        endpointer = None
        if frame.endpointing == "server":
            endpointer = Endpointer(frame.rate, config.settings.vad, config.settings.turns)
        call.listening = Listening(recogniser, ears, self._spawn, endpointer)
        call.stream = frame.stream
        self._streams[frame.stream] = call.listening
        self.send(wire.Attended(call=frame.call))

    # -- thinking

    def _model(self, call: _Call) -> Answering:
        if call.answering is None:
            call.answering = Answering(self._lending, self._rooms)
        return call.answering

    def _agent(self, name: str) -> str:
        """Raises `Refused` where the model is one that follows our agents' scripts, and there is no such agent."""
        config = self._lending.config
        name = name or config.agent.name
        agents = [agent.name for agent in config.agents.values() if agent.script is not None]
        if self._lending.engine_names["llm"] == "scripted" and name not in agents:
            known = ", ".join(sorted(agents))
            raise Refused(f"the model here follows scripts, and has none of the agent {name!r}; there are {known}")
        return name

    async def _reserve(self, call: _Call, frame: wire.Reserve) -> None:
        try:
            await self._model(call).reserve(self._agent(frame.agent), frame.system, frame.tools)
        except (NoEngine, Refused) as error:
            self.send(wire.Error(code=_kind(error), text=str(error), call=frame.call))
        else:
            self.send(wire.Reserved(call=frame.call))

    async def _generate(self, call: _Call, frame: wire.Generate) -> None:
        try:
            agent = self._agent(frame.agent)
            answer = self._model(call).generate(agent, frame.system, frame.lines, frame.tools)
            async with contextlib.aclosing(answer) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Token):
                        self.send(wire.Token(request=frame.request, text=piece.text))
                    else:
                        wanted = wire.ToolWanted(request=frame.request, name=piece.name, arguments=piece.arguments)
                        self.send(wanted)
        except (NoEngine, Refused, AnswerLost) as error:
            self._fail(frame.call, frame.request, error)
        else:
            self.send(wire.Generated(request=frame.request))

    # -- speaking

    async def _speak(self, call: _Call, frame: wire.Speak) -> None:
        voicing = call.voices.get(frame.rate)
        if voicing is None:
            voicing = call.voices[frame.rate] = Voicing(self._lending, frame.rate)
        manner = Manner(frame.voice, frame.words_per_minute, frame.pitch)
        sequence = 0
        try:
            async with contextlib.aclosing(voicing.speak(frame.text, manner)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Said):
                        self._said(frame, sequence, chunk)
                        break
                    await self._outbox.room()
                    self._outbox.put(wire.pack_audio(frame.stream, sequence, chunk))
                    sequence += 1
        except (VoiceLost, Refused, NoAnswer) as error:
            self._fail(frame.call, frame.request, error)

    def _said(self, frame: wire.Speak, sequence: int, said: Said) -> None:
        self._outbox.put(wire.pack_audio(frame.stream, sequence, b"", final=True))
        words = tuple(wire.SpokenWord(word.start, word.length, word.sample) for word in said.words)
        self.send(wire.Spoken(request=frame.request, samples=said.samples, words=words))

    # -- everything

    def _fail(self, call: str, request: str, error: Exception) -> None:
        self.send(wire.Error(code=_kind(error), text=str(error), call=call, request=request))

    def _request(self, call: str, request: str, work: Coroutine[Any, Any, None]) -> None:
        if request in self._requests or len(self._requests) >= MOST_REQUESTS:
            work.close()
            text = f"request {request} is under way already, or {MOST_REQUESTS} others are"
            self.send(wire.Error(code="refused", text=text, call=call, request=request))
            return
        task = self._requests[request] = self._begin(work)
        task.add_done_callback(lambda _: self._requests.pop(request, None))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        return self._spawn(work, "for a client")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[Any]:
        task = self._lending.spawn(work, name)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _release(self, name: str) -> None:
        call = self._calls.pop(name, None)
        if call is not None:
            call.released = True
            self._streams.pop(call.stream, None)
            # Not among the work that ends with the connection.
            self._lending.spawn(_give_back(call), "giving back what a client had")

    async def close(self) -> None:
        """The connection has ended."""
        for task in tuple(self._work):
            task.cancel()
        if self._work:
            await asyncio.wait(tuple(self._work))
        for name in tuple(self._calls):
            self._release(name)


async def _give_back(call: _Call) -> None:
    if call.listening is not None:
        await call.listening.close()
    if call.answering is not None:
        call.answering.close()
    for voicing in call.voices.values():
        await voicing.close()


def _kind(error: Exception) -> wire.Code:
    if isinstance(error, NoEngine | Refused):
        return "busy" if error.busy else "refused"
    return "busy" if isinstance(error, NoAnswer) else "lost"
