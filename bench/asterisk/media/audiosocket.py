"""The AudioSocket client: what Asterisk does on the TCP connection that it opens to the agent.

Reading follows the real one to the byte, because the agent's mistakes show here: three bytes of header (which may
dribble in, and freeze the channel while they do), then a payload that may not pause for more than 5 ms. A kind that
nobody knows, an empty payload or an end inside one kills the leg. Bytes that were never asked for stay unread, so that
closing resets the connection just as the kernel does for Asterisk.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
import uuid
from collections.abc import Callable, Sequence
from enum import Enum

from bench.asterisk.media.formats import KIND_RATES, Format, Frame
from bench.asterisk.media.leg import Leg
from bench.asterisk.media.plane import Plane
from bench.asterisk.release import Release

CONNECT_LIMIT_S = 2.0
PAYLOAD_PAUSE_NS = 5_000_000
KIND_TERMINATE = 0x00
KIND_UUID = 0x01
KIND_DIGIT = 0x03
KIND_SLIN = 0x10
MAX_PAYLOAD = 0xFFFF


class Ending(Enum):
    """How the agent ended the connection, if it did."""

    GRACEFUL = "terminate message or orderly close"
    BROKEN = "a message or an error that Asterisk does not forgive"


async def connect(destination: str) -> socket.socket | None:
    """A connection to `host:port`, or None: refused, unreachable, malformed or not within 2 s per address."""
    host, separator, port = destination.rpartition(":")
    if not separator or not host or not port.isdigit():
        return None
    loop = asyncio.get_running_loop()
    try:
        addresses = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError:
        return None
    for family, _, protocol, _, address in addresses:
        candidate = socket.socket(family, socket.SOCK_STREAM, protocol)
        candidate.setblocking(False)
        try:
            await asyncio.wait_for(loop.sock_connect(candidate, address), CONNECT_LIMIT_S)
        except (OSError, TimeoutError):
            candidate.close()
            continue
        candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return candidate
    return None


class Link:
    """One open connection. Everything under the plane's lock.

    said:  gets every frame that the agent sends
    ended: called once when the agent's side has ended it or broken the rules (the link is closed already)
    wide:  whether this Asterisk knows other kinds of sound than 0x10; an older one ends the leg at such a message, and
           sends all it has as 0x10, whatever its rate
    digits: whether it tells of keys
    froze: told True while a header is half read, and False when it is whole
    """

    def __init__(self, plane: Plane, sock: socket.socket, said: Callable[[Frame], None]) -> None:
        self.socket = sock
        self.deadline_ns: int | None = None
        self.frozen = False
        self.wide = self.digits = True
        self.open = True
        self.said = said
        self.ended: Callable[[Ending], None] = lambda ending: None
        self.froze: Callable[[bool], None] = lambda frozen: None
        self._plane = plane
        self._read = False
        self._header = b""
        self._payload = b""
        self._held_back: list[bytes] = []

    def introduce(self, call: uuid.UUID) -> None:
        """The first message; from now on the connection is also read."""
        self.send_uuid(call)
        if self.open:
            self._read = True
            self._plane.poller.add(self)

    def bridged(self, others: Sequence[str]) -> None:
        """The leg is in a bridge with these channels. Of interest only to whoever speaks for the phone."""

    def send_uuid(self, call: uuid.UUID) -> None:
        self._send(KIND_UUID, call.bytes)

    def send_audio(self, form: Format, pcm: bytes) -> None:
        payload = form.encode(pcm)
        for start in range(0, len(payload), MAX_PAYLOAD - 1):
            self._send(form.kind if self.wide else KIND_SLIN, payload[start : start + MAX_PAYLOAD - 1])

    def send_digit(self, digit: str) -> None:
        if self.digits:
            self._send(KIND_DIGIT, digit.encode("ascii"))

    def suit(self, release: Release) -> None:
        """Knows from now on what that Asterisk does."""
        self.wide, self.digits = release.has("wide AudioSocket"), release.has("digits over AudioSocket")

    def close(self) -> None:
        """Asterisk's own end: it never says goodbye, it just closes."""
        if self.open:
            self.open = False
            self.deadline_ns = None
            if self._read:
                self._plane.poller.remove(self)
            self.socket.close()

    def drop(self) -> None:
        """The connection breaks with a reset."""
        if self.open:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._end(Ending.BROKEN)

    def _send(self, kind: int, payload: bytes) -> None:
        if not self.open:
            return
        message = bytes((kind, len(payload) >> 8, len(payload) & 0xFF)) + payload
        if self.frozen:
            # The channel is locked by the reader; whoever writes to it waits.
            self._held_back.append(message)
            return
        try:
            sent = self.socket.send(message)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._end(Ending.BROKEN)
            return
        if sent < len(message):
            self._end(Ending.BROKEN)

    def readable(self) -> None:
        try:
            if len(self._header) < 3:
                self._read_header()
            if len(self._header) == 3:
                self._read_payload()
        except BlockingIOError:
            if len(self._header) == 3:
                self._arm()
        except OSError:
            self._end(Ending.BROKEN)

    def expired(self) -> None:
        """Five milliseconds without a byte: one last look, then it is over."""
        self.deadline_ns = None
        before = len(self._payload)
        self.readable()
        if self.open and len(self._header) == 3 and len(self._payload) == before:
            self._end(Ending.BROKEN)

    def _read_header(self) -> None:
        piece = self.socket.recv(3 - len(self._header))
        if not piece:
            self._end(Ending.GRACEFUL)
            return
        self._header += piece
        if len(self._header) < 3:
            self._freeze(True)
            return
        self._freeze(False)
        kind, length = self._header[0], int.from_bytes(self._header[1:], "big")
        if kind == KIND_TERMINATE:
            self._end(Ending.GRACEFUL)
        elif kind not in KIND_RATES or length == 0 or (kind != KIND_SLIN and not self.wide):
            self._end(Ending.BROKEN)

    def _read_payload(self) -> None:
        if not self.open:
            return
        length = int.from_bytes(self._header[1:], "big")
        piece = self.socket.recv(length - len(self._payload))
        if not piece:
            self._end(Ending.BROKEN)
            return
        self._payload += piece
        if len(self._payload) < length:
            self._arm()
            return
        frame = Frame(self._payload[: length & ~1], KIND_RATES[self._header[0]])
        self._header = self._payload = b""
        self.deadline_ns = None
        self.said(frame)

    def _arm(self) -> None:
        self.deadline_ns = time.monotonic_ns() + PAYLOAD_PAUSE_NS
        self._plane.poller.timed(self)

    def _freeze(self, frozen: bool) -> None:
        if frozen == self.frozen:
            return
        self.frozen = frozen
        self.froze(frozen)
        if not frozen:
            held_back, self._held_back = self._held_back, []
            for message in held_back:
                if self.open:
                    self._send(message[0], message[3:])

    def _end(self, ending: Ending) -> None:
        if self.open:
            self._held_back.clear()
            self._freeze(False)
            self.close()
            self.ended(ending)


class AudioSocketLeg(Leg):
    """The leg of an AudioSocket channel: sends its own format untranslated, reads every linear kind."""

    def __init__(self, form: Format, link: Link) -> None:
        super().__init__(form)
        self.link = link
        link.said = self.deliver

    def put(self, pcm: bytes) -> None:
        self.link.send_audio(self.form, pcm)

    def digit(self, digit: str, seconds: float) -> None:
        self.link.send_digit(digit)

    def bridged(self, others: Sequence[str]) -> None:
        self.link.bridged(others)

    def drop(self) -> bool:
        was_open = self.link.open
        self.link.drop()
        return was_open

    def close(self) -> None:
        super().close()
        self.link.close()
