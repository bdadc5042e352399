"""The door: where Asterisk brings the calls' audio (AudioSocket over TCP). Who may come in is decided here, by UUID.

    accept, from an address that is allowed
           -> first frame `01 00 10 <UUID>` within the deadline -> awaited by a call? ------------------> to the call
                                                                -> not ours, and direct calls are served?
                                                                   call-control opens a call for it ----> to the call
    anything else: dropped and counted by reason

Whoever connects can cost us one descriptor until the deadline, and nothing else: no call waits for another connection.
Sources: `res/res_audiosocket.c` of Asterisk; RFC 9562 for the UUID.
"""

import asyncio
import contextlib
import logging
import socket
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from config.schema import AudioSocket
from ipc import media_uuid
from ipc.bus import NoAnswer, Refused
from supervisor import media_tcp
from supervisor.allowed_hosts import TELL_EVERY_S, AllowedHosts
from supervisor.parting import part

log = logging.getLogger(__name__)

UUID_HEADER = b"\x01\x00\x10"
"""Kind 1, 16 bytes."""
FIRST_FRAME_BYTES = len(UUID_HEADER) + 16

BACKLOG = 1024
"""Connections that the kernel has set up and we have not accepted; the kernel cuts it to net.core.somaxconn."""

ACCEPT_PAUSE_S = 0.2
"""When the process may open no more files, accepting would fail again and again at once."""

PART_S = 1.0
"""For whoever is turned away politely: Asterisk closes within a round trip and a frame."""

Reason = Literal[
    "not allowed",
    "too many waiting",
    "silent",
    "half a frame",
    "closed early",
    "no UUID",
    "unknown UUID",
    "late",
    "taken",
    "refused",
    "no answer",
]


class Callers(Protocol):
    """What the door needs to know of the open calls (`supervisor.calls.Calls`)."""

    def awaits(self, media_uuid: str) -> bool:
        """True when an open call expects this connection."""

    def knows(self, media_uuid: str) -> bool:
        """True when an open call expects this connection, or has had it."""

    def deliver(self, media_uuid: str, connection: socket.socket) -> None:
        """Takes the connection of a call that awaits it."""


class Turned(Exception):
    """This connection does not come in."""

    def __init__(self, reason: Reason, detail: str = "", *, politely: bool = False) -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.politely = politely
        """It is an Asterisk, and its caller can be served by the dialplan."""


@dataclass(eq=False)
class _Visitor:
    connection: socket.socket
    peer: str
    task: "asyncio.Task[None] | None" = None


