"""The way to a gateway on another machine: one WebSocket for all calls of this process, made anew when it breaks.

    engine (any thread) --send--> link's thread ==WebSocket==> gateway
    engine's handler    <--------- link's thread <============ gateway

It has a thread and a loop of its own, for engines are called from wherever their actor computes, and some of them wait
there. The protocol is in `ipc.gateway`.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from itertools import count
from typing import Self

import aiohttp

from actors import trouble
from actors.catalogue import Unusable
from config.engines import Local
from config.load import Config
from ipc import gateway as wire
from ipc.gateway import Audio, ToClient

log = logging.getLogger(__name__)

START_S = 5.0
"""For the first connection. A gateway that is just being started answers within two; whoever waits here cannot be told
to end meanwhile, and is killed after five."""

READY_S = 90.0
"""For a gateway that is there to have an engine of the role: models of several GB are being loaded. It is within the
time that the supervisor gives us to start."""

BACK_OFF_S = (0.05, 0.2, 0.5, 1.0)
"""Before each further attempt; the last again and again. A gateway that was killed is back within about a second, one
that was started anew with all its models needs longer, and callers wait."""

LOOK_S = 0.05
"""Between two looks of those who wait for the connection to be back."""

CLOSE_S = 0.5
"""For the other side to take note of the end, which it may have made itself."""

PING_S = 5.0
"""Between two pings. One that is not answered within half of that is the end: a cable was pulled, a machine is gone."""

MOST_WAITING = 4 * 1024 * 1024
"""Bytes that may wait to be sent: two minutes of audio. More wait only for a gateway that does not read."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The connection broke: nothing more comes of what was asked before."""

    reason: str


News = ToClient | Audio | Gone
Handler = Callable[[News], None]
"""Called in the link's own thread, in order, and must not wait there."""


class Broken(Exception):
    """There is no connection to the gateway, or it broke in the middle. The text says why."""


class _NotReady(Exception):
    """The gateway has nothing to lend yet."""


class _TurnedAway(Exception):
    """The gateway does not let us in, and will not before somebody does something."""


