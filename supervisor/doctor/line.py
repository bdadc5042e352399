"""One side of the doctor's own calls: AudioSocket connections, a frame each 20 ms, and when each came back.

A thread of its own keeps the time, with real-time priority where that is allowed, and measures its own lateness: what a
busy machine does to the doctor is not to be blamed on Asterisk. Wire format: res/res_audiosocket.c.
"""

import asyncio
import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from supervisor.doctor import marks

FRAME_NS = 20_000_000
DRAIN_NS = 1_000_000_000
"""After the last mark, for those that are still on their way."""
AUDIO, UUID_KIND = 0x10, 0x01
SPEECH = bytes((AUDIO,)) + marks.FRAME_BYTES.to_bytes(2, "big")
REALTIME = 10
"""Below that of the audio actors (`audio.priority`), whom the doctor must not hold up."""

T = TypeVar("T")


class Heard(msgspec.Struct):
    """What one end of a line heard. Times are CLOCK_MONOTONIC ns."""

    arrivals: list[int]
    """Of every audio frame."""
    marks: dict[int, int]
    """Number: when it came first."""
    digits: str = ""
    ended: str = ""
    """Why the connection ended before its time; "" where it did not."""


class Record(msgspec.Struct):
    """One conversation."""

    sent: dict[int, int]
    """Number: when it was sent."""
    late: list[int]
    """By how many ns each frame was sent after its time."""
    far: Heard
    """The end that gives back what it hears; empty where somebody else does."""
    back: Heard
    """The end that sends."""


class Wire:
    """An AudioSocket connection whose UUID has been read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._reader = marks.Reader()
        self.heard = Heard([], {})
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        self._connection.close()

    def send(self, pcm: bytes) -> None:
        """One frame, in one piece: Asterisk does not wait for the rest of it."""
        if self.heard.ended:
            return
        try:
            if self._connection.send(SPEECH + pcm) != len(SPEECH) + len(pcm):
                self.heard.ended = "Asterisk reads no more"
        except BlockingIOError:
            self.heard.ended = "Asterisk reads no more"
        except OSError as error:
            self.heard.ended = f"the connection broke: {error.strerror}"

    def receive(self, now: int) -> list[bytes]:
        """The audio frames that have come, noted."""
        try:
            chunk = self._connection.recv(65536)
        except BlockingIOError:
            return []
        except OSError as error:
            self.heard.ended = self.heard.ended or f"the connection broke: {error.strerror}"
            return []
        if not chunk:
            self.heard.ended = self.heard.ended or "Asterisk hung up"
            return []
        self._buffer += chunk
        frames = []
        while len(self._buffer) >= 3:
            length = int.from_bytes(self._buffer[1:3], "big")
            if len(self._buffer) < 3 + length:
                break
            kind, payload = self._buffer[0], bytes(self._buffer[3 : 3 + length])
            del self._buffer[: 3 + length]
            if kind == AUDIO:
                self._note(payload, now)
                frames.append(payload)
            elif kind == 0x03:
                self.heard.digits += payload.decode("ascii", "replace")
        return frames

    def _note(self, pcm: bytes, now: int) -> None:
        self.heard.arrivals.append(now)
        number = self._reader.read(pcm)
        if number is not None:
            self.heard.marks.setdefault(number, now)


async def in_a_thread(work: Callable[[threading.Event], T]) -> T:
    """The work's result. It has a thread of its own, with real-time priority where that is allowed, and is given the
    event on which it must end at once: Ctrl-C does not wait for a measurement."""
    stop = threading.Event()

    def urgent() -> T:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME))
        return work(stop)

    with ThreadPoolExecutor(1) as alone:
        try:
            return await asyncio.get_running_loop().run_in_executor(alone, urgent)
        finally:
            stop.set()


def converse(near: Wire, far: Wire | None, seconds: float, stop: threading.Event) -> Record:
    """Sends marks into `near` for so long, and has `far` give back at once what it hears; blocks until the end.

    Ends early when the near connection does.
    """
    wires = [near, far] if far else [near]
    record = Record({}, [], far.heard if far else Heard([], {}), near.heard)
    frames = int(seconds * 1e9) // FRAME_NS
    start = time.monotonic_ns()
    for beat in range(frames + DRAIN_NS // FRAME_NS):
        due = start + beat * FRAME_NS
        while (left := due - time.monotonic_ns()) > 0:
            _listen(wires, far, left / 1e9)
        now = time.monotonic_ns()
        if beat < frames:
            record.late.append(now - due)
            record.sent[beat % marks.NUMBERS] = now
        near.send(marks.frame(beat % marks.NUMBERS) if beat < frames else marks.SILENCE)
        if near.heard.ended or stop.is_set():
            break
    return record


def listen(wire: Wire, seconds: float, stop: threading.Event) -> None:
    """Sends silence for so long and hears; blocks until then."""
    start = time.monotonic_ns()
    for beat in range(int(seconds * 1e9) // FRAME_NS):
        due = start + beat * FRAME_NS
        while (left := due - time.monotonic_ns()) > 0:
            _listen([wire], None, left / 1e9)
        wire.send(marks.SILENCE)
        if wire.heard.ended or stop.is_set():
            return


def _listen(wires: list[Wire], far: Wire | None, timeout: float) -> None:
    open_wires = [wire for wire in wires if not wire.heard.ended]
    ready, _, _ = select.select(open_wires, [], [], timeout)
    for wire in ready:
        for pcm in wire.receive(time.monotonic_ns()):
            if wire is far:
                far.send(pcm)
