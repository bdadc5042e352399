"""Who has answered a call that we made: a person, a machine, or nobody knows. Pure: no clock, no I/O.

A person says a word or two and waits for an answer; a machine reads its announcement. So speech that ends within
`SHORT_MS` and is followed by `PAUSE_MS` of silence is a person, and speech that goes on for longer is a machine. Who
presses a key is a person. It is a rule of thumb: someone who answers with a long sentence passes for a machine, and an
announcement that says "Hello." and then pauses for a person.
"""

from typing import Literal

from actors.conversation import events as ev
from config.keeping import Outbound
from ipc.rings import FRAME_MS

SHORT_MS = 2000
PAUSE_MS = 600
"""Longer than the pauses in a sentence that is read out, shorter than anybody's patience."""
LEAST_MS = 100
"""Less speech than this is a click on the line."""

By = Literal["person", "machine", "unknown"]


class Pickup:
    """From the answer on. `by` is None until it is known."""

    def __init__(self, rules: Outbound, answered_ns: int) -> None:
        self._rules = rules
        self._answered_ns = answered_ns
        self.by: By | None = None
        self._first = -1
        """Number of the first frame of speech; -1 before, and after a click."""
        self._last = -1
        self._spoken = 0
        """Frames of speech since the first."""
        self._machine = False

    @property
    def due_ns(self) -> int:
        """By then it is decided, whatever came."""
        return self._answered_ns + int(self._rules.detect_s * 1e9)

    def handle(self, event: ev.Event, now_ns: int) -> None:
        if self.by is not None:
            return
        if isinstance(event, ev.DigitPressed) and self._rules.answered_by in ("any", "key"):
            self.by = "person"
        elif isinstance(event, ev.FrameHeard) and self._rules.answered_by in ("any", "voice"):
            self._hear(event)
        if self.by is None and now_ns >= self.due_ns:
            self.by = "machine" if self._machine else "unknown"

    def _hear(self, frame: ev.FrameHeard) -> None:
        if frame.speech:
            if self._first < 0:
                self._first, self._spoken = frame.number, 0
            self._last = frame.number
            self._spoken += 1
            if (self._last + 1 - self._first) * FRAME_MS > SHORT_MS:
                self._machine = True
                # With `any`, whoever it is may still press a key.
                self.by = "machine" if self._rules.answered_by == "voice" else None
        elif self._first >= 0 and (frame.number - self._last) * FRAME_MS >= PAUSE_MS:
            if not self._machine and self._spoken * FRAME_MS >= LEAST_MS:
                self.by = "person"
            self._first = -1
