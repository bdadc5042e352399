"""The wire over AudioSocket: a TCP connection that Asterisk has made to us."""

import socket

from actors.audio import audiosocket
from actors.audio.audiosocket import HEADER_BYTES
from actors.audio.stream import Stream
from actors.audio.wire import GAP_AFTER_NS, Listener, MediaOver
from ipc.rings import frame_bytes


class AudioSocketWire(Stream):
    gap_after_ns = GAP_AFTER_NS

    def __init__(self, connection: socket.socket, rate: int, listener: Listener) -> None:
        payload = frame_bytes(rate)
        super().__init__(connection, audiosocket.LARGEST_FRAME, audiosocket.audio_header(rate, payload))
        self._rate = rate
        self._listener = listener
        self._hear = listener.hear
        self._size = payload + HEADER_BYTES
        self._silence = bytes(payload)

    def receive(self, now_ns: int) -> None:
        try:
            count = self.socket.recv_into(self._buffer, 0, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError as error:
            raise MediaOver("closed by peer", str(error)) from error
        buffer = self._buffer
        if count == self._size and buffer[:HEADER_BYTES] == self._header:
            # The usual case: one whole frame, which is in the ear before it is taken from the socket.
            self._hear(bytes(buffer[HEADER_BYTES:count]), now_ns)
            self.socket.recv_into(buffer, count)
            self._half_since = 0
        else:
            self._take_all(count, now_ns)

    def _take_all(self, count: int, now_ns: int) -> None:
        if count == 0:
            raise MediaOver("closed by peer")
        used = 0
        for frame in audiosocket.frames(self._buffer[:count]):
            self._take(frame, now_ns)
            used += HEADER_BYTES + len(frame.payload)
        self._used(used, count, now_ns)

    def _take(self, frame: audiosocket.Frame, now_ns: int) -> None:
        if frame.kind == audiosocket.TERMINATE:
            raise MediaOver("closed by peer", "terminate frame")
        if frame.kind == audiosocket.ERROR:
            raise MediaOver("closed by peer", f"error {frame.payload.hex()} reported by the peer")
        try:
            if frame.kind == audiosocket.DTMF:
                self._listener.press(audiosocket.digit(frame))
                return
            audiosocket.check_audio(frame, self._rate)
        except audiosocket.Unusable as error:
            raise MediaOver("unusable", str(error)) from error
        self._listener.hear_any(frame.payload, now_ns)

    def send_silence(self, now_ns: int) -> None:
        self.send(self._silence, now_ns)

    def skip(self, frames: int) -> None:
        """AudioSocket has no time stamps."""

    def terminate(self) -> None:
        self._send_last(audiosocket.TERMINATE_FRAME)

    def summary(self) -> str:
        return ""
