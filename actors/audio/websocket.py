"""RFC 6455 frames, the client's side, as far as Asterisk's chan_websocket speaks it: cutting what came, making ours.

A client's frames are masked with four random bytes, a server's are not. Asterisk sends whole messages; what comes in
fragments is understood all the same.
"""

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KINDS = (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)

NORMAL = 1000
"""Close code: the call is over."""

LARGEST_PAYLOAD = 65_535
"""Bytes of one frame. Asterisk sends 20 ms in each, and takes no more than this either."""
_LARGEST_HEADER = 4
LARGEST_FRAME = LARGEST_PAYLOAD + _LARGEST_HEADER
LARGEST_CONTROL = 125
"""Bytes of a ping, pong or close, by the standard."""

_LENGTH = struct.Struct(">H")
_MASK_BYTES = 4
_MASKED = 0x80
_FINAL = 0x80


class Frame(NamedTuple):
    kind: int
    final: bool
    payload: bytes
    size: int
    """With its header."""


class Unusable(ValueError):
    """The peer sent what no WebSocket server may send, or more than we take. The text says what."""


def frames(received: memoryview) -> Iterator[Frame]:
    """The whole frames at the start of `received`; what follows the last of them is the beginning of another.

    Raises `Unusable`, also for a frame of which only the beginning is there yet.
    """
    at = 0
    while at + 2 <= len(received):
        first, second = received[at], received[at + 1]
        kind, length, start = first & 0x0F, second & 0x7F, at + 2
        if kind not in KINDS or first & 0x70:
            raise Unusable(f"WebSocket frame begins with 0x{first:02x}, which is no kind that was agreed on")
        if second & _MASKED:
            raise Unusable("masked WebSocket frame, as only clients send them: this is not Asterisk's server")
        if kind >= CLOSE and (length > LARGEST_CONTROL or not first & _FINAL):
            raise Unusable(f"WebSocket control frame 0x{first:02x} that is too long or in parts")
        if length == 127:
            raise Unusable(f"WebSocket frame of more than {LARGEST_PAYLOAD} bytes")
        if length == 126:
            if start + 2 > len(received):
                return
            length, start = _LENGTH.unpack_from(received, start)[0], start + 2
        end = start + length
        if end > len(received):
            return
        yield Frame(kind, bool(first & _FINAL), bytes(received[start:end]), end - at)
        at = end


def their_header(kind: int, length: int) -> bytes:
    """The header of a server's whole message of this many bytes, at most 65,535."""
    if length < 126:
        return bytes((_FINAL | kind, length))
    return bytes((_FINAL | kind, 126)) + _LENGTH.pack(length)


def pack(kind: int, payload: bytes) -> bytes:
    """A whole message of ours, masked; at most 65,535 bytes of payload."""
    length = len(payload)
    mask = os.urandom(_MASK_BYTES)
    # One exclusive-or of two long numbers masks 20 ms in 2 us; byte by byte it would be 30.
    key = int.from_bytes((mask * (length // _MASK_BYTES + 1))[:length], "little")
    masked = (int.from_bytes(payload, "little") ^ key).to_bytes(length, "little")
    header = their_header(kind, length)
    return header[:1] + bytes((header[1] | _MASKED,)) + header[2:] + mask + masked
