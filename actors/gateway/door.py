"""The WebSocket server: who may come in, and which protocol they speak.

    handshake --first message--> hello --token right--> version 2
                                 '----anything else---> version 1, where it is allowed

What a client waits for, others do not: each connection has its own reader and its own outbox, and nothing computes.
"""

import asyncio
import hmac
import logging
from importlib.metadata import version
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Protocol

from aiohttp import WSMessage, WSMsgType, web

from actors.catalogue import Unusable
from actors.gateway import v1, v2
from actors.gateway.answering import Rooms
from actors.gateway.lending import Lending
from actors.gateway.outbox import Outbox
from ipc import gateway as wire

log = logging.getLogger(__name__)

PING_S = 30.0
"""Between two pings. A client that does not answer one within half of that is gone."""

SEND_BUFFER = 256 * 1024
"""Bytes that the kernel keeps for a client, at most. Left alone it would keep 4 MB, of which we would not know that
they wait; over 10 ms of network this is still 25 MB/s."""

FIRST_S = 10.0
"""Within which a client that must show a token has said its first word. Others may be silent for as long as they like:
so were those of the old protocol."""

STOP_S = 2.0
"""For connections to end when the gateway does."""


class Client(Protocol):
    """A client of either protocol."""

    async def take_text(self, text: str) -> None: ...

    async def take_audio(self, body: bytes) -> None: ...

    async def close(self) -> None: ...


class Door:
    def __init__(self, lending: Lending, rooms: Rooms) -> None:
        self._lending = lending
        self._rooms = rooms
        self._settings = lending.config.settings.gateway
        self._token = self._settings.token.reveal().encode()
        self._outboxes: set[Outbox] = set()
        self._clients = 0
        self._handlers: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Raises `Unusable` where the port cannot be had."""
        settings = self._settings
        application = web.Application()
        application.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=STOP_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, settings.host, settings.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise Unusable(
                f"the gateway cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. Stop "
                "whoever has it, or set `gateway.port`"
            ) from error
        log.info("lends its engines on ws://%s:%d", settings.host, settings.port)

    async def close(self) -> None:
        for outbox in tuple(self._outboxes):
            outbox.close(wire.CLOSE_GOING, "the gateway ends: connect again")
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if not web.WebSocketResponse().can_prepare(request):
            return web.Response(status=426, text="this is the gateway to local AI: connect with a WebSocket\n")
        if "Origin" in request.headers and not self._token:
            # A browser on this machine, in which any page of the web may run: loopback keeps that out of nothing.
            log.warning("a web page of %s is turned away: there is no token", request.headers["Origin"])
            return web.Response(status=403, text="web pages need a token: set `gateway.token`\n")
        if self._clients >= self._settings.max_clients:
            log.warning("%s is turned away: as many clients as `gateway.max_clients` allows are here", request.remote)
            return web.Response(status=503, text="as many clients as this gateway takes are here\n")
        # Without compression: that would cost 300 kB a connection, and audio and short texts do not get shorter.
        socket = web.WebSocketResponse(heartbeat=PING_S, max_msg_size=wire.LARGEST_FRAME, compress=False)
        self._clients += 1
        try:
            await socket.prepare(request)
            await self._serve(request, socket)
        finally:
            self._clients -= 1
        return socket

    async def _serve(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        transport = request.transport
        if transport is not None:
            transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER)
        outbox = Outbox(socket, transport, self._settings.max_waiting_kb * 1024, self._lending.spawn)
        self._outboxes.add(outbox)
        try:
            client, first = await self._welcome(request, socket, outbox)
            if client is None:
                return
            try:
                if first is not None:
                    await _take(client, first)
                async for message in socket:
                    await _take(client, message)
            finally:
                await client.close()
        finally:
            await outbox.gone()
            self._outboxes.discard(outbox)

    async def _welcome(
        self, request: web.Request, socket: web.WebSocketResponse, outbox: Outbox
    ) -> tuple[Client | None, WSMessage | None]:
        """Which client it is, and its first message where that is still to be taken. None for one that goes again."""
        known = self._known(request.headers.get("Authorization", "").removeprefix("Bearer "))
        try:
            first = await socket.receive(None if known else FIRST_S)
        except TimeoutError:
            self._turn_away(request, outbox, wire.CLOSE_SILENT, None, "no hello came in time")
            return None, None
        if first.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None, None
        try:
            hello = _hello(first)
        except wire.Ill as error:
            self._turn_away(request, outbox, wire.CLOSE_VERSION, "bad_message", f"this hello is none: {error}")
            return None, None
        if hello is None:
            if not self._settings.allow_v1 or not known:
                why = "the first message is not hello, and " + (
                    "the old protocol shows no token" if self._settings.allow_v1 else "the old protocol is not served"
                )
                self._turn_away(request, outbox, wire.CLOSE_OLD_CLIENT, None, why)
                return None, None
            return v1.Client(self._lending, self._rooms, outbox), first
        if not known and not self._known(hello.token):
            self._turn_away(request, outbox, wire.CLOSE_UNAUTHORIZED, "unauthorized", "the token is missing or wrong")
            return None, None
        if hello.protocol != wire.PROTOCOL:
            why = f"this gateway speaks version {wire.PROTOCOL}, not {hello.protocol}"
            self._turn_away(request, outbox, wire.CLOSE_VERSION, "wrong_version", why)
            return None, None
        log.info("%s (%s) uses our engines", hello.client or "a client", request.remote)
        server = f"Ringmaster {version('ringmaster')}"
        lending = self._lending
        welcome = wire.Welcome(protocol=wire.PROTOCOL, server=server, engines=lending.engine_names, ready=lending.ready)
        outbox.put(wire.encode(welcome))
        return v2.Client(self._lending, self._rooms, outbox), None

    def _known(self, token: str) -> bool:
        """The comparison takes as long for a token that is nearly right as for any other."""
        return not self._token or hmac.compare_digest(self._token, token.encode())

    @staticmethod
    def _turn_away(request: web.Request, outbox: Outbox, close: int, code: wire.Code | None, why: str) -> None:
        log.warning("%s is turned away: %s", request.remote, why)
        if code is not None:
            outbox.put(wire.encode(wire.Error(code=code, text=why)))
        outbox.close(close, why)


def _hello(first: WSMessage) -> wire.Hello | None:
    """None for a client of the old protocol. Raises `Ill`."""
    if first.type is not WSMsgType.TEXT or wire.type_of(first.data) != "hello":
        return None
    frame = wire.from_client(first.data)
    assert isinstance(frame, wire.Hello)
    return frame


async def _take(client: Client, message: WSMessage) -> None:
    if message.type is WSMsgType.TEXT:
        await client.take_text(message.data)
    elif message.type is WSMsgType.BINARY:
        await client.take_audio(message.data)
