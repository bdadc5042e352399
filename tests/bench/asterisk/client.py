"""An ARI client for tests: requests by one line each, events that can be waited for, a loop around a test."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import ssl
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec

import aiohttp

from bench.asterisk import Asterisk, Phone
from tests.bench.asterisk.media_server import MediaServer

DEADLINE_S = 10.0
APP = "agent"

Arguments = ParamSpec("Arguments")
Event = dict[str, Any]


def in_loop(test: Callable[Arguments, Awaitable[None]]) -> Callable[Arguments, None]:
    """Runs an asynchronous test, within a deadline that only a hang reaches."""

    @functools.wraps(test)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(2 * DEADLINE_S):
                await test(*args, **kwargs)

        asyncio.run(limited())

    return run


def credentials(asterisk: Asterisk) -> dict[str, str]:
    """The header of HTTP Basic authentication."""
    encoded = base64.b64encode(f"{asterisk.user}:{asterisk.password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


class Client:
    """events: all that came, in order; session: for requests that the methods here are too polite for"""

    def __init__(self, asterisk: Asterisk, app: str = APP, tls: ssl.SSLContext | None = None, **query: str) -> None:
        self.events: list[Event] = []
        self.closed = asyncio.Event()
        self._asterisk = asterisk
        self._query = {"app": app, **query}
        connector = None if tls is None else aiohttp.TCPConnector(ssl=tls)
        self.session = aiohttp.ClientSession(headers=credentials(asterisk), connector=connector)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._taken = 0

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
        if self._socket is not None:
            await self._socket.close()
        await self.session.close()

    async def connect(self) -> None:
        self.closed.clear()
        self._socket = await self.session.ws_connect(f"{self._asterisk.url}/events", params=self._query)
        self._reader = asyncio.ensure_future(self._read(self._socket))

    async def disconnect(self) -> None:
        assert self._socket is not None
        await self._socket.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            self.events.append(json.loads(message.data))
            async with self._changed:
                self._changed.notify_all()
        self.closed.set()

    async def event(self, kind: str, **fields: Any) -> Event:
        """The next event of that type and with those fields (`channel` and `bridge` by id), after the last taken."""

        def fits(event: Event) -> bool:
            ids: Event = {name: event[name]["id"] for name in ("channel", "bridge") if name in event}
            shown = {**event, **ids}
            return shown["type"] == kind and all(shown.get(name) == value for name, value in fields.items())

        def found() -> int | None:
            return next((place for place in range(self._taken, len(self.events)) if fits(self.events[place])), None)

        try:
            async with asyncio.timeout(DEADLINE_S), self._changed:
                await self._changed.wait_for(lambda: found() is not None)
        except TimeoutError:
            came = [event["type"] for event in self.events[self._taken :]]
            raise AssertionError(f"no {kind} with {fields}; there came {came}") from None
        place = found()
        assert place is not None
        self._taken = place + 1
        return self.events[place]

    def types(self, start: int = 0) -> list[str]:
        return [event["type"] for event in self.events[start:]]

    async def request(self, method: str, path: str, body: Any = None, **params: str) -> tuple[int, Any]:
        async with self.session.request(method, self._asterisk.url + path, params=params, json=body) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def get(self, path: str, **params: str) -> Any:
        return await self._expect("GET", path, params)

    async def post(self, path: str, **params: str) -> Any:
        return await self._expect("POST", path, params)

    async def delete(self, path: str, **params: str) -> Any:
        return await self._expect("DELETE", path, params)

    async def _expect(self, method: str, path: str, params: dict[str, str]) -> Any:
        """The body of a reply that must be a success."""
        status, body = await self.request(method, path, None, **params)
        assert status < 300, (method, path, params, status, body)
        return body

    # -- what most tests begin with ---------------------------------------------------------------------------------

    async def answered(self, phone: Phone) -> str:
        """The caller's channel, in Stasis and answered."""
        await self.event("StasisStart", channel=phone.id)
        await self.post(f"/channels/{phone.id}/answer")
        return phone.id

    async def media_leg(self, media: MediaServer, formats: str = "slin") -> str:
        """An AudioSocket channel to that server, in Stasis."""
        channel = f"media-{uuid.uuid4()}"
        endpoint = f"AudioSocket/{media.address}/{uuid.uuid4()}"
        await self.post("/channels", endpoint=endpoint, app=APP, channelId=channel, formats=formats)
        await self.event("StasisStart", channel=channel)
        return channel

    async def bridged(self, *channels: str, **options: str) -> str:
        """A new mixing bridge with those channels in it."""
        bridge = (await self.post("/bridges", type="mixing"))["id"]
        for channel in channels:
            await self.post(f"/bridges/{bridge}/addChannel", channel=channel, **options)
        return str(bridge)


async def within(awaited: Awaitable[Any]) -> Any:
    """The result, within the deadline."""
    return await asyncio.wait_for(awaited, DEADLINE_S)
