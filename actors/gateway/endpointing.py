"""Where one who is heard without a conversation begins and ends to speak: for clients that only send audio.

In a call, the turn machine decides that, with far more to go by. Here it is what the voice detector says, and a pause.
"""

from typing import Literal

from actors.vad import VoiceDetector
from config.schema import Turns, Vad
from ipc.rings import FRAME_MS

BEFORE_FRAMES = 300 // FRAME_MS
"""Speech begins before it is noticed: three frames in a row, and the soft first sound."""

Event = Literal["", "began", "ended"]


class Endpointer:
    def __init__(self, rate: int, vad: Vad, turns: Turns) -> None:
        """`rate`: 8000 or 16000 Hz."""
        self._detector = VoiceDetector(rate, vad)
        self._start_frames = vad.start_frames
        # Nobody knows here whether what was said makes sense already, so it is the longer one of the two pauses.
        self._pause_frames = turns.unclear_end_silence_ms // FRAME_MS
        self._most_frames = int(turns.max_turn_s * 1000) // FRAME_MS
        self.speaking = False
        self._run = 0
        """Frames of speech in a row; while speaking, of silence."""
        self._frames = 0
        """Of this utterance."""

    def hear(self, pcm: bytes) -> Event:
        """The next 20 ms: what they mean."""
        _, speech = self._detector.hear(pcm)
        if not self.speaking:
            self._run = self._run + 1 if speech else 0
            if self._run < self._start_frames:
                return ""
            self.speaking, self._run, self._frames = True, 0, 0
            return "began"
        self._frames += 1
        self._run = 0 if speech else self._run + 1
        if self._run < self._pause_frames and self._frames < self._most_frames:
            return ""
        self.reset()
        return "ended"

    def reset(self) -> None:
        """Whatever was being said has ended."""
        self.speaking, self._run = False, 0
