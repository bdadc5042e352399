"""The HTTP server: authentication, routing, replies, and the events WebSocket's front door."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from bench.asterisk.ari import bridges, channels, external_media, media, system
from bench.asterisk.ari.operations import WrongMethod, find
from bench.asterisk.ari.request import BODY_LIMIT, FALSE, TRUE, Raw, Refusal, Reply, Request
from bench.asterisk.ari.sockets import EventSocket
from bench.asterisk.exchange import Exchange

# Importing them declares their operations.
DECLARED = (bridges, channels, external_media, media, system)
PREFIX = "/ari/"
KEEP_ALIVE_S = 15.0


class Server:
    """user, password: the only ones accepted, by HTTP Basic or as `api_key=user:password`"""

    def __init__(self, exchange: Exchange, user: str, password: str) -> None:
        self.port = 0
        self._exchange = exchange
        self._credentials = f"{user}:{password}"
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
        site = web.TCPSite(self._runner, host, port, reuse_address=True)
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
        await self._running.wait()
        path = request.rel_url.raw_path
        if not path.startswith(PREFIX):
            return web.Response(status=404, text="The requested URL was not found on this server.")
        try:
            self._authenticate(request)
            if path.endswith("/"):
                slashless = path.removeprefix(PREFIX).rstrip("/")
                raise Refusal(404, f"ARI URLs do not end with a slash. Try {PREFIX}{slashless}")
            segments = [unquote(segment) for segment in path.removeprefix(PREFIX).split("/")]
            if segments == ["events"] and request.method == "GET":
                return await self._events(request)
            reply = await self._operate(request, segments)
        except Refusal as refusal:
            return refused(refusal)
        await self._running.wait()
        return answered(reply)

    def _authenticate(self, request: web.Request) -> None:
        given = request.query.get("api_key")
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(encoded, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                given = None
        if given != self._credentials:
            raise Refusal(401, "Authentication required")

    async def _operate(self, request: web.Request, segments: list[str]) -> Reply:
        operation, path = find(request.method, segments)
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
