"""`/media/<connection id>`: where an agent connects to a chan_websocket channel. Nobody asks for a password here.

The upgrade is answered by hand, on a duplicate of the connection's descriptor, which then belongs to the media
threads: aiohttp's event loop never sees a frame.
"""

from __future__ import annotations

import socket

from aiohttp import web

from bench.asterisk.exchange import Exchange
from bench.asterisk.media.frames import accept_key
from bench.asterisk.media.websocket import WebSocketLeg

PROTOCOL = "media"
VERSIONS = ("7", "8", "13")


class MediaDoor:
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def open(self, request: web.Request, connection: str) -> web.StreamResponse:
        leg = self._exchange.media_connections.get(connection)
        if leg is None:
            return refused(404, "Not found", "WebSocket instance not found")
        if leg.link is not None:
            return refused(409, "Conflict", "Another websocket connection exists for this connection id")
        headers = request.headers
        if headers.get("Upgrade", "").lower() != "websocket":
            return refused(426, "Upgrade Required", "")
        offered = [name.strip() for name in headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]
        key = headers.get("Sec-WebSocket-Key", "")
        if not key or headers.get("Sec-WebSocket-Version") not in VERSIONS or (offered and PROTOCOL not in offered):
            return refused(400, "Bad Request", "Invalid websocket request")
        return self._hand_over(request, leg, key, bool(offered))

    def _hand_over(self, request: web.Request, leg: WebSocketLeg, key: str, offered: bool) -> web.StreamResponse:
        transport = request.transport
        given = None if transport is None else transport.get_extra_info("socket")
        if transport is None or given is None or transport.get_extra_info("sslcontext") is not None:
            return refused(501, "Not Implemented", "stand-in: media over a TLS connection is not simulated")
        own = socket.socket(fileno=socket.dup(given.fileno()))
        # Nothing is in aiohttp's hands yet: a client sends no frame before it has the reply.
        transport.abort()
        answer = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept_key(key)}",
        ]
        if offered:
            answer.append(f"Sec-WebSocket-Protocol: {PROTOCOL}")
        own.send(("\r\n".join(answer) + "\r\n\r\n").encode())
        with self._exchange.plane.lock:
            leg.connected(own)
        self._exchange.media_connected(leg.channel_id)
        return web.Response()


def refused(status: int, title: str, text: str) -> web.Response:
    """Asterisk closes the connection behind a refusal here."""
    response = web.Response(status=status, reason=title, text=text)
    response.force_close()
    return response
