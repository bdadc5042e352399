"""When the next frame is due on the wire. Pure: it is told the time.

The grid is absolute: frame n is due at start + n * 20 ms, whatever happened to the frames before it. Who wakes late
sends at once what is due, and is on time again; a delay is recovered, never handed on (`time.sleep(0.02)` after each
frame, with a machine that is busy for 25 ms now and then, delivers 40 % of the audio).
"""

from dataclasses import dataclass

from ipc.rings import FRAME_NS


@dataclass(slots=True)
class Pacer:
    due_ns: int
    """When the next frame is due."""
    catch_up: int
    """Most frames sent at once on top of the one that is due. More overflow the 80 ms that Asterisk's mixer holds."""

    def take_due(self, now_ns: int) -> tuple[int, int]:
        """How many frames to send now, and how many to give up because the process was away for too long.

        Moves the grid past both.
        """
        if now_ns < self.due_ns:
            return 0, 0
        due = (now_ns - self.due_ns) // FRAME_NS + 1
        send = min(due, self.catch_up + 1)
        self.due_ns += due * FRAME_NS
        return send, due - send
