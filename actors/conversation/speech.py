"""Follows the caller's speech frame by frame: where a run of it began, how long it is, when it was last heard."""

from dataclasses import dataclass

from actors.conversation.events import FrameHeard, Transcript
from ipc.ear import Frame
from ipc.journal import CallerSaid
from ipc.rings import FRAME_MS

HOLE_FRAMES = 3
"""A run survives this many frames without speech: detectors flicker within words (a "t" is 60 ms of silence)."""
PREROLL_FRAMES = 15
"""The recogniser starts this much before the first frame that passed for speech: 300 ms, soft onsets included."""
TAIL_FRAMES = 10
"""It is given this much after the last one: 200 ms, soft endings included."""
NOISE_MS = 240
"""Less speech than this, without a word understood, is a cough or a click and no turn."""
RESUME_FRAMES = 5
"""Frames of speech by which a caller who was taken to be done goes on with the same turn."""


@dataclass(slots=True)
class SpeechRun:
    """The latest run of speech. All zero before the first."""

    frames: int = 0
    """Frames of speech in the run that is under way; 0 when none is."""
    onset: int = 0
    """Number of its first frame."""
    onset_ns: int = 0
    last: int = 0
    """Number of the last frame of speech."""
    last_ns: int = 0

    def hear(self, frame: FrameHeard | Frame) -> None:
        if frame.speech:
            if not self.frames:
                self.onset, self.onset_ns = frame.number, frame.captured_ns
            self.frames += 1
            self.last, self.last_ns = frame.number, frame.captured_ns
        elif self.frames and frame.number - self.last > HOLE_FRAMES:
            self.frames = 0

    @property
    def ms(self) -> int:
        return self.frames * FRAME_MS


@dataclass(slots=True)
class Utterance:
    """What one recognition hears: a stretch of the ear."""

    number: int
    from_frame: int
    onset_ns: int
    last: int
    last_ns: int
    speech_frames: int
    text: str = ""
    """The recogniser's best guess so far."""

    def hear(self, frame: FrameHeard) -> None:
        if frame.speech:
            self.speech_frames += 1
            self.last, self.last_ns = frame.number, frame.captured_ns

    @property
    def speech_ms(self) -> int:
        return self.speech_frames * FRAME_MS

    def record(self, now_ns: int, turn: int, transcript: Transcript) -> CallerSaid:
        return CallerSaid(
            at_ns=now_ns,
            turn=turn,
            text=transcript.text,
            confidence=transcript.confidence,
            onset_ns=self.onset_ns,
            last_speech_ns=self.last_ns,
            speech_ms=self.speech_ms,
            lost_frames=transcript.lost_frames,
        )

    def silence_ms(self, frame: FrameHeard) -> int:
        return (frame.number - self.last) * FRAME_MS

    def length_ms(self, frame: FrameHeard) -> int:
        return (frame.number - self.from_frame) * FRAME_MS