class MediaDoor:
    def __init__(self, settings: AudioSocket, calls: Callers, offer: Callable[[str], Awaitable[None]]) -> None:
        """`offer` asks for a call to be opened for a UUID; it raises `Refused` or `NoAnswer`."""
        self.refused: Counter[str] = Counter()
        """Connections that were dropped, by reason."""
        self._settings = settings
        self._allowed = AllowedHosts(settings.allowed_hosts)
        self._calls = calls
        self._offer = offer
        self._told: dict[Reason, float] = {}
        """By reason, when the log was last told of it."""
        self._unnamed: dict[_Visitor, None] = {}  # those whose UUID has not come, in the order in which they came
        self.offers = 0
        """Connections that call-control is looking at."""
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._visitors: set[asyncio.Task[None]] = set()
        self._at_rest = asyncio.Event()

    def listen(self, handed: int | None = None) -> None:
        """Opens the door. Raises `OSError` (see `supervisor.ports` for what to say then).

        `handed` is the listening socket of a predecessor. It gives way to another only when the settings now name
        another address, and that can be had: there are calls, and nobody is served by giving up.
        """
        if handed is None:
            self._listener = self._bound()
            return
        self._listener = socket.socket(fileno=handed)
        try:
            if self._listener.getsockname()[:2] != self._address()[4][:2]:
                listener = self._bound()
                self._listener.close()
                self._listener = listener
        except OSError as error:
            log.error("goes on listening on %s:%d: %s", *self._listener.getsockname()[:2], error)

    def _address(self) -> tuple[int, int, int, str, Any]:
        return socket.getaddrinfo(
            self._settings.host, self._settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]

    def _bound(self) -> socket.socket:
        family, kind, protocol, _, address = self._address()
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    async def serve(self) -> None:
        """Lets connections in, until cancelled: then the door is closed; or until it `rest`s. `listen` comes first."""
        assert self._listener is not None
        try:
            async with asyncio.TaskGroup() as tasks:
                self._accepting = tasks.create_task(self._accept(self._listener, tasks))
        except asyncio.CancelledError:
            self._listener.close()
            raise
        finally:
            self._at_rest.set()

    async def _accept(self, listener: socket.socket, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:
                if not isinstance(error, ConnectionAbortedError):
                    log.error("cannot accept media connections: %s", error)
                    await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            if address[0] not in self._allowed:
                connection.close()
                self._turn_away(address[0])
                await asyncio.sleep(0)
                continue
            self._make_room()
            visitor = _Visitor(connection, f"{address[0]}:{address[1]}")
            self._unnamed[visitor] = None
            visitor.task = tasks.create_task(self._receive(visitor))
            self._visitors.add(visitor.task)
            visitor.task.add_done_callback(self._visitors.discard)
            # Where many knock at once, accepting never waits: without this nothing else would have its turn.
            await asyncio.sleep(0)

    def _turn_away(self, host: str) -> None:
        reason: Reason = "not allowed"
        self.refused[reason] += 1
        self._allowed.tell(host, time.monotonic())

    async def rest(self, within_s: float) -> None:
        """Lets nobody in any more: whoever comes waits in the listener's queue.

        Those who are inside have `within_s` to find their call.
        """
        if self._accepting is None:
            return
        self._accepting.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._at_rest.wait()
        for task in tuple(self._visitors):
            task.cancel()
        await self._at_rest.wait()

    @property
    def listener_fd(self) -> int:
        """-1 where the door was never opened."""
        return -1 if self._listener is None else self._listener.fileno()

    @property
    def port(self) -> int:
        """Where it listens: of interest when the settings said 0."""
        assert self._listener is not None
        return int(self._listener.getsockname()[1])

    def _make_room(self) -> None:
        """Drops whoever has been silent for longest. Asterisk sends its UUID with the first packet: a real call is not
        among the silent ones for long, however many of them there are."""
        if len(self._unnamed) >= self._settings.max_waiting:
            oldest = next(iter(self._unnamed))
            self._unnamed.pop(oldest)
            self.refused["too many waiting"] += 1
            if oldest.task is not None:
                oldest.task.cancel()

    async def _receive(self, visitor: _Visitor) -> None:
        """One connection, from its first byte until it belongs to a call or is closed."""
        connection = visitor.connection
        try:
            name = await self._read_uuid(connection)
            self._unnamed.pop(visitor, None)
            await self._find_call(name)
            # From here to `deliver` nothing may be awaited: the call could be closed meanwhile.
            self._calls.deliver(name, connection)
        except Turned as turned:
            self.refused[turned.reason] += 1
            self._tell(visitor.peer, turned)
            if turned.politely:
                await part(connection, PART_S, terminate=True)
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            self._unnamed.pop(visitor, None)

    def _tell(self, peer: str, turned: Turned) -> None:
        """Of those that are no calls, one of each kind a minute: a scanner fills no disk with them. All are counted."""
        now = time.monotonic()
        if not turned.politely:
            if now - self._told.get(turned.reason, -TELL_EVERY_S) < TELL_EVERY_S:
                return
            self._told[turned.reason] = now
        log.warning("media connection from %s dropped: %s", peer, turned)

    async def _read_uuid(self, connection: socket.socket) -> str:
        """Takes the first frame from the connection, and not a byte more: the rest is the audio actor's."""
        loop = asyncio.get_running_loop()
        received = b""
        try:
            media_tcp.tune(connection)
            async with asyncio.timeout(self._settings.uuid_timeout_ms / 1000):
                while len(received) < FIRST_FRAME_BYTES:
                    more = await loop.sock_recv(connection, FIRST_FRAME_BYTES - len(received))
                    if not more:
                        raise Turned("closed early", f"closed after {len(received)} bytes")
                    received += more
                    if not UUID_HEADER.startswith(received[: len(UUID_HEADER)]):
                        raise Turned("no UUID", f"began with {received.hex(' ')}, which is no AudioSocket UUID frame")
        except TimeoutError:
            if received:
                raise Turned("half a frame", f"sent {len(received)} bytes of its UUID frame, then nothing") from None
            raise Turned("silent") from None
        except OSError as error:
            raise Turned("closed early", str(error)) from error
        return str(uuid.UUID(bytes=received[len(UUID_HEADER) :]))

    async def _find_call(self, name: str) -> None:
        """Returns when a call awaits this connection. Raises `Turned`."""
        if self._calls.awaits(name):
            return
        if media_uuid.is_ours(name):
            raise Turned("late", f"its call is gone, or has another connection (UUID {name})")
        if self._calls.knows(name):
            raise Turned("taken", f"the call of UUID {name} has its connection already")
        if not self._settings.direct_calls:
            raise Turned("unknown UUID", f"no call awaits UUID {name}, and `audiosocket.direct_calls` is off")
        if self.offers >= self._settings.max_waiting:
            raise Turned("too many waiting", f"call-control has {self.offers} others to look at", politely=True)
        self.offers += 1
        try:
            await self._offer(name)
        except Refused as refused:
            raise Turned("refused", f"UUID {name}: {refused}", politely=True) from refused
        except NoAnswer as silence:
            raise Turned("no answer", f"UUID {name}: {silence}", politely=True) from silence
        finally:
            self.offers -= 1
        if not self._calls.awaits(name):
            raise Turned("refused", f"call-control took UUID {name} and opened no call for it", politely=True)