class Link:
    """Made by `to`; lives as long as its process."""

    def __init__(self, settings: Local, role: str) -> None:
        self.reason = "it has not been made yet"
        """Why there is no connection, while there is none."""
        self.timeout_s = settings.response_timeout_s
        """For the first answer to whatever is asked."""
        self._settings = settings
        self._role = role
        self._loop = asyncio.new_event_loop()
        self._handlers: dict[str | int, Handler] = {}
        """By name of the call, name of the request, or number of the stream."""
        self._names = count(1)
        self._first: Future[None] = Future()
        self._up = False
        self._answers = False
        """Somebody is there, though there may be nothing to be had yet."""
        self._waiting: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._waiting_bytes = 0
        self._life = self._loop.create_task(self._live())
        threading.Thread(target=self._run, name="link", daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._life)
        self._loop.close()

    def close(self) -> None:
        """The connection is ended, and not made again. Does nothing the second time."""
        with contextlib.suppress(RuntimeError):  # that loop has ended
            self._loop.call_soon_threadsafe(self._life.cancel)

    @classmethod
    def to(cls, config: Config, role: str) -> Self:
        """The link to the gateway of the configuration, connected. Raises `Unusable`."""
        settings = config.settings.local
        link = cls(settings, role)
        try:
            link._wait_for_first()
        except NotInTime:
            link.close()
            remedy = "see `ringmaster status`" if link._answers else "start `ringmaster up --role ai-server`"
            raise Unusable(
                f"the {role} engines are those of {settings.ws_url}, which cannot be used: {link.reason}; {remedy} "
                "there, or correct `local.ws_url` here"
            ) from None
        except _TurnedAway as error:
            raise Unusable(
                f"the {role} engines are those of {settings.ws_url}, which does not let us in: {error}. `local.token` "
                "here must be its `gateway.token`, and both sides of the same version"
            ) from None
        return link

    def _wait_for_first(self) -> None:
        """Raises `TimeoutError`, and `_TurnedAway`."""
        try:
            self._first.result(START_S)
        except NotInTime:
            if not self._answers:
                raise
            self._first.result(READY_S)

    # -- from any thread

    @property
    def up(self) -> bool:
        return self._up

    def new_name(self) -> tuple[str, int]:
        """For a call or a request, and for a stream; never used again."""
        number = next(self._names)
        return f"{self._role}-{number}", number

    def send(self, frame: wire.Frame) -> None:
        """Raises `Broken`. What was sent and got lost on the way is told to its handler, as `Gone`."""
        self._send(wire.encode(frame))

    def tell(self, frame: wire.Frame) -> None:
        """Like `send`, but where there is no connection, nobody needs to know."""
        with contextlib.suppress(Broken):
            self.send(frame)

    def send_audio(self, stream: int, sequence: int, pcm: bytes) -> None:
        """Raises `Broken`."""
        self._send(wire.pack_audio(stream, sequence, pcm))

    def _send(self, data: str | bytes) -> None:
        if not self._up:
            raise Broken(f"there is no connection to {self._settings.ws_url}: {self.reason}")
        self._loop.call_soon_threadsafe(self._put, data)

    def handle(self, key: str | int, handler: Handler) -> None:
        """`handler` gets whatever comes for this call, request or stream; before it is asked for."""
        self._handlers[key] = handler

    def forget(self, key: str | int) -> None:
        self._handlers.pop(key, None)

    def wait_until_up(self, until: float) -> bool:
        """Waits for a connection until that time (CLOCK_MONOTONIC, s); False when there was none. Blocks its thread."""
        while not self._up and time.monotonic() < until:
            time.sleep(LOOK_S)
        return self._up

    async def until_up(self, until: float) -> bool:
        """The same, and blocks nobody."""
        while not self._up and time.monotonic() < until:
            await asyncio.sleep(LOOK_S)
        return self._up

    # -- in the link's thread

    async def _live(self) -> None:
        failures = 0
        async with aiohttp.ClientSession() as http:
            while True:
                began = time.monotonic()
                try:
                    await self._connection(http)
                except _TurnedAway as error:
                    self._end(str(error))
                    if not self._first.done():
                        self._first.set_exception(error)
                        return
                except _NotReady as error:
                    self._answers = True
                    self._end(str(error))
                except aiohttp.WSServerHandshakeError as error:
                    self._end(f"it answers with HTTP {error.status}, and not as a gateway")
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    self._end(_plain(error) or f"no answer within {self._settings.connect_timeout_s:g} s")
                # Back-off grows only while no connection holds.
                failures = 0 if time.monotonic() - began > BACK_OFF_S[-1] else failures + 1
                await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])

    async def _connection(self, http: aiohttp.ClientSession) -> None:
        """From the handshake to its end, which it raises."""
        settings = self._settings
        async with asyncio.timeout(settings.connect_timeout_s):
            socket = await http.ws_connect(
                settings.ws_url,
                heartbeat=PING_S,
                max_msg_size=wire.LARGEST_FRAME,
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            )
        async with socket:
            hello = wire.Hello(protocol=wire.PROTOCOL, token=settings.token.reveal(), client=f"ringmaster {self._role}")
            await socket.send_str(wire.encode(hello))
            async with asyncio.timeout(settings.connect_timeout_s):
                self._welcome(await socket.receive())
            sending = asyncio.create_task(self._send_all(socket))
            try:
                async for message in socket:
                    self._take(message)
            finally:
                sending.cancel()
                self._end("it was ended" if socket.close_code is None else f"it ended with code {socket.close_code}")
        raise ConnectionResetError(f"it ended with code {socket.close_code}")

    def _welcome(self, message: aiohttp.WSMessage) -> None:
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionResetError("it ended before it had begun")
        try:
            frame = wire.from_gateway(message.data)
        except wire.Ill as error:
            raise _TurnedAway(f"it speaks another protocol ({error})") from error
        if isinstance(frame, wire.Error):
            raise _TurnedAway(frame.text)
        if isinstance(frame, wire.Welcome) and self._role not in frame.ready and not self._first.done():
            raise _NotReady(f"no {self._role} actor is ready there")
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting_bytes = 0
        self.reason = ""
        self._up = True
        log.info("connected to %s", self._settings.ws_url)
        trouble.tell("")
        if not self._first.done():
            self._first.set_result(None)

    def _put(self, data: str | bytes) -> None:
        self._waiting.put_nowait(data)
        self._waiting_bytes += len(data)

    async def _send_all(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            data = await self._waiting.get()
            self._waiting_bytes -= len(data)
            if self._waiting_bytes > MOST_WAITING:
                log.error("%s does not take what is sent to it: the connection is ended", self._settings.ws_url)
                await socket.close()
                return
            await (socket.send_str(data) if isinstance(data, str) else socket.send_bytes(data))

    def _take(self, message: aiohttp.WSMessage) -> None:
        try:
            if message.type is aiohttp.WSMsgType.BINARY:
                audio = wire.unpack_audio(message.data)
                self._tell(audio.stream, audio)
                return
            frame = wire.from_gateway(message.data)
        except wire.Ill as error:
            log.error("%s sent a frame that is none: %s", self._settings.ws_url, error)
            return
        key: str = getattr(frame, "request", "") or getattr(frame, "call", "")
        if not self._tell(key, frame) and isinstance(frame, wire.Error):
            log.warning("%s says: %s: %s", self._settings.ws_url, frame.code, frame.text)

    def _tell(self, key: str | int, news: News) -> bool:
        handler = self._handlers.get(key)
        if handler is None:
            return False
        handler(news)
        return True

    def _end(self, reason: str) -> None:
        was_up, before = self._up, self.reason
        self._up, self.reason = False, reason
        if was_up:
            log.error("the connection to %s broke: %s", self._settings.ws_url, reason)
        if self._first.done() and reason != before:
            trouble.tell(
                f"there is no connection to the gateway at {self._settings.ws_url}, whose engines are used: {reason}."
                " It is tried again and again; see `ringmaster status` there"
            )
        for handler in list(self._handlers.values()):
            handler(Gone(reason))


def _plain(error: Exception) -> str:
    """What the system says of it, without what the library puts around."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number and number > 0 else str(error)
