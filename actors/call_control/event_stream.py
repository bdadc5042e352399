"""The events WebSocket: opened, read, and opened again for as long as the actor lives.

Asterisk writes with a time limit of 100 ms and closes a connection that is not read (`websocket_write_timeout`), so the
reader decodes and queues, and nothing else. Events that fall into a gap are lost for good; whoever reads the queue
compares with what Asterisk and the supervisor have after every `Up`.

    run()  -->  items:  Up, event, event, Down, Up, event, ...
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator

import aiohttp

from actors.call_control.ari import HEARTBEAT_S, Ari, AriError
from actors.call_control.ari.events import EventReader
from actors.call_control.event_queue import AT_ONCE, Digits, Down, EventQueue, Up

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 2.0
"""While we are away callers are sent on in the dialplan: an Asterisk that is back is to have us again within 5 s. A try
that hangs takes up to `CONNECT_S` more, for a machine that is just starting answers nothing at all."""
STEADY_S = 5.0
"""A connection that lived this long was a good one: the next pause is a short one again."""
ASIDE_S = 10.0
"""Between looks whether the application that another program took is idle. Doubles each time that it is taken again."""
LONGEST_ASIDE_S = 600.0


def pauses(chance: Callable[[], float]) -> Iterator[float]:
    """Seconds before each next try: doubling, of which chance takes up to half, so that many clients spread out."""
    pause = FIRST_PAUSE_S
    while True:
        yield pause * (0.5 + chance() / 2)
        pause = min(LONGEST_PAUSE_S, pause * 2)


class EventStream:
    def __init__(
        self,
        ari: Ari,
        *,
        ours: Callable[[str], bool] = lambda identifier: False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """ours: whether a channel or bridge is of a call that goes on here."""
        self.items = EventQueue()
        self.reader = EventReader(ari.app_name)
        self.digits = Digits(time.monotonic)
        self.replaced = False
        """Another program has the application now: its calls are not ours to touch."""
        self._ari = ari
        self._ours = ours
        self._sleep = sleep
        self._chance = chance
        self._aside_s = ASIDE_S
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._leaving = False

    async def run(self) -> None:
        """Returns only after `leave`, and never gives up."""
        pause = pauses(self._chance)
        while True:
            try:
                socket = await self._ari.open_events()
            except AriError as error:
                self.items.put(Down(str(error)))
                await self._sleep(next(pause))
                continue
            opened = asyncio.get_running_loop().time()
            self.items.put(Up(_local_address(socket)))
            problem = await self._read(socket)
            if self._leaving:
                return
            self.items.put(Down(problem))
            if self.replaced:
                await self._wait_until_idle()
            if asyncio.get_running_loop().time() - opened > STEADY_S:
                pause = pauses(self._chance)
            await self._sleep(next(pause))

    async def stand_aside(self) -> None:
        """Another program has registered the application: two that take it from each other in turn would lose calls.
        Comes back, ever more slowly, when no call but ours is in it: the other one has gone, or loses nothing."""
        self.replaced = True
        if self._socket is not None:
            await self._socket.close()

    async def leave(self) -> None:
        """The end of this process: a connection that breaks off instead is a fault in Asterisk's log and in ours."""
        self._leaving = True
        if self._socket is not None:
            await self._socket.close()  # waits for Asterisk's answer as long as `open_events` says

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        """Queues events until the connection ends; why it ended."""
        self._socket = socket
        taken = 0
        async with socket:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
                    taken += 1
                    if taken % AT_ONCE == 0:
                        await asyncio.sleep(0)  # while more has come already, reading would not let go
        self._socket = None
        return self._why_ended(socket)

    def _take(self, message: str) -> None:
        event = self.reader.read(message)
        if event is None:
            return
        if event.channel is not None:
            if event.type == "ChannelDtmfReceived" and not self.digits.admits(event.channel.id):
                return
            if event.type in ("StasisEnd", "ChannelDestroyed"):
                self.digits.forget(event.channel.id)
        self.items.offer(event, len(message))

    def _why_ended(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        origin = self._ari.origin
        if self.replaced:
            return (
                f"another program has connected to Asterisk with the application name {self._ari.app_name!r}: calls go "
                "there; end it, or give one of the two another asterisk.app_name"
            )
        if isinstance(socket.exception(), aiohttp.ServerTimeoutError):
            return f"Asterisk at {origin} has answered no ping on the events connection for {HEARTBEAT_S / 2:g} s"
        if socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            return f"Asterisk at {origin} has sent an event that is too long; the connection is opened again"
        return f"Asterisk at {origin} has closed the events connection ({socket.close_code})"

    async def _wait_until_idle(self) -> None:
        while True:
            await self._sleep(self._aside_s)
            try:
                if await self._ari.application_idle(self._ours):
                    break
            except AriError as error:
                log.debug("whether the application is idle cannot be told: %s", error)
        self._aside_s = min(LONGEST_ASIDE_S, self._aside_s * 2)
        self.replaced = False


def _local_address(socket: aiohttp.ClientWebSocketResponse) -> str:
    name = socket.get_extra_info("sockname")
    return str(name[0]) if name else ""
