"""The provider `loopback`: the caller hears their own voice, every sample of it, by the way that an agent's takes.

It is to this system what Echo() is to Asterisk: ear, conversation and mouth are in it, and no engine.

The echo is one endless clause, so that a hole in it (silence on the wire while the caller's next frame was still on its
way) counts as an underrun; a peer that stops sending makes three, until its silence is known to be a gap. After a hole
one more frame waits in the mouth, and that is the margin for a line that jitters: nothing is held back before there was
a need for it. So a sample goes out 22 ms after it came in, or 42 ms, once there is a margin.
"""

import time

from actors.conversation.providers.provider import Engagement
from ipc.ear import EarReader
from ipc.journal import DigitsPressed
from ipc.mouth import MouthGauge, MouthWriter
from ipc.rings import MOUTH_SLOTS

MOST_WAITING = 5
"""Frames between the caller's end and the wire: with more, the echo is a second voice (100 ms) and not a room."""
KEPT = 2
"""So many are left of them: the frame that goes out next, and one as margin for a line that jitters."""
PATIENCE = 500
"""Looks, ten seconds: of the frames that waited all that time, those beyond `KEPT` were of no use. Each of them is
20 ms of the caller's voice, so that one late turn of this process, which leaves one more, is not yet a reason."""


class Backlog:
    """Whether the echo is behind. Pure."""

    def __init__(self) -> None:
        self._looks = 0
        self._least = MOST_WAITING

    def excess(self, waiting: int) -> int:
        """How many of the frames that wait are to be dropped; told once for each ring of the bell."""
        if waiting > MOST_WAITING:
            self._begin()
            return waiting - KEPT
        if waiting < self._least:
            self._least = waiting
        self._looks += 1
        if self._looks < PATIENCE:
            return 0
        excess = self._least - KEPT
        self._begin()
        return max(0, excess)

    def _begin(self) -> None:
        self._looks = 0
        self._least = MOST_WAITING


class Loopback:
    """Takes 20 us of CPU for a frame at the most: one actor may have 400 of these calls, 20,000 frames a second."""

    def __init__(self, engagement: Engagement) -> None:
        self._rings = engagement.rings
        self._write = engagement.write
        self._ear = EarReader(engagement.rings)
        self._mouth = MouthWriter(engagement.rings)
        self._gauge = MouthGauge(engagement.rings)
        self._backlog = Backlog()
        self._generation = 0
        self._first_slot = 0
        """Of the generation: what is before it in the mouth will be discarded unheard."""
        self._talking = True
        """False once a gap has begun."""
        self._first_frame = self._ear.position
        self._dropped = 0
        self._left_out = 0

    async def open(self, *, taken_over: bool) -> None:
        """A successor goes on with what the caller says now: an echo of the seconds before would never catch up. The
        journal has it as `ProviderResumed.away_ms`."""
        if taken_over:
            self._generation = self._gauge.generation
        else:
            self._flush()

    def _flush(self) -> None:
        self._generation = self._gauge.flush()
        self._first_slot = self._mouth.written

    def hear(self) -> None:
        behind = self._ear.behind
        waiting = behind + self._in_mouth()
        if excess := self._backlog.excess(waiting):
            self._keep_newest(waiting - excess, self._ear.position + behind)
            self._dropped += excess
        read, write, generation = self._ear.read, self._mouth.write, self._generation
        while frame := read():
            if frame.digit:
                self._write(DigitsPressed(at_ns=time.monotonic_ns(), digits=frame.digit))
            gap = frame.gap
            # A gap is nothing that the caller said. Its first frame ends the clause, so that no underruns are counted
            # while the peer is silent; the others are left out, for the pacer is silent by itself, and whatever waits
            # in the mouth when the caller goes on delays them for the rest of the call.
            if not gap or self._talking:
                if not write(frame.pcm, generation, frame.captured_ns, end=gap, live=True):
                    self._dropped += 1  # full of what was flushed: nobody has taken anything for seconds
                self._talking = not gap
            else:
                self._left_out += 1

    def _in_mouth(self) -> int:
        """Frames of this generation that wait for the wire."""
        mouth = self._mouth
        return min(mouth.written - self._first_slot, MOUTH_SLOTS - mouth.space)

    def _keep_newest(self, frames: int, end: int) -> None:
        """Gives up the oldest of those that wait. Where the mouth has some of them it is emptied, and those that stay,
        up to frame `end`, are read from the ear once more."""
        if self._in_mouth():
            self._flush()
        self._ear = EarReader(self._rings, end - frames)

    async def close(self, cause: str) -> dict[str, int]:
        """In frames of the ear. frames: since it was opened; of these, dropped: to catch up; gaps: left out."""
        return {
            "frames": self._ear.position - self._first_frame,
            "dropped": self._dropped,
            "gaps": self._left_out,
        }
