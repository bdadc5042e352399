"""An AudioSocket server under a test's hand: keeps what Asterisk sends, writes what the test says, byte for byte."""

from __future__ import annotations

import asyncio
import socket
import struct


class MediaServer:
    """One connection at a time is enough for the tests.

    messages: every message that came, as kind and payload
    ending:   the name of the error that ended the connection: IncompleteReadError for an orderly close
    changed:  is notified after every message
    """

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.accepted = 0
        self.ending = ""
        self.ended = asyncio.Event()
        self.changed = asyncio.Condition()
        self.address = ""
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def start(self) -> str:
        """The address that it listens on, as host:port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self.address

    async def __aenter__(self) -> MediaServer:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        self.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def close(self) -> None:
        """Closes the connection in order."""
        if self._writer is not None:
            self._writer.close()

    def reset(self) -> None:
        """Breaks the connection."""
        assert self._writer is not None
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def write(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)

    def sounds(self) -> int:
        """How many messages with sound have come."""
        return sum(kind >= 0x10 for kind, _ in self.messages)

    async def heard(self, frames: int) -> None:
        """Until that many messages with sound have come."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.sounds() >= frames)

    async def introduced(self) -> bytes:
        """Until the first message has come, which holds the UUID."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.messages)
        kind, payload = self.messages[0]
        assert kind == 0x01
        return payload

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writer = writer
        try:
            while True:
                header = await reader.readexactly(3)
                payload = await reader.readexactly(int.from_bytes(header[1:], "big"))
                self.messages.append((header[0], payload))
                async with self.changed:
                    self.changed.notify_all()
        except (asyncio.IncompleteReadError, ConnectionResetError) as error:
            self.ending = type(error).__name__
            self.ended.set()
            writer.close()
