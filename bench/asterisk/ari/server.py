"""The HTTP server: authentication, routing, replies, and the events WebSocket's front door."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import ssl
import time
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from bench.asterisk.ari import bridges, channels, devices, external_media, media, snoop, system, variables
from bench.asterisk.ari.media_door import MediaDoor
from bench.asterisk.ari.operations import WrongMethod, find
from bench.asterisk.ari.request import BODY_LIMIT, FALSE, TRUE, Raw, Refusal, Reply, Request
from bench.asterisk.ari.sockets import EventSocket
from bench.asterisk.exchange import Exchange
from bench.asterisk.faults import Cut, Delay, RequestFault
from bench.asterisk.faults import Reply as Instead

# Importing them declares their operations.
DECLARED = (bridges, channels, devices, external_media, media, snoop, system, variables)
PREFIX = "/ari/"
MEDIA_PREFIX = "/media/"
KEEP_ALIVE_S = 15.0


class Credentials(NamedTuple):
    """The only ones accepted, by HTTP Basic or as `api_key=user:password`.

    read_only: what is not GET is answered 403
    """

    user: str
    password: str
    read_only: bool = False


class Server:
    """booted: False while everything is answered 503"""

    def __init__(self, exchange: Exchange, credentials: Credentials, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.booted = True
        self._exchange = exchange
        self._credentials = credentials
        self._tls = tls
        self._door = MediaDoor(exchange)
        self._running = asyncio.Event()
        self._running.set()
        self._sockets: set[EventSocket] = set()
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """port 0 = any free one; `port` holds it then."""
        application = web.Application(client_max_size=10 * BODY_LIMIT)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, reuse_address=True, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Every connection breaks, then nobody listens."""
        self.drop_sockets()
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._running.set()
        if runner.server is not None:
            for handler in runner.server.connections:
                if handler.transport is not None:
                    handler.transport.abort()
        await runner.cleanup()

    def drop_sockets(self) -> None:
        for socket in tuple(self._sockets):
            socket.drop()
        self._sockets.clear()

    def stall(self, stalled: bool) -> None:
        """While stalled, requests are accepted and wait, and events wait with them."""
        if stalled:
            self._running.clear()
        else:
            self._running.set()

    # -- one request ------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self._exchange.watcher is None:
            return await self._answer(request)
        received_ns = time.monotonic_ns()
        reply = await self._answer(request)
        path = unquote(request.rel_url.raw_path).removeprefix(PREFIX)
        self._exchange.watcher.request(request.method, path, dict(request.query), received_ns, time.monotonic_ns())
        return reply

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        await self._running.wait()
        path = request.rel_url.raw_path
        release = self._exchange.release
        if path.startswith(MEDIA_PREFIX) and release.runs("chan_websocket"):
            return await self._door.open(request, unquote(path.removeprefix(MEDIA_PREFIX)))
        resource = path.removeprefix(PREFIX).partition("/")[0]
        if not path.startswith(PREFIX) or not release.runs("res_ari"):
            return web.Response(status=404, text="The requested URL was not found on this server.")
        try:
            self._authenticate(request)
            if not self.booted:
                raise Refusal(503, "Asterisk not booted")
            if self._credentials.read_only and request.method not in ("GET", "OPTIONS"):
                raise Refusal(403, "Write access denied")
            if not release.serves(resource):
                raise Refusal(404, "Resource not found")
            if path.endswith("/"):
                slashless = path.removeprefix(PREFIX).rstrip("/")
                raise Refusal(404, f"ARI URLs do not end with a slash. Try {PREFIX}{slashless}")
            segments = [unquote(segment) for segment in path.removeprefix(PREFIX).split("/")]
            if segments == ["events"] and request.method == "GET":
                return await self._events(request)
            faults = self._exchange.faults
            if faults is not None:
                fault = faults.request(request.method, "/" + "/".join(segments), request.query)
                if fault is not None:
                    return await self._failing(request, segments, fault)
            reply = await self._operate(request, segments)
        except Refusal as refusal:
            return refused(refusal)
        await self._running.wait()
        return answered(reply)

    async def _failing(self, request: web.Request, segments: list[str], fault: RequestFault) -> web.StreamResponse:
        """A request whose fate is decided: late, answered with something else, or never answered."""
        match fault:
            case Delay(seconds, before=True):
                await asyncio.sleep(seconds)
                return answered(await self._operate(request, segments))
            case Delay(seconds):
                reply = await self._operate(request, segments)
                await asyncio.sleep(seconds)
                return answered(reply)
            case Instead(status, body, done):
                if done:
                    await self._operate(request, segments)
                return answered(Reply(status, {"message": HTTPStatus(status).phrase} if body is None else body))
            case Cut(done):
                if done:
                    with contextlib.suppress(Refusal):
                        await self._operate(request, segments)
                if request.transport is not None:
                    request.transport.abort()
        return web.Response(status=500)

    def _authenticate(self, request: web.Request) -> None:
        given = request.query.get("api_key")
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(encoded, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                given = None
        if given != f"{self._credentials.user}:{self._credentials.password}":
            raise Refusal(401, "Authentication required")

    async def _operate(self, request: web.Request, segments: list[str]) -> Reply:
        operation, path = find(request.method, segments, self._exchange.release)
        raw = Raw(
            query=parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True),
            body=await request.read(),
            content_type=request.headers.get("Content-Type", ""),
        )
        call = Request(self._exchange, path)
        operation.decoder.decode(call, raw)
        return await operation.function(call)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        unknown = sorted(set(request.query) - {"app", "subscribeAll", "api_key"})
        if unknown:
            raise Refusal(400, f"stand-in: GET /events has no parameter {unknown[0]!r}")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=426, text="Upgrade Required")
        names = [name for name in request.query.get("app", "").split(",") if name]
        if not names:
            raise Refusal(400, "HTTP request is missing param: [app]")
        follow_all = request.query.get("subscribeAll", "false").lower()
        if follow_all not in TRUE | FALSE:
            raise Refusal(400, f"stand-in: GET /events needs a boolean as 'subscribeAll', not {follow_all!r}")
        socket = EventSocket(self._exchange, request, self._running)
        self._sockets.add(socket)
        try:
            return await socket.serve(names, follow_all in TRUE)
        finally:
            self._sockets.discard(socket)


def answered(reply: Reply) -> web.Response:
    if reply.file is not None:
        return web.Response(status=reply.status, body=reply.file, content_type="audio/x-wav")
    if reply.body is None:
        return web.Response(status=reply.status)
    headers = {"Location": f"{PREFIX.rstrip('/')}{reply.location}"} if reply.location else {}
    text = json.dumps(reply.body)
    return web.Response(status=reply.status, text=text, content_type="application/json", headers=headers)


def refused(refusal: Refusal) -> web.Response:
    headers = {}
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="Asterisk REST Interface"'
    if isinstance(refusal, WrongMethod):
        headers["Allow"] = refusal.allow
    text = json.dumps(refusal.body)
    return web.Response(status=refusal.status, text=text, content_type="application/json", headers=headers)
