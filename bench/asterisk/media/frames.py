"""WebSocket frames (RFC 6455) as the server's side of a media connection reads and writes them.

Asterisk reads at most 65,535 bytes of one frame, header included; more is answered with close code 1009. Parts of a
fragmented message are put together until they have reached 1,024 bytes; what has come by then is taken as a message
of its own. Source: res_http_websocket as chan_websocket sets it up.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KNOWN = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
LARGEST_FRAME = 65_535
PUT_TOGETHER = 1024
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Message(NamedTuple):
    opcode: int
    payload: bytes


class Unacceptable(Exception):
    """The connection ends here. `code`: of the close frame that Asterisk sends."""

    def __init__(self, code: int) -> None:
        super().__init__(f"close code {code}")
        self.code = code


def accept_key(key: str) -> str:
    """Sec-WebSocket-Accept for a client's Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole, unmasked frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65_536:
        return bytes((0x80 | opcode, 126, size >> 8, size & 0xFF)) + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


class Reader:
    """Cuts what arrives into messages."""

    def __init__(self) -> None:
        self._waiting = b""
        self._opcode = BINARY
        self._parts = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole now; raises Unacceptable behind the last good one."""
        self._waiting += data
        while (found := self._frame()) is not None:
            message = self._put_together(*found)
            if message is not None:
                yield message

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """Whether it is final, its opcode and its payload, of the next whole frame."""
        data = self._waiting
        if len(data) < 2:
            return None
        opcode, size, start = data[0] & 0x0F, data[1] & 0x7F, 2
        if opcode not in KNOWN:
            raise Unacceptable(1003)
        if size >= 126:
            start += 2 if size == 126 else 8
            if len(data) < start:
                return None
            size = int.from_bytes(data[2:start], "big")
        masked = bool(data[1] & 0x80)
        start += 4 * masked
        if start + size > LARGEST_FRAME:
            raise Unacceptable(1009)
        if len(data) < start + size:
            return None
        payload = data[start : start + size]
        self._waiting = data[start + size :]
        return bool(data[0] & 0x80), opcode, unmasked(payload, data[start - 4 : start]) if masked else payload

    def _put_together(self, final: bool, opcode: int, payload: bytes) -> Message | None:
        if opcode in (CLOSE, PING, PONG):
            return Message(opcode, payload)
        if opcode != CONTINUATION:
            self._opcode = opcode
        self._parts += payload
        if not final and len(self._parts) < PUT_TOGETHER:
            return None
        whole, self._parts = self._parts, b""
        return Message(self._opcode, whole)
