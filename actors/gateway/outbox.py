"""What waits to be sent to one client. A client that does not read is cut off; nobody else waits for it.

Text is put in at once and never waits: it is small, and it is late already. Audio asks for `room` first, and the engine
that makes it is held back by its mouth, which is full then. What is put in beyond `gateway.max_waiting_kb` all the same
ends the connection.

There is no task while nothing waits: an idle client has a socket and nothing else.
"""

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import ClientConnectionResetError, web

from ipc.gateway import CLOSE_SLOW

log = logging.getLogger(__name__)

CLOSE_S = 2.0
"""For a client to take note of the end. One that does not read sees a connection that was reset."""

AUDIO_SHARE = 4
"""Audio may fill so much of the room, one part of this many, so that text still finds its place."""


class Outbox:
    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        most_bytes: int,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[Any]],
    ) -> None:
        """`transport`: the socket's own, which is aborted when its client takes no note of the end."""
        self.closed = False
        """Nothing is sent any more."""
        self._socket = socket
        self._transport = transport
        self._most = most_bytes
        self._spawn = spawn
        self._waiting: deque[str | bytes] = deque()
        self._bytes = 0
        self._sending = False
        self._on_its_way = False
        """The first of those that wait has been handed over already."""
        self._closing: asyncio.Task[Any] | None = None
        self._room = asyncio.Event()
        self._room.set()

    def put(self, data: str | bytes) -> None:
        """Sends it after whatever waits already, however large it is itself."""
        if self.closed:
            return
        if self._bytes > self._most:
            kilobytes = self._bytes // 1024
            log.warning("a client does not read: cut off with %d kB waiting for it", kilobytes)
            self._end(CLOSE_SLOW, f"{kilobytes} kB were waiting for you, which you did not read")
            return
        self._waiting.append(data)
        self._bytes += len(data)
        if self._bytes > self._most // AUDIO_SHARE:
            self._room.clear()
        if not self._sending:
            self._sending = True
            self._spawn(self._send(), "sending to a client")

    async def room(self) -> None:
        """Waits until more audio may be put in, or the connection has ended."""
        await self._room.wait()

    def close(self, code: int, text: str) -> None:
        """Ends the connection after what waits already."""
        self._end(code, text, after=tuple(self._waiting))

    async def _send(self) -> None:
        try:
            while self._waiting:
                data = self._waiting[0]
                self._on_its_way = True
                await self._hand_over(data)
                self._on_its_way = False
                if self.closed:
                    return
                self._waiting.popleft()
                self._bytes -= len(data)
                if self._bytes <= self._most // AUDIO_SHARE:
                    self._room.set()
        except (ClientConnectionResetError, ConnectionError, RuntimeError):
            # It is gone, or is being closed: whoever reads from it is told the same.
            self.forget()
        finally:
            self._sending = False

    async def _hand_over(self, data: str | bytes) -> None:
        """Returns when the kernel has room for more."""
        if isinstance(data, str):
            await self._socket.send_str(data)
        else:
            await self._socket.send_bytes(data)

    def forget(self) -> None:
        """The client is gone."""
        self.closed = True
        self._waiting.clear()
        self._bytes = 0
        self._room.set()

    def _end(self, code: int, text: str, after: tuple[str | bytes, ...] = ()) -> None:
        if not self.closed:
            after = after[1:] if self._on_its_way else after
            self.forget()
            work = self._close(code, text, after)
            self._closing = self._spawn(work, "closing a connection")

    async def gone(self) -> None:
        """Nothing is sent any more; waits until an end that was begun has been told, for as long as that may take."""
        self.forget()
        if self._closing is not None:
            await asyncio.wait((self._closing,))

    async def _close(self, code: int, text: str, after: tuple[str | bytes, ...]) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                for data in after:
                    await self._hand_over(data)
                await self._socket.close(code=code, message=text.encode()[:120])
        except (TimeoutError, ClientConnectionResetError, ConnectionError, RuntimeError):
            self._reset()

    def _reset(self) -> None:
        """Ends it without a word: otherwise the kernel would keep what it has for this client for minutes."""
        if self._transport is None:
            return
        if not self._transport.is_closing():
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
