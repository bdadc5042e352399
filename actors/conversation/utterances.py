"""The other half of the talk: utterances, from the first frame of speech to the last, heard by the recogniser. Pure.

One is open at a time. Who goes on after it was taken to be over goes on with it under a new number: it is recognised
again from its start.
"""

from collections.abc import Callable

from actors.conversation import events as ev
from actors.conversation.speech import PREROLL_FRAMES, TAIL_FRAMES, SpeechRun, Utterance


class Utterances:
    """What the recogniser is to do goes out as actions by `do`. Numbers are never used again in a call."""

    def __init__(self, do: Callable[[ev.Action], None], count: int = 0) -> None:
        self._do = do
        self.count = count
        """How many there were."""
        self.run = SpeechRun()
        self.current: Utterance | None = None

    def open(self) -> None:
        """One begins with the run of speech that is under way."""
        run = self.run
        start = max(0, run.onset - PREROLL_FRAMES)
        self.current = Utterance(self.count + 1, start, run.onset_ns, run.last, run.last_ns, run.frames)
        self._begin()

    def reopen(self) -> None:
        """The last one goes on."""
        old, run = self.current, self.run
        if old is None:
            self.open()
            return
        frames = old.speech_frames + run.frames
        self.current = Utterance(self.count + 1, old.from_frame, old.onset_ns, run.last, run.last_ns, frames)
        self._begin()

    def _begin(self) -> None:
        assert self.current is not None
        self.count = self.current.number
        self._do(ev.BeginHearing(self.current.number, self.current.from_frame))

    def follow(self, frame: ev.FrameHeard, patience_ms: int, longest_s: float) -> Utterance | None:
        """The open utterance goes on with this frame; returns it when it is over: after so much silence, or so long."""
        utterance = self.current
        assert utterance is not None
        utterance.hear(frame)
        if utterance.silence_ms(frame) < patience_ms and utterance.length_ms(frame) < longest_s * 1000:
            return None
        self.run.frames = 0
        self._do(ev.FinishHearing(utterance.number, min(frame.number + 1, utterance.last + 1 + TAIL_FRAMES)))
        return utterance

    def guess(self, event: ev.PartialText) -> None:
        if self.current and event.utterance == self.current.number:
            self.current.text = event.text

    def meant(self, event: ev.Transcript) -> Utterance | None:
        """The utterance that was understood; None for one that nobody waits for any more."""
        return self.current if self.current and event.utterance == self.current.number else None

    def forget(self) -> None:
        """Nobody waits for what was said any more, and speech that is under way begins anew."""
        self.current = None
        self.run.frames = 0
