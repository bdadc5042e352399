"""The provider `speaker`: it never stops talking of its own accord, and falls silent when the caller speaks.

What it says is a hum of a few voices in the rhythm of speech, never silent: a hole in it was made by the line. Each
time it begins at the start, so a successor knows from the mouth's own count where to go on.
"""

import time
from functools import cache

import numpy as np

from actors.conversation.providers.provider import Engagement
from actors.conversation.speech import SpeechRun
from config.schema import Turns as Rules
from ipc.ear import EarReader, Frame
from ipc.journal import BargedIn, DigitsPressed
from ipc.mouth import MouthGauge, MouthWriter
from ipc.rings import FRAME_MS, MOUTH_SLOTS

TUNE_S = 4
"""All frequencies are multiples of its inverse, so that it can be repeated without a click."""
VOICES = ((220.0, 0.5), (277.25, 0.3), (329.75, 0.3), (440.0, 0.15))
"""Hz and share: A major."""
SYLLABLES_HZ = 4.0
AMPLITUDE = 0.12
"""Of full scale. The quietest 20 ms have a level of -33 dBFS, the loudest of -24 dBFS."""

REFILL_AT = MOUTH_SLOTS // 2
"""Free slots at which the mouth is filled up: once in 2.5 s."""


@cache
def tune(rate: int) -> tuple[bytes, ...]:
    """`TUNE_S` in frames of 20 ms, 16-bit samples at this rate. The same in every process."""
    at = np.arange(TUNE_S * rate) / rate
    hum = sum(share * np.sin(2 * np.pi * hertz * at) for hertz, share in VOICES)
    rhythm = 0.7 + 0.3 * np.cos(2 * np.pi * SYLLABLES_HZ * at)
    pcm = np.rint(hum * rhythm * AMPLITUDE * 32767).astype("<i2").tobytes()
    size = rate * FRAME_MS // 1000 * 2
    return tuple(pcm[start : start + size] for start in range(0, len(pcm), size))


class Manners:
    """Whether the agent may speak, by the rules for turns. Pure: the caller's frames are its clock."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._run = SpeechRun()
        self.speaking = True
        self.onset_ns = 0
        """When the caller began to speak who has silenced the agent."""

    def hear(self, frame: Frame) -> bool:
        """True when the agent is to fall silent now, or to speak on now: `speaking` says which."""
        run, rules = self._run, self._rules
        run.hear(frame)
        if self.speaking:
            if not rules.barge_in.enabled or run.ms < rules.barge_in.min_speech_ms:
                return False
            self.onset_ns = run.onset_ns
        elif (frame.number - run.last) * FRAME_MS < rules.end_silence_ms:
            return False
        self.speaking = not self.speaking
        return True


class Speaker:
    """One call's."""

    def __init__(self, engagement: Engagement) -> None:
        self._write = engagement.write
        self._tune = tune(engagement.rings.rate)
        self._samples = engagement.rings.payload // 2
        self._ear = EarReader(engagement.rings)
        self._mouth = MouthWriter(engagement.rings)
        self._gauge = MouthGauge(engagement.rings)
        self._manners = Manners(engagement.settings.turns)
        self._generation = 0
        self._flushed_ns = 0
        self._turn = 0
        self._frames = 0

    async def open(self, *, taken_over: bool) -> None:
        """A successor speaks on after the predecessor's last sample, even if the caller was just interrupting: it will
        hear them."""
        self._generation = self._gauge.generation if taken_over else self._gauge.flush()
        self._fill()

    def hear(self) -> None:
        manners = self._manners
        while frame := self._ear.read():
            if frame.digit:
                self._write(DigitsPressed(at_ns=time.monotonic_ns(), digits=frame.digit))
            if manners.hear(frame):
                if manners.speaking:
                    self._note_interruption()
                else:
                    self._fall_silent()
        if manners.speaking and self._mouth.space >= REFILL_AT:
            self._fill()

    def _fall_silent(self) -> None:
        self._gauge.flush()
        self._flushed_ns = time.monotonic_ns()
        self._turn += 1

    def _note_interruption(self) -> None:
        """The caller is done. What was heard before they were given the floor is final by now."""
        self._write(
            BargedIn(
                at_ns=time.monotonic_ns(),
                turn=self._turn,
                onset_ns=self._manners.onset_ns,
                flushed_ns=self._flushed_ns,
                silent_ns=self._gauge.played(self._generation).last_ns,
            )
        )
        self._generation = self._gauge.generation

    def _fill(self) -> None:
        written = self._mouth.offset(self._generation) // self._samples
        now_ns = time.monotonic_ns()
        while self._mouth.write(self._tune[written % len(self._tune)], self._generation, now_ns):
            written += 1
            self._frames += 1

    async def close(self, cause: str) -> dict[str, int]:
        """frames: written to the mouth. interruptions: how often the caller has silenced it."""
        if not self._manners.speaking:
            self._note_interruption()
        return {"frames": self._frames, "interruptions": self._turn}
