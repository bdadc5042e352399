"""What the bench tells a generator and what that answers: packets of a SOCK_SEQPACKET pair, msgpack, nothing pickled.

With `Take` comes the caller's connected media socket (SCM_RIGHTS). Everything that is measured is not here but in the
sheet.
"""

import msgspec


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True, kw_only=True):
    """Base of all packets."""


class Take(Order, frozen=True):
    """Here is a connection whose UUID has been sent: listen to it."""

    row: int
    """Of the sheet."""
    marks: bool
    """Every frame that it speaks carries a mark. Else they are silence."""
    phase: float
    """Place of the call's grid within 20 ms, from 0 to 1."""
    speech_every: int = 0
    """Frames from one onset of speech to the next; 0 never speaks."""
    speech_first: int = 0
    """The first onset, in frames."""
    listens: bool = False
    """Whoever talks with the agent: only frames louder than `frames.AUDIBLE_RMS` count as sound."""


class Speak(Order, frozen=True):
    """The caller's microphone is open from now on."""

    row: int


class Say(Order, frozen=True):
    """Speak these frames, one every 20 ms, from the next one that is due on."""

    row: int
    wire: bytes
    """AudioSocket frames one after the other; `frames.LONGEST_LINE` of them at most."""


class Leave(Order, frozen=True):
    """Close the connection. Answered with `Over`."""

    row: int


class Ready(Order, frozen=True):
    """The generator's first word."""

    granted: str
    """Its scheduling: "fifo:30" or "normal"."""
    stamped: bool
    """The kernel says when frames arrived."""


class Heard(Order, frozen=True):
    """The first frame came, at this time by the arrival clock."""

    row: int
    at_ns: int


class Over(Order, frozen=True):
    """The connection has ended."""

    row: int
    at_ns: int
    by_agent: bool
    detail: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Take | Speak | Say | Leave | Ready | Heard | Over)

Packet = Take | Speak | Say | Leave | Ready | Heard | Over


def pack(order: Order) -> bytes:
    return _encoder.encode(order)


def unpack(packet: bytes) -> Packet:
    """Raises `msgspec.DecodeError`."""
    order: Packet = _decoder.decode(packet)
    return order
