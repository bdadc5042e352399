"""The AI server under test, as it is started by `ringmaster up --role ai-server`, and its clients of both protocols."""

import asyncio
import contextlib
import json
import socket
import tempfile
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import numpy as np

from actors.pcm import resample
from bench.system import Sections, System, free_port, settings
from bench.voices import CallerVoice
from ipc import gateway as wire
from ipc.bus import NoAnswer
from supervisor.instance import segment_prefix

F = TypeVar("F", bound=wire.Frame)

PATIENCE_S = 25.0
"""For anything that a test waits for, on slow and shared cores."""

VOICE = CallerVoice("en-us+m3", words_per_minute=150, pitch=45, noise_snr_db=30.0, seed=7)

QUESTION = "what are your opening hours"
ANSWER = "We are open Monday to Friday, from eight in the morning to six in the evening."

TWO: Sections = {"stt": {"count": 2}, "llm": {"count": 2}, "tts": {"count": 2}}
ONE: Sections = {"stt": {"count": 1}, "llm": {"count": 1}, "tts": {"count": 1}}


def said(text: str = QUESTION, rate: int = 16000, *, after_ms: int = 0) -> bytes:
    """The text as a client sends it, with half a second of silence before."""
    pcm = resample(VOICE.say(text, before_ms=500, after_ms=after_ms), 8000, rate)
    return bytes(pcm.astype("<i2").tobytes())


class Server:
    """A running AI server."""

    def __init__(self, system: System, port: int) -> None:
        self.system = system
        self.port = port

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def sessions(self) -> list[str]:
        """Shared memory of sessions that are open."""
        prefix = segment_prefix(self.system.run_dir)
        return sorted(path.name for path in Path("/dev/shm").glob(f"{prefix}session-*"))

    async def no_session_is_left(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.sessions():
                await self.system.status()  # as long as it takes to answer

    async def pid(self, name: str) -> int:
        return next(actor.pid for actor in (await self.system.status()).actors if actor.name == name)

    async def until_ready(self, name: str, *, but_not: int = 0) -> int:
        """The process id of the actor once it is ready, and another one than before."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(NoAnswer):  # it is being started anew itself
                    for actor in (await self.system.status()).actors:
                        if actor.name == name and actor.state == "ready" and actor.pid != but_not:
                            return actor.pid


@contextlib.asynccontextmanager
async def serving(folder: Path, changes: Sections | None = None, port: int = 0) -> AsyncIterator[Server]:
    """An AI server of its own, with one actor of each role unless told otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    sections = dict(changes or {})
    sections["gateway"] = {"port": port, **sections.get("gateway", {})}
    sections.setdefault("actors", ONE)
    with tempfile.TemporaryDirectory(prefix="ringmaster-") as run_dir:
        made = settings(1, 1, sections)
        async with System(folder, Path(run_dir), made, arguments=("--role", "ai-server")) as system:
            await system.until_ready()
            yield Server(system, port)


def _small_socket(address: Any) -> socket.socket:
    """One that takes little ahead of who reads from it."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    return made


class _Connection:
    def __init__(self, url: str, *, token: str = "", small: bool = False) -> None:
        """token: in the handshake's header. small: the machine takes little for one that does not read."""
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._small = small

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(socket_factory=_small_socket) if self._small else None
        self._http = aiohttp.ClientSession(connector=connector)
        self.socket = await self._http.ws_connect(self._url, headers=self._headers, max_msg_size=0)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.socket.close()
        await self._http.close()

    async def next(self) -> aiohttp.WSMessage:
        return await self.socket.receive(PATIENCE_S)

    async def closed(self) -> int:
        """The code with which the gateway ends the connection; what comes before is left alone."""
        while (await self.next()).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
            pass
        return self.socket.close_code or 0


class OldClient(_Connection):
    """One that knows version 1 only."""

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"type": kind, **fields}))

    async def say(self, pcm: bytes, chunk_ms: int = 320) -> None:
        """As the old engine did: binary frames of 16 kHz."""
        size = 32 * chunk_ms
        for at in range(0, len(pcm), size):
            await self.socket.send_bytes(pcm[at : at + size])

    async def told(self, kind: str) -> dict[str, Any]:
        """The next message of this kind; others are left alone, but none may be an end."""
        while True:
            message = await self.next()
            assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
            if message.type is aiohttp.WSMsgType.TEXT and json.loads(message.data)["type"] == kind:
                return dict(json.loads(message.data))

    async def final(self) -> dict[str, Any]:
        while not (result := await self.told("stt_result"))["is_final"]:
            assert result["is_partial"]
        return result

    async def speech(self) -> bytes:
        message = await self.next()
        assert message.type is aiohttp.WSMsgType.BINARY, message
        return bytes(message.data)


