"""The doctor as a guest of Asterisk: a Stasis application of its own, and what it made there, which goes with it."""

import asyncio
import contextlib
import json
import uuid
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import aiohttp

from supervisor.doctor.ari import Ari, NoReply, Reply

PREFIX = "ringmaster-doctor-"
"""Of the ids of everything that it makes."""

START_S = 5.0
"""From an originate to StasisStart: a few ms."""
REMOVE_S = 5.0
"""For tidying up, also after Ctrl-C."""
TRIES = 3
STALE_S = 300.0
"""What an earlier doctor left that was killed is removed when it is so old. No visit lasts so long."""


class Guest:
    """A context manager; may raise `NoReply` when entered."""

    def __init__(self, ari: Ari) -> None:
        self._ari = ari
        self.app = f"{ari.asterisk.app_name}-doctor"
        self._events: list[dict[str, Any]] = []
        self._came = asyncio.Event()
        self._channels: list[str] = []
        self._bridges: list[str] = []

    async def __aenter__(self) -> Self:
        self._socket = await self._ari.events(self.app)
        self._reader = asyncio.create_task(self._read())
        with contextlib.suppress(NoReply):
            await self._remove_stale()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(TimeoutError, NoReply):
            async with asyncio.timeout(REMOVE_S):
                await self.tidy_up()
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            await self._socket.close()

    async def tidy_up(self) -> list[str]:
        """Removes everything; gives the ids of channels that Asterisk has all the same."""
        for kind, made in (("bridges", self._bridges), ("channels", self._channels)):
            for identity in made:
                await self._remove(kind, identity)
        deadline = asyncio.get_running_loop().time() + REMOVE_S / 2
        left = list(self._channels)
        while left and asyncio.get_running_loop().time() < deadline:
            left = [channel for channel in left if (await self._ari.get("channels", channel)).ok]
            if left:
                await asyncio.sleep(0.02)
        self._channels, self._bridges = left, []
        return left

    async def _remove(self, kind: str, identity: str) -> None:
        """Tries again where a request was lost: whoever presses Ctrl-C breaks off one that is under way."""
        for _ in range(TRIES):
            with contextlib.suppress(NoReply):
                await self._ari.delete(kind, identity)
                return

    # -- making things ---------------------------------------------------------------------------------------------

    async def call(self, endpoint: str, app: str = "", **variables: str) -> tuple[str, Reply]:
        """Originates a channel into our own application, or into another; gives its id and Asterisk's reply."""
        channel = PREFIX + str(uuid.uuid4())
        self._channels.append(channel)
        reply = await self._ari.post(
            "channels",
            variables=variables,
            endpoint=endpoint,
            app=app or self.app,
            channelId=channel,
            callerId='"Ringmaster doctor" <doctor>',
            timeout="10",
            formats="slin",
        )
        return channel, reply

    async def probe(self) -> str | None:
        """A channel that rings nobody and to which nobody talks, for asking Asterisk's functions; None if there can
        be none. It is an RTP leg whose packets, if there were any, would go to our own discard port."""
        channel = PREFIX + str(uuid.uuid4())
        self._channels.append(channel)
        reply = await self._ari.post(
            "channels", "externalMedia", app=self.app, channelId=channel, external_host="127.0.0.1:9", format="ulaw"
        )
        if not reply.ok or await self.event("StasisStart", "channel", channel, START_S) is None:
            return None
        return channel

    async def join(self, *channels: str) -> Reply:
        """A bridge of these."""
        bridge = PREFIX + str(uuid.uuid4())
        self._bridges.append(bridge)
        made = await self._ari.post("bridges", bridge, type="mixing")
        if not made.ok:
            return made
        return await self._ari.post("bridges", bridge, "addChannel", channel=",".join(channels))

    async def read(self, channel: str, function: str) -> str | None:
        """A channel variable or a function, such as `DIALPLAN_EXISTS(inbound,100,1)`; None where it is not known."""
        reply = await self._ari.get("channels", channel, "variable", variable=function)
        value = reply.get("value")
        return str(value) if reply.ok and value is not None else None

    async def play(self, channel: str, media: str) -> tuple[str, Reply]:
        """The playback's id, and the reply."""
        playback = PREFIX + str(uuid.uuid4())
        return playback, await self._ari.post("channels", channel, "play", playback, media=media)

    # -- events ------------------------------------------------------------------------------------------------------

    async def event(self, kind: str, what: str, key: str, within: float) -> dict[str, Any] | None:
        """The event of this kind whose `what` ("channel", "playback") has this id, past or to come; or None."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    for event in self._events:
                        subject = event.get(what)
                        if event.get("type") == kind and isinstance(subject, dict) and subject.get("id") == key:
                            return event
                    self._came.clear()
                    await self._came.wait()
        return None

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type == aiohttp.WSMsgType.TEXT:
                with contextlib.suppress(ValueError):
                    event = json.loads(message.data)
                    if isinstance(event, dict):
                        self._events.append(event)
                        self._came.set()

    async def _remove_stale(self) -> None:
        now = _when((await self._ari.get("asterisk", "ping")).get("timestamp"))
        for kind in ("channels", "bridges"):
            listed = (await self._ari.get(kind)).body
            for one in listed if isinstance(listed, list) else []:
                identity, made = str(one.get("id", "")), _when(one.get("creationtime"))
                if identity.startswith(PREFIX) and now and made and (now - made).total_seconds() > STALE_S:
                    await self._ari.delete(kind, identity)


def _when(stamp: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(stamp))
    except ValueError:
        return None
