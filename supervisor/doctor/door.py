"""Where Asterisk brings the audio of the doctor's own calls: a small AudioSocket server."""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Coroutine
from types import TracebackType
from typing import Self

from supervisor.doctor.line import UUID_KIND, Wire

HEAD_S = 2.0
"""From the connection to its UUID."""
HEAD = bytes((UUID_KIND, 0, 16))


class Door:
    """A context manager; raises OSError when entered."""

    def __init__(self, host: str, port: int) -> None:
        """port 0: any free one."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setblocking(False)
        self._host, self._wanted = host, port
        self._awaited: dict[uuid.UUID, asyncio.Future[Wire]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        try:
            self._listener.bind((self._host, self._wanted))
            self._listener.listen()
        except OSError:
            self._listener.close()
            raise
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        self._listener.close()
        for awaited in self._awaited.values():
            if awaited.done() and not awaited.cancelled():
                awaited.result().close()

    def expect(self) -> uuid.UUID:
        """A new UUID, with which a connection may come."""
        media = uuid.uuid4()
        self._awaited[media] = asyncio.get_running_loop().create_future()
        return media

    async def connection(self, media: uuid.UUID, within: float) -> Wire | None:
        """None if it did not come in time."""
        done, _ = await asyncio.wait([self._awaited[media]], timeout=within)
        return self._awaited[media].result() if done else None

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            self._spawn(self._greet(connection))

    async def _greet(self, connection: socket.socket) -> None:
        """Strangers are shown out."""
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        head = b""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(HEAD_S):
                while len(head) < 19 and (more := await loop.sock_recv(connection, 19 - len(head))):
                    head += more
        awaited = self._awaited.get(uuid.UUID(bytes=head[3:])) if len(head) == 19 and head[:3] == HEAD else None
        if awaited is None or awaited.done():
            connection.close()
        else:
            awaited.set_result(Wire(connection))