class NewClient(_Connection):
    """One of version 2."""

    def __init__(self, url: str, *, token: str = "", small: bool = False) -> None:
        super().__init__(url, token=token, small=small)
        self._numbers = count(1)

    async def hello(self, token: str = "", protocol: int = wire.PROTOCOL) -> None:
        await self.send(wire.Hello(protocol=protocol, token=token, client="test"))

    async def welcome(self) -> wire.Welcome:
        await self.hello()
        return await self.told(wire.Welcome)

    async def send(self, frame: wire.Frame) -> None:
        await self.socket.send_str(wire.encode(frame))

    async def say(self, stream: int, pcm: bytes, chunk: int = 1280) -> None:
        for sequence, at in enumerate(range(0, len(pcm), chunk)):
            await self.socket.send_bytes(wire.pack_audio(stream, sequence, pcm[at : at + chunk]))

    async def frame(self) -> wire.ToClient | wire.Audio:
        message = await self.next()
        if message.type is aiohttp.WSMsgType.BINARY:
            return wire.unpack_audio(message.data)
        assert message.type is aiohttp.WSMsgType.TEXT, f"the connection has ended: {message}"
        return wire.from_gateway(message.data)

    async def told(self, kind: type[F]) -> F:
        """The next frame of this kind; others are left alone, but for errors."""
        while not isinstance(frame := await self.frame(), kind):
            assert not isinstance(frame, wire.Error), frame
        return frame

    async def attend(self, call: str, stream: int, **more: Any) -> None:
        await self.send(wire.Attend(call=call, stream=stream, rate=16000, **more))
        attended = await self.told(wire.Attended)
        assert attended.call == call

    async def understood(self, call: str, stream: int, text: str = QUESTION) -> wire.Heard:
        """Says it as one utterance, and waits for its text."""
        utterance = next(self._numbers)
        await self.send(wire.Hear(call=call, utterance=utterance))
        await self.say(stream, said(text))
        await self.send(wire.Finish(call=call, utterance=utterance))
        while (heard := await self.told(wire.Heard)).utterance != utterance or heard.call != call:
            pass
        return heard

    async def spoken(self, call: str, text: str, **more: Any) -> tuple[wire.Spoken, bytes]:
        """All samples of the clause, and what was said of it."""
        number = next(self._numbers)
        await self.send(wire.Speak(call=call, request=f"s{number}", stream=number, text=text, **more))
        made = b""
        expected = 0
        final = False
        while True:
            frame = await self.frame()
            if isinstance(frame, wire.Audio) and frame.stream == number:
                assert frame.sequence == expected and not final
                expected += 1
                final = frame.final
                made += frame.pcm
            if isinstance(frame, wire.Spoken) and frame.request == f"s{number}":
                assert final
                return frame, made
            assert not isinstance(frame, wire.Error), frame


def seconds_of_sound(pcm: bytes, rate: int) -> float:
    """How long it is louder than a whisper."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    blocks = samples[: len(samples) // (rate // 50) * (rate // 50)].reshape(-1, rate // 50)
    return float((np.sqrt((blocks**2).mean(axis=1)) > 300).sum() * 0.02)
