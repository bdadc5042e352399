"""Asterisk's end of a media connection, on loopback: it speaks, presses keys and hears, byte by byte if need be.

What it hears it cuts into frames as Asterisk does, and anything but whole audio frames of 20 ms fails the test.
"""

import fcntl
import os
import select
import socket
import struct
import termios
import time

import numpy as np

from actors.audio.audiosocket import AUDIO_KINDS

PATIENCE_S = 20.0
"""For anything that a test waits for."""

SILENCE = 0


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BH", kind, len(payload)) + payload


def numbered(number: int, samples: int = 160) -> bytes:
    """20 ms in which every sample is `number`, from 1 on: whoever hears it knows which it was."""
    return struct.pack("<h", number) * samples


def ramp(samples: int, start: int = 0) -> bytes:
    """Samples that count up: no two stretches of it are alike."""
    return ((np.arange(start, start + samples) % 30_000) + 1).astype("<i2").tobytes()


class FarEnd:
    """`ours` is the end that an audio actor gets; give it a duplicate, so that the actor can die and leave it open."""

    def __init__(self, rate: int = 8000, *, receive_buffer: int = 0) -> None:
        with socket.socket() as listener:
            if receive_buffer:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            self.ours = socket.create_connection(listener.getsockname())
            self.socket, _ = listener.accept()
        self.socket.settimeout(PATIENCE_S)
        self.ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kind = AUDIO_KINDS[rate]
        self.payload = rate // 50 * 2
        self._heard = b""

    def close(self) -> None:
        self.socket.close()
        self.ours.close()

    # -- speaking

    def send(self, data: bytes) -> None:
        """Returns once all of it has arrived at our end. Nobody may read there meanwhile."""
        before = self._arrived()
        self.socket.sendall(data)
        deadline = time.monotonic() + PATIENCE_S
        while self._arrived() < before + len(data):
            assert time.monotonic() < deadline, "bytes were lost on loopback"
            os.sched_yield()

    def stream(self, *pcm: bytes) -> None:
        """Speaks to an audio actor that reads while we write."""
        self.socket.sendall(b"".join(frame(self.kind, piece) for piece in pcm))

    def _arrived(self) -> int:
        count: int = struct.unpack("i", fcntl.ioctl(self.ours, termios.FIONREAD, bytes(4)))[0]
        return count

    def say(self, *pcm: bytes) -> None:
        self.send(b"".join(frame(self.kind, piece) for piece in pcm))

    def press(self, digits: str) -> None:
        self.send(b"".join(frame(0x03, digit.encode()) for digit in digits))

    # -- hearing

    def hear(self, count: int) -> list[bytes]:
        """The next 20 ms so many times. Fails if the agent sent anything else, or stays silent."""
        size = 3 + self.payload
        while len(self._heard) < count * size:
            more = self.socket.recv(65_536)
            assert more, f"the agent closed the connection after {len(self._heard)} of {count * size} bytes"
            self._heard += more
        whole, self._heard = self._heard[: count * size], self._heard[count * size :]
        return cut(whole, self.kind, self.payload)

    def hear_rest(self) -> list[bytes]:
        """All that is left, now that nobody speaks at our end any more."""
        self.ours.shutdown(socket.SHUT_WR)
        while more := self.socket.recv(65_536):
            self._heard += more
        rest, self._heard = self._heard, b""
        return cut(rest, self.kind, self.payload)

    def hears_nothing(self) -> bool:
        return not self._heard and not select.select([self.socket], [], [], 0)[0]


def cut(stream: bytes, kind: int, payload: int) -> list[bytes]:
    """The payloads of a stream that holds nothing but whole frames of this kind and size."""
    size = 3 + payload
    head = struct.pack(">BH", kind, payload)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    for number, piece in enumerate(pieces):
        assert piece[:3] == head and len(piece) == size, (
            f"frame {number} of {len(pieces)} is {piece[:3].hex(' ')} and {len(piece)} bytes long; "
            f"Asterisk takes {head.hex(' ')} and {size} bytes, and ends the call at anything else"
        )
    return [piece[3:] for piece in pieces]


def numbers(frames: list[bytes]) -> list[int]:
    """Which of the `numbered` frames these are; 0 for silence."""
    return [struct.unpack_from("<h", pcm)[0] for pcm in frames]
