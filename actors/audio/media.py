"""One call's media: its socket, its two rings and its clock. Knows nothing of processes or of other calls.

All that a successor needs is outside this process: received bytes stay in the socket until they are whole frames that
have been written to the ear (MSG_PEEK), and the grid and the counters are in the rings. So an audio actor can be killed
at any instant, and the next one goes on with the same socket in the middle of a word.
"""

import os
import socket
import time

from actors.audio import audiosocket
from actors.audio.audiosocket import HEADER_BYTES
from actors.audio.pacer import Pacer, aligned
from actors.audio.vad import SILENCE_DBFS, VoiceDetector
from config.schema import Settings
from ipc.ear import EarWriter
from ipc.messages import EndReason
from ipc.mouth import CORRUPT, DUE, HEARD, RECEIVED, SENT, SKIPPED, TAKEOVERS, UNDERRUNS, VOICED, MouthReader
from ipc.rings import BELLS, EAR_BELLS, FRAME_NS, Bell, Rings

GAP_AFTER_NS = 3 * FRAME_NS
"""A peer that sent nothing for this long is silent (a phone that suppresses silence, or holds): the ear goes on without
it. Asterisk's own frames come up to 28 ms apart (p99)."""

STUCK_NS = 2_000_000_000
"""A peer that has left half a frame, or has not taken ours, for this long is not coming back."""

SPACE_LISTENED = 1 << 8 * BELLS.index("mouth.space")
"""Of `Rings.listened`."""

EAGER_FRAMES = 25
"""So many of the peer's first frames are read as they come. Then the clock is aligned to them, and one waking up for
each frame does both: send ours, read theirs. Waking costs more than the work: with 100 processes on two cores a frame
each way takes 138 us of CPU with one waking up, and 198 us with two."""


