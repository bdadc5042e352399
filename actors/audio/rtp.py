"""RTP packets as Asterisk's ExternalMedia (UnicastRTP) sends and takes them: RFC 3550's header, and payload types.

There is no SDP here, so payload types are Asterisk's own static ones. It takes none above 34 from us (dropped without a
word), and its signed linear is big-endian at 8000 Hz under number 10 or 11, whatever RFC 3551 says of these.
"""

import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

with warnings.catch_warnings():
    # In the standard library up to Python 3.12; from 3.13 on the package audioop-lts has it under the same name.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

VERSION = 2 << 6
MARKER = 0x80
TELEPHONE_EVENT = 101
"""Asterisk's usual number for RFC 4733. UnicastRTP neither sends nor takes it; other peers do."""
LARGEST_PACKET = 2048
"""Bytes. 60 ms of slin16 are 1932, and nothing in use sends more at once."""
LONGEST_MS = 60
"""Of one packet."""

_HEADER = struct.Struct(">BBHII")
HEADER_BYTES = _HEADER.size
_EXTENSION = struct.Struct(">HH")


class Packet(NamedTuple):
    payload_type: int
    marker: bool
    sequence: int
    """16 bits."""
    timestamp: int
    """32 bits, in samples of the payload's rate."""
    source: int
    """SSRC: 32 bits."""
    payload: bytes


class NotRtp(ValueError):
    """The datagram is no RTP packet. The text says why, in the words of a counter."""


def parse(datagram: memoryview) -> Packet:
    """Raises `NotRtp`. CSRCs, a header extension and padding are stepped over."""
    size = len(datagram)
    if size < HEADER_BYTES:
        raise NotRtp("too short")
    first, second, sequence, timestamp, source = _HEADER.unpack_from(datagram)
    if first & 0xC0 != VERSION:
        raise NotRtp("wrong version")
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if start + _EXTENSION.size > size:
            raise NotRtp("header longer than the packet")
        start += _EXTENSION.size + 4 * _EXTENSION.unpack_from(datagram, start)[1]
    end = size - (datagram[-1] if first & 0x20 else 0)
    if start > end or (first & 0x20 and end == size):
        raise NotRtp("header longer than the packet")
    return Packet(second & 0x7F, bool(second & MARKER), sequence, timestamp, source, bytes(datagram[start:end]))


def pack(payload_type: int, marker: bool, sequence: int, timestamp: int, source: int, payload: bytes) -> bytes:
    """`sequence` and `timestamp` may count on: they are cut to their width here."""
    second = payload_type | (MARKER if marker else 0)
    return _HEADER.pack(VERSION, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, source) + payload


# -- what is in them


def _swapped(payload: bytes) -> bytes:
    return audioop.byteswap(payload, 2)


@dataclass(frozen=True)
class Codec:
    """One of the formats that work in both directions with Asterisk. PCM here is 16-bit little-endian."""

    rate: int
    """Samples per second of what Asterisk sends: also the units of its time stamps."""
    theirs: tuple[int, ...]
    """Payload types under which Asterisk sends it."""
    ours: int
    """Payload type under which we answer, always at 8000 Hz."""
    sample_bytes: int
    decode: Callable[[bytes], bytes]
    encode: Callable[[bytes], bytes]
    """From PCM at 8000 Hz."""


CODECS = {
    "ulaw": Codec(8000, (0,), 0, 1, lambda payload: audioop.ulaw2lin(payload, 2), lambda pcm: audioop.lin2ulaw(pcm, 2)),
    "alaw": Codec(8000, (8,), 8, 1, lambda payload: audioop.alaw2lin(payload, 2), lambda pcm: audioop.lin2alaw(pcm, 2)),
    "slin": Codec(8000, (10, 11), 10, 2, _swapped, _swapped),
    "slin16": Codec(16000, (118,), 11, 2, _swapped, _swapped),
}
"""By Asterisk's names. It sends slin16 as 118 and takes no 118: a call at 16000 Hz is answered with 11, at 8000 Hz."""
