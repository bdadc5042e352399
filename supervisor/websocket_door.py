"""Calls whose audio comes over a WebSocket: Asterisk waits on its HTTP server, and we go there (chan_websocket).

    connect -> GET <path>, Upgrade: websocket -> "101 Switching Protocols", and nothing behind it -> to the audio actor
                                              -> anything else: refused, and counted by reason

What follows the reply's head stays in the connection: the first frames come with it, and are the audio actor's. With
TLS the connection could not be handed on, for its keys are in the process that made it.

Sources: RFC 6455, 4.1 and 4.2.2; `channels/chan_websocket.c` and `res/res_http_websocket.c` of Asterisk.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import socket
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from config.schema import Settings
from ipc.bus import Refused
from supervisor import lookup, media_tcp
from supervisor.specs import CALL_CONTROL

SUB_PROTOCOL = "media"
"""The one that chan_websocket speaks."""

ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, 1.3."""

HEAD_END = b"\r\n\r\n"

LARGEST_HEAD = 4096
"""Bytes. Asterisk's own have less than 200."""

BEGINNING = b"HTTP/1.1 "

_PATH = re.compile(r"/[!-~]*")
"""What may stand in a request line as it is."""

Reason = Literal[
    "websocket: https",
    "websocket: wrong path",
    "websocket: no connection",
    "websocket: no answer",
    "websocket: no WebSocket",
    "websocket: unknown id",
    "websocket: taken",
    "websocket: refused",
]

REMEDIES: Mapping[int, tuple[Reason, str]] = {
    401: ("websocket: refused", "something in front of Asterisk's HTTP server wants a password; media has none"),
    403: ("websocket: refused", "see `permit` and `deny` in its http.conf or ari.conf"),
    404: ("websocket: unknown id", "its channel is gone, or its module chan_websocket is not loaded"),
    409: ("websocket: taken", "its channel has a connection already"),
    426: ("websocket: refused", "something between us and Asterisk takes the Upgrade out of the request"),
    503: ("websocket: refused", "Asterisk is starting or stopping"),
}
"""By Asterisk's status: what it means here."""


class _Turned(Exception):
    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class WebSocketDoor:
    def __init__(self, settings: Settings) -> None:
        self.refused: Counter[str] = Counter()
        """Connections that did not come about, by reason."""
        self._settings = settings
        self._within_s = settings.streaming.connection_timeout_ms / 1000

    async def connect(self, owner: str, host: str, port: int, path: str) -> socket.socket:
        """A connection at whose start Asterisk's first frame is. Raises `Refused`, with what to do.

        `owner` is the call-control whose Asterisk this is. Cancelled, it leaves nothing behind.
        """
        try:
            return await self._connect(owner, host, port, path)
        except _Turned as turned:
            self.refused[turned.reason] += 1
            raise Refused(f"no WebSocket to {_authority(host, port)}: {turned}") from turned

    async def _connect(self, owner: str, host: str, port: int, path: str) -> socket.socket:
        if self._secured(owner):
            text = "a connection with TLS cannot be given to an audio actor; use another transport, or http"
            raise _Turned("websocket: https", text)
        if not _PATH.fullmatch(path):
            raise _Turned("websocket: wrong path", f"{path!r} is no path on an HTTP server")
        try:
            with contextlib.ExitStack() as undo:
                async with asyncio.timeout(self._within_s):
                    family, address = await lookup.find(host, port)
                    connection = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
                    connection.setblocking(False)
                    media_tcp.tune(connection)
                    await asyncio.get_running_loop().sock_connect(connection, address)
                    await _shake_hands(connection, _authority(host, port), path)
                undo.pop_all()
                return connection
        except TimeoutError:
            seconds = f"within {self._within_s:g} s (`streaming.connection_timeout_ms`)"
            raise _Turned("websocket: no answer", f"no whole answer {seconds}") from None
        except OSError as error:
            # asyncio writes a text of its own into the error; negative are those of looking up a name.
            number = error.errno or 0
            text = os.strerror(number) if number > 0 else error.strerror or str(error)
            raise _Turned("websocket: no connection", text) from error

    def _secured(self, owner: str) -> bool:
        """Whether that call-control reaches its Asterisk by https."""
        name = owner.removeprefix(CALL_CONTROL).removeprefix(".")
        asterisk = self._settings.more_asterisks.get(name, self._settings.asterisk)
        return asterisk.scheme == "https"


async def _shake_hands(connection: socket.socket, authority: str, path: str) -> None:
    """Raises `_Turned` or `OSError`."""
    key = base64.b64encode(os.urandom(16))
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key.decode()}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUB_PROTOCOL}\r\n\r\n"
    )
    await asyncio.get_running_loop().sock_sendall(connection, request.encode())
    check_reply(await _read_head(connection), key)


async def _read_head(connection: socket.socket) -> bytes:
    """Takes the reply's head from the connection, and not a byte more."""
    head = b""
    while len(head) < LARGEST_HEAD:
        peeked = await _peek(connection)
        if not peeked:
            raise _Turned("websocket: no WebSocket", f"it closed the connection after {len(head)} bytes of its answer")
        end = (head + peeked).find(HEAD_END)
        if not (head + peeked).startswith(BEGINNING[: len(head + peeked)]):
            raise _Turned("websocket: no WebSocket", f"it answers with {peeked[:40]!r}, which is no HTTP")
        # What is certain to belong to the head is taken, so that the rest of a head that comes in pieces is waited for.
        head += connection.recv(len(peeked) if end < 0 else end + len(HEAD_END) - len(head))
        if end >= 0:
            return head
    raise _Turned("websocket: no WebSocket", f"the head of its answer has more than {LARGEST_HEAD} bytes")


async def _peek(connection: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    while True:
        try:
            return connection.recv(LARGEST_HEAD, socket.MSG_PEEK)
        except BlockingIOError:
            readable = asyncio.Event()
            loop.add_reader(connection, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(connection)


def check_reply(head: bytes, key: bytes) -> None:
    """Whether this is the yes to a request with this key. Raises `_Turned`."""
    first, *lines = head.removesuffix(HEAD_END).decode("latin-1").split("\r\n")
    status, _, phrase = first.removeprefix(BEGINNING.decode()).partition(" ")
    if status != "101":
        number = int(status) if status.isdecimal() and len(status) == 3 else 0
        reason, remedy = REMEDIES.get(number, ("websocket: refused", "see Asterisk's log"))
        raise _Turned(reason, f"Asterisk says {_printable(f'{status} {phrase}')}: {remedy}")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    expected = base64.b64encode(hashlib.sha1(key + ACCEPT_SALT, usedforsecurity=False).digest()).decode()
    right = {
        "upgrade": fields.get("upgrade", "").lower() == "websocket",
        "connection": "upgrade" in fields.get("connection", "").lower(),
        "sec-websocket-accept": fields.get("sec-websocket-accept") == expected,
        "sec-websocket-protocol": fields.get("sec-websocket-protocol", SUB_PROTOCOL) == SUB_PROTOCOL,
        "sec-websocket-extensions": not fields.get("sec-websocket-extensions"),
    }
    wrong = next((name for name, fits in right.items() if not fits), "")
    if wrong:
        said = _printable(fields.get(wrong, "nothing"))
        raise _Turned("websocket: no WebSocket", f"its answer is not that of a WebSocket server: {wrong} is {said}")


def _printable(text: str) -> str:
    """For the log: a server may say anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:80])


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
