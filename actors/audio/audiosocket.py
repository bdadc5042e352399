"""AudioSocket on the wire, the server's side: cutting what Asterisk sent into frames, and making frames for it.

Every frame is one byte of kind, two of length (big-endian), and the payload. Source: Asterisk's `res_audiosocket.c` and
https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/. The first frame, with the call's UUID, never gets
here: the supervisor has read it to know whose connection it is.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

TERMINATE = 0x00
DTMF = 0x03
ERROR = 0xFF

AUDIO_KINDS = {8000: 0x10, 12000: 0x11, 16000: 0x12, 24000: 0x13, 32000: 0x14, 44100: 0x15, 48000: 0x16}
"""Kind of signed linear audio, by samples per second."""

_RATES = {kind: rate for rate, kind in AUDIO_KINDS.items()}
_HEADER = struct.Struct(">BH")
HEADER_BYTES = _HEADER.size
LARGEST_FRAME = HEADER_BYTES + 0xFFFF

TERMINATE_FRAME = _HEADER.pack(TERMINATE, 0)


class Frame(NamedTuple):
    kind: int
    payload: bytes


class Unusable(ValueError):
    """The peer sent what no AudioSocket peer may send. The text says what, and what to change."""


def frames(received: memoryview) -> Iterator[Frame]:
    """The whole frames at the start of `received`; what follows the last of them is the beginning of another."""
    at = 0
    while at + HEADER_BYTES <= len(received):
        kind, length = _HEADER.unpack_from(received, at)
        end = at + HEADER_BYTES + length
        if end > len(received):
            return
        yield Frame(kind, bytes(received[at + HEADER_BYTES : end]))
        at = end


def audio_header(rate: int, payload: int) -> bytes:
    """The header of an audio frame with this many bytes of payload."""
    return _HEADER.pack(AUDIO_KINDS[rate], payload)


def check_audio(frame: Frame, rate: int) -> None:
    """Raises `Unusable` unless the frame holds whole samples at `rate`."""
    theirs = _RATES.get(frame.kind)
    if theirs is None:
        raise Unusable(f"frame of unknown kind 0x{frame.kind:02x} with {len(frame.payload)} bytes: not an Asterisk")
    if theirs != rate:
        raise Unusable(
            f"audio at {theirs} Hz on a call of {rate} Hz: dial with c({'slin' if rate == 8000 else 'slin16'}),"
            " or set audiosocket.format to what the dialplan uses"
        )
    if not frame.payload or len(frame.payload) % 2:
        raise Unusable(f"audio frame of {len(frame.payload)} bytes, which is no whole number of samples")


def digit(frame: Frame) -> str:
    """The DTMF digit in a frame of kind 0x03. Raises `Unusable`."""
    text = frame.payload.decode("ascii", errors="replace")
    if len(text) != 1 or text not in "0123456789*#ABCDabcd":
        raise Unusable(f"DTMF frame with {text!r}, which is no digit")
    return text.upper()
