"""The agent's side of a chan_websocket connection under a test's hand."""

from __future__ import annotations

import asyncio

import aiohttp


class MediaClient:
    """texts:  every event that came
    sounds: every frame of sound that came
    code:   of the close frame, None before; 1006 = the connection broke
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.texts: list[str] = []
        self.sounds: list[bytes] = []
        self.closed = asyncio.Event()
        self._changed = asyncio.Condition()
        self._reader = asyncio.ensure_future(self._read())

    @classmethod
    async def connect(cls, session: aiohttp.ClientSession, url: str) -> MediaClient:
        return cls(await session.ws_connect(url))

    @property
    def code(self) -> int | None:
        return self.socket.close_code

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.texts.append(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                self.sounds.append(message.data)
            async with self._changed:
                self._changed.notify_all()
        self.closed.set()

    async def told(self, texts: int) -> None:
        """Until so many events have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.texts) >= texts)

    async def heard(self, frames: int) -> None:
        """Until so many frames of sound have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.sounds) >= frames)

    def reset(self) -> None:
        """Breaks the connection."""
        connection = self.socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()

    async def stop(self) -> None:
        await self.socket.close()
        self._reader.cancel()
