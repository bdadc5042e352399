"""A TCP connection that carries frames: none of the peer's is lost when we are killed, none of ours is sent in part.

What has arrived is looked at (MSG_PEEK), used, and only then taken out of the kernel's buffer. So an audio actor can be
killed at any instant, and the next one goes on with the same socket in the middle of a word.
"""

import socket

from actors.audio.wire import MediaOver

STUCK_NS = 2_000_000_000
"""A peer that has left half a frame, or has not taken ours, for this long is not coming back."""


class Stream:
    """The parts that AudioSocket and WebSocket share."""

    def __init__(self, connection: socket.socket, largest: int, header: bytes = b"") -> None:
        """`largest`: bytes of the largest frame that there can be. `header`: what goes before each of ours."""
        self.socket = connection
        self._header = header
        self._buffer = memoryview(bytearray(largest))
        self._unsent = b""
        self._half_since = 0
        self._blocked_since = 0

    def _arrived(self) -> int:
        """How many bytes lie in the buffer, of those that wait; -1 when none do. Raises `MediaOver` at the end."""
        try:
            return self.socket.recv_into(self._buffer, 0, socket.MSG_PEEK)
        except BlockingIOError:
            return -1
        except OSError as error:
            raise MediaOver("closed by peer", str(error)) from error

    def _used(self, used: int, count: int, now_ns: int) -> None:
        """Takes what was used out of the socket. What is left is half a frame, and must not stay so."""
        if used:
            self.socket.recv_into(self._buffer, used)
            self._half_since = 0
        if used < count:
            self._half_since = self._half_since or now_ns
            _check(self._half_since, now_ns, f"half a frame ({count - used} bytes) and then nothing")

    def send(self, pcm: bytes, now_ns: int) -> None:
        # One send for all of it: Asterisk gives up on an AudioSocket payload that is 5 ms behind its header. What did
        # not fit goes first next time; a message that did not even begin is dropped, because its time is over.
        message = self._header + pcm
        begun = len(self._unsent)
        if begun:
            message = self._unsent + message
        try:
            sent = self.socket.send(message)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise MediaOver("closed by peer", str(error)) from error
        if sent == len(message):
            if begun or self._blocked_since:
                self._unsent, self._blocked_since = b"", 0
            return
        self._unsent = message[sent:] if sent > begun else message[sent:begun]
        self._blocked_since = self._blocked_since or now_ns
        _check(self._blocked_since, now_ns, "the peer has stopped reading")

    def _send_last(self, message: bytes) -> None:
        """The last words, unless half a frame of ours is in the way."""
        if not self._unsent:
            try:
                self.socket.send(message)
            except OSError:
                return


def _check(since_ns: int, now_ns: int, what: str) -> None:
    if now_ns - since_ns > STUCK_NS:
        raise MediaOver("unusable", what)