class MediaOver(Exception):
    """The connection is of no more use."""

    def __init__(self, reason: EndReason, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


class Media:
    """One call's connection on this audio actor. `receive` and `tick` raise `MediaOver`."""

    def __init__(self, connection: socket.socket, segment: str, bells: list[Bell], settings: Settings) -> None:
        self.connection = connection
        self.connection.setblocking(False)
        self._rings = Rings(segment)
        self._ear = EarWriter(self._rings)
        self._mouth = MouthReader(self._rings)
        self._bells = bells
        self._listened = 0
        self._rung: tuple[int, ...] = ()
        """The ear's bells that somebody listens for."""
        self._space_bell = bells[-1].descriptor
        self._detector = VoiceDetector(self._rings.rate, settings.vad)
        self._header = audiosocket.audio_header(self._rings.rate, self._rings.payload)
        self._size = self._rings.payload + HEADER_BYTES
        self._silence = self._header + bytes(self._rings.payload)
        self._buffer = memoryview(bytearray(audiosocket.LARGEST_FRAME))
        self._rest = b""
        self._digits = ""
        self._unsent = b""
        self._half_since = 0
        self._blocked_since = 0
        self._arrivals: list[int] = []
        self._grid = grid = self._mouth.grid
        self.eager = grid[DUE] == 0
        """True while `receive` is to be called whenever the socket has something. Changes in a `tick`, to False."""
        if self.eager:
            grid[DUE] = grid[HEARD] = time.monotonic_ns()
        else:
            grid[TAKEOVERS] += 1
        self._pacer = Pacer(grid[DUE], settings.audio.catch_up_frames)

    @property
    def due_ns(self) -> int:
        """When `tick` is to be called next."""
        return self._pacer.due_ns

    # -- from the caller

    def receive(self, now_ns: int) -> None:
        """Moves all whole frames that have arrived into the ear."""
        try:
            count = self.connection.recv_into(self._buffer, 0, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError as error:
            raise MediaOver("closed by peer", str(error)) from error
        buffer = self._buffer
        if count == self._size and buffer[:HEADER_BYTES] == self._header and not self._rest:
            # The usual case: one whole frame, which is in the ear before it is taken from the socket.
            self._hear(bytes(buffer[HEADER_BYTES:count]), now_ns)
            self._note_arrival(now_ns)
            self.connection.recv_into(buffer, count)
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
        if used:
            self.connection.recv_into(self._buffer, used)
            self._half_since = 0
        if used < count:
            self._half_since = self._half_since or now_ns
            self._check(self._half_since, now_ns, f"half a frame ({count - used} bytes) and then nothing")

    def _take(self, frame: audiosocket.Frame, now_ns: int) -> None:
        if frame.kind == audiosocket.TERMINATE:
            raise MediaOver("closed by peer", "terminate frame")
        if frame.kind == audiosocket.ERROR:
            raise MediaOver("closed by peer", f"error {frame.payload.hex()} reported by the peer")
        try:
            if frame.kind == audiosocket.DTMF:
                self._digits += audiosocket.digit(frame)
                return
            audiosocket.check_audio(frame, self._rings.rate)
        except audiosocket.Unusable as error:
            raise MediaOver("unusable", str(error)) from error
        self._take_audio(frame.payload, now_ns)

    def _take_audio(self, pcm: bytes, now_ns: int) -> None:
        pcm = self._rest + pcm
        size = self._rings.payload
        whole = len(pcm) - len(pcm) % size
        for start in range(0, whole, size):
            self._hear(pcm[start : start + size], now_ns)
        self._rest = pcm[whole:]
        self._note_arrival(now_ns)

    def _note_arrival(self, now_ns: int) -> None:
        self._grid[HEARD] = now_ns
        self._grid[RECEIVED] += 1
        if self.eager:
            self._arrivals.append(now_ns)

    def _hear(self, pcm: bytes, now_ns: int, *, gap: bool = False) -> None:
        level, speech = (SILENCE_DBFS, False) if gap else self._detector.hear(pcm)
        digit = ""
        if self._digits:
            # A frame has room for one; keys that came together are on frames that follow each other.
            digit, self._digits = self._digits[0], self._digits[1:]
        self._ear.write(pcm, captured_ns=now_ns, level=level, speech=speech, gap=gap, digit=digit)
        if self._rings.listened != self._listened:
            self._listened = listened = self._rings.listened
            self._rung = tuple(
                bell.descriptor for number, bell in enumerate(self._bells[:EAR_BELLS]) if listened >> 8 * number & 1
            )
        for descriptor in self._rung:
            os.eventfd_write(descriptor, 1)

    # -- to the caller

    def tick(self, now_ns: int) -> None:
        """Sends what is due: the mouth's next samples, or silence. Then reads, after the clock has had its due.

        To be called at `due_ns` or as soon after as can be.
        """
        due_ns = self._pacer.due_ns
        send, skipped = self._pacer.take_due(now_ns)
        if not send:
            return
        grid, mouth = self._grid, self._mouth
        slot, corrupt = mouth.slot, mouth.corrupt
        for _ in range(send):
            taken = mouth.take()
            if taken is None:
                grid[UNDERRUNS] += mouth.mid_clause
                self._send(self._silence, now_ns)
            else:
                pcm, generation = taken
                grid[VOICED] += 1
                self._send((self._header + pcm).ljust(self._size, b"\0"), now_ns)
                mouth.note_played(generation, len(pcm) // 2, now_ns)
            mouth.note_lateness(max(0, now_ns - due_ns))
            due_ns += FRAME_NS
        if mouth.slot != slot and self._rings.listened & SPACE_LISTENED:
            # Also where all were discarded: a synthesiser that waits for room learns of the flush by this.
            os.eventfd_write(self._space_bell, 1)
        grid[DUE] = self._pacer.due_ns
        grid[SENT] += send
        if skipped or mouth.corrupt != corrupt:
            grid[SKIPPED] += skipped
            grid[CORRUPT] += mouth.corrupt - corrupt
        mouth.publish()
        self.receive(now_ns)
        if now_ns - grid[HEARD] > GAP_AFTER_NS:
            self._hear(self._silence[HEADER_BYTES:], now_ns, gap=True)
        if self.eager and len(self._arrivals) >= EAGER_FRAMES:
            self.eager = False
            self._pacer.due_ns = aligned(now_ns, self._arrivals)

    def _send(self, message: bytes, now_ns: int) -> None:
        # Header and payload in one send: Asterisk gives up on a payload that is 5 ms behind its header. What did not
        # fit goes first next time; a frame that did not even begin is dropped, because its time is over.
        begun = len(self._unsent)
        if begun:
            message = self._unsent + message
        try:
            sent = self.connection.send(message)
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
        self._check(self._blocked_since, now_ns, "the peer has stopped reading")

    @staticmethod
    def _check(since_ns: int, now_ns: int, what: str) -> None:
        if now_ns - since_ns > STUCK_NS:
            raise MediaOver("unusable", what)

    # -- the end

    def terminate(self) -> None:
        """Tells Asterisk to end the leg, unless half a frame of ours is in the way."""
        if not self._unsent:
            try:
                self.connection.send(audiosocket.TERMINATE_FRAME)
            except OSError:
                return

    def close(self) -> None:
        self.connection.close()
        for bell in self._bells:
            bell.close()
        self._rings.close()
