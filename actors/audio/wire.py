"""What a wire is: one transport of a call's audio, between Asterisk and `media.Media`.

    Asterisk == audiosocket, rtp, websocket ==> Wire ==> Listener (the ear, the digits)
    Asterisk <= audiosocket, rtp, websocket === Wire <== one frame of 20 ms a tick (the mouth, or silence)

The clock, the ear and the mouth are the same for all of them and not their concern. A wire does not wait, ever: what
has come is handed on, what cannot be sent now is given up. What a successor needs after a kill is in the kernel's
socket, in the rings' counters, or can be done without.
"""

import socket
from typing import Protocol

from ipc.messages import EndReason
from ipc.rings import FRAME_NS

GAP_AFTER_NS = 3 * FRAME_NS
"""A peer that sent nothing for this long is silent (a phone that suppresses silence, or holds): the ear goes on without
it. Asterisk's own frames come up to 28 ms apart (p99)."""


class MediaOver(Exception):
    """The connection is of no more use."""

    def __init__(self, reason: EndReason, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


class Listener(Protocol):
    """Whoever takes what a wire has received."""

    def hear(self, pcm: bytes, now_ns: int) -> None:
        """Exactly 20 ms of 16-bit little-endian samples at the call's rate, which have just arrived."""

    def hear_any(self, pcm: bytes, now_ns: int) -> None:
        """Any number of whole samples; they are cut into frames of 20 ms."""

    def press(self, digit: str) -> None:
        """One of 0123456789*#ABCD. It stands in the ear on the frame that is heard next."""


class Wire(Protocol):
    """One call's connection. Every method may raise `MediaOver`, except `skip`, `terminate` and `summary`."""

    socket: socket.socket
    gap_after_ns: int
    """After so long without audio the caller is silent."""

    def receive(self, now_ns: int) -> None:
        """Gives all that has arrived to the listener."""

    def send(self, pcm: bytes, now_ns: int) -> None:
        """Puts 20 ms of the agent's speech on the wire."""

    def send_silence(self, now_ns: int) -> None:
        """Puts 20 ms of silence on the wire."""

    def skip(self, frames: int) -> None:
        """So many frames will never be sent, because the process was away: time has passed for the peer."""

    def terminate(self) -> None:
        """Tells the peer that this is the end, if the transport has words for it."""

    def summary(self) -> str:
        """What was wrong with the line, for the log at the call's end; "" if nothing was."""
