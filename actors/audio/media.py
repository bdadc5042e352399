"""One call's media: its two rings, its clock, and the wire it hangs on. Knows nothing of processes or of other calls.

All that a successor needs is outside this process: the grid and the counters are in the rings, and the wire leaves in
the kernel what is not yet in the ear (`actors.audio.wire`). So an audio actor can be killed at any instant, and the
next one goes on with the same socket in the middle of a word.
"""

import os
import socket
import time

from actors.audio.audiosocket_wire import AudioSocketWire
from actors.audio.pacer import Pacer, aligned
from actors.audio.playout import Playout
from actors.audio.rtp_wire import RtpWire
from actors.audio.websocket_wire import WebSocketWire
from actors.audio.wire import MediaOver, Wire
from actors.vad import SILENCE_DBFS, VoiceDetector
from config.schema import Settings
from ipc.ear import EarWriter
from ipc.messages import AttachMedia
from ipc.mouth import CORRUPT, DUE, HEARD, RECEIVED, SENT, SKIPPED, TAKEOVERS, UNDERRUNS, VOICED
from ipc.rings import BELLS, EAR_BELLS, FRAME_NS, Bell, Rings
from ipc.tap import TAPPED, TapWriter

SPACE_LISTENED = 1 << 8 * BELLS.index("mouth.space")
"""Of `Rings.listened`."""

EAGER_FRAMES = 25
"""So many of the peer's first frames are read as they come. Then the clock is aligned to them, and one waking up for
each frame does both: send ours, read theirs. Waking costs more than the work: with 100 processes on two cores a frame
each way takes 138 us of CPU with one waking up, and 198 us with two."""


class Media:
    """One call's connection on this audio actor, and the `Listener` of its wire. Where there is a wire, there may be a
    `MediaOver`: the constructor, `receive` and `tick` raise it."""

    def __init__(self, connection: socket.socket, attach: AttachMedia, bells: list[Bell], settings: Settings) -> None:
        self.connection = connection
        self.connection.setblocking(False)
        self._bells = bells
        self._rings = Rings(attach.segment)
        self._ear = EarWriter(self._rings)
        self._tap = TapWriter(self._rings)
        self.playout = Playout(self._rings, settings.streaming, attach.playback, attach.call_id)
        self._mouth = self.playout.mouth
        self._listened = 0
        self._rung: tuple[int, ...] = ()
        """The ear's bells that somebody listens for."""
        self._space_bell = bells[-1].descriptor
        self._detector = VoiceDetector(self._rings.rate, settings.vad)
        self._size = self._rings.payload
        self._silence = bytes(self._size)
        self._rest = b""
        self._digits = ""
        self._arrivals: list[int] = []
        self._grid = grid = self._mouth.grid
        self.eager = grid[DUE] == 0
        """True while `receive` is to be called whenever the socket has something. Changes in a `tick`, to False."""
        if self.eager:
            grid[DUE] = grid[HEARD] = time.monotonic_ns()
        else:
            grid[TAKEOVERS] += 1
        self._pacer = Pacer(grid[DUE], settings.audio.catch_up_frames)
        try:
            self.wire = self._hang_on(attach, settings)
        except MediaOver:
            self.close()
            raise
        self.receive = self.wire.receive
        """Moves all that has arrived into the ear: `receive(now_ns)`."""

    def _hang_on(self, attach: AttachMedia, settings: Settings) -> Wire:
        """The wire that the supervisor has named."""
        rate, grid = self._rings.rate, self._grid
        if attach.wire == "rtp":
            return RtpWire(self.connection, attach, rate, settings.external_media, self, grid[SENT], grid[SKIPPED])
        if attach.wire == "websocket":
            return WebSocketWire(self.connection, attach, rate, settings.streaming, self, self._mouth)
        return AudioSocketWire(self.connection, rate, self)

    @property
    def due_ns(self) -> int:
        """When `tick` is to be called next."""
        return self._pacer.due_ns

    # -- from the caller

    def hear(self, pcm: bytes, now_ns: int, *, gap: bool = False) -> None:
        """Writes 20 ms to the ear. A `gap` has not arrived: it stands in for what did not."""
        if self._rest:
            self.hear_any(pcm, now_ns)
            return
        if gap:
            level, speech = SILENCE_DBFS, False
        else:
            level, speech = self._detector.hear(pcm)
            self._grid[HEARD] = now_ns
            self._grid[RECEIVED] += 1
            if self.eager:
                self._arrivals.append(now_ns)
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

    def hear_any(self, pcm: bytes, now_ns: int) -> None:
        pcm, self._rest = self._rest + pcm, b""
        size = self._size
        whole = len(pcm) - len(pcm) % size
        for start in range(0, whole, size):
            self.hear(pcm[start : start + size], now_ns)
        self._rest = pcm[whole:]

    def press(self, digit: str) -> None:
        self._digits += digit

    def _hear_nothing(self, now_ns: int) -> None:
        """The caller is silent: time goes on in the ear. What is left of the last words is completed with silence."""
        rest, self._rest = self._rest, b""
        self.hear(rest.ljust(self._size, b"\0") if rest else self._silence, now_ns, gap=True)

    # -- to the caller

    def tick(self, now_ns: int) -> None:
        """Sends what is due: the mouth's next samples, or silence. Then reads, after the clock has had its due.

        To be called at `due_ns` or as soon after as can be.
        """
        due_ns = self._pacer.due_ns
        send, skipped = self._pacer.take_due(now_ns)
        if not send:
            return
        grid, mouth, playout, wire = self._grid, self._mouth, self.playout, self.wire
        slot, corrupt = mouth.slot, mouth.corrupt
        for _ in range(send):
            taken = playout.take(now_ns)
            if taken is None:
                pcm = self._silence
                grid[UNDERRUNS] += playout.underrun
                wire.send_silence(now_ns)
            else:
                said, generation = taken
                grid[VOICED] += 1
                pcm = said if len(said) == self._size else said.ljust(self._size, b"\0")
                wire.send(pcm, now_ns)
                mouth.note_played(generation, len(said) // 2, now_ns)
            if self._listened & TAPPED:
                self._tap.write(pcm if taken else playout.aired or pcm, now_ns)
            mouth.note_lateness(max(0, now_ns - due_ns))
            due_ns += FRAME_NS
        if mouth.slot != slot and self._rings.listened & SPACE_LISTENED:
            # Also where all were discarded: a synthesiser that waits for room learns of the flush by this.
            os.eventfd_write(self._space_bell, 1)
        grid[DUE] = self._pacer.due_ns
        grid[SENT] += send
        if skipped or mouth.corrupt != corrupt:
            wire.skip(skipped)
            grid[SKIPPED] += skipped
            grid[CORRUPT] += mouth.corrupt - corrupt
        mouth.publish()
        self.receive(now_ns)
        if now_ns - grid[HEARD] > wire.gap_after_ns:
            self._hear_nothing(now_ns)
        if self.eager and len(self._arrivals) >= EAGER_FRAMES:
            self.eager = False
            self._pacer.due_ns = aligned(now_ns, self._arrivals)

    # -- the end

    def terminate(self) -> None:
        """Tells Asterisk to end the leg, where the wire can."""
        self.wire.terminate()

    def close(self) -> None:
        self.connection.close()
        for bell in self._bells:
            bell.close()
        self._rings.close()
