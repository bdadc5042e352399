"""What is put in the place of audio that was lost: the voice's last pitch period, over and over, fading out in 60 ms.

In the spirit of ITU-T G.711 Appendix I, but without its delay: what has been heard is in the ear already and is not
changed any more. So the period's own end is bent towards its beginning (they overlap by a quarter), the first
repetition begins where the last sample was, and the real voice, when it is back, is faded in over the synthetic one.

    ... heard ................|period|period|period|  (fading)
                       period^                       \\ 5 ms of both / heard again ...
"""

import warnings
from array import array

with warnings.catch_warnings():
    # In the standard library up to Python 3.12; from 3.13 on the package audioop-lts has it under the same name.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

HISTORY_MS = 40
"""Long enough for the longest period and what it is compared with."""
MATCH_MS = 20
"""How much of the end is looked for further back: the distance is the pitch period, or a multiple of it."""
SHORTEST_MS, LONGEST_MS = 5, 15
"""Of a period: voices from 66 to 200 Hz. A higher voice is found at a multiple of its period, which is as good."""
FULL_MS, SILENT_MS = 10, 60
"""The repetition is as loud as the voice for the first, and silent after the second: a longer hum is heard as one."""
REJOIN_MS = 5
STEP_MS = 1
"""How long the step at the beginning takes to die away."""


class Concealer:
    """One voice. Every sample that goes into the ear passes through it: 16-bit at `rate`."""

    def __init__(self, rate: int) -> None:
        self._per_ms = rate // 1000
        self._history = b""
        self._period = array("h")
        self._at = 0
        """Samples that have been made up since the last that was heard; 0 while the voice is there."""

    def heard(self, pcm: bytes) -> bytes:
        """The voice as it is to be heard: as it came, but for the first 5 ms after a loss."""
        if self._at:
            pcm = self._rejoined(pcm)
            self._at = 0
        keep = HISTORY_MS * self._per_ms * 2
        self._history = pcm[-keep:] if len(pcm) >= keep else (self._history + pcm)[-keep:]
        return pcm

    def made_up(self, samples: int) -> bytes:
        """So many samples in the place of lost ones."""
        if not self._at:
            self._period = self._last_period()
        made = self._repeated(samples)
        self._at += samples
        return made.tobytes()

    def _last_period(self) -> "array[int]":
        per_ms = self._per_ms
        heard = array("h", self._history)
        match, longest = MATCH_MS * per_ms, LONGEST_MS * per_ms
        end = self._history[-2 * match :]
        if len(heard) < match + longest or not audioop.rms(end, 2):
            return array("h", [0])

        def likeness(lag: int) -> float:
            """How much what was heard so many samples before the end is like it, whatever its loudness."""
            before = self._history[-2 * (match + lag) : -2 * lag]
            # `findfit` would do all of it at once, but it takes the opposite of a wave for as good as the wave.
            return audioop.findfactor(before, end) / (audioop.rms(before, 2) or 1)

        length = max(range(SHORTEST_MS * per_ms, longest + 1, per_ms // 8), key=likeness)
        period = heard[-length:]
        quarter = length // 4
        for number in range(quarter):
            share = (number + 1) / (quarter + 1)
            at = length - quarter + number
            period[at] = int(period[at] * (1 - share) + heard[-length - quarter + number] * share)
        self._step = heard[-1] - period[-1]
        return period

    _step = 0
    """How far the last sample is from where the repetition begins."""

    def _repeated(self, samples: int) -> "array[int]":
        """The next samples of the repetition, each as loud as its time says."""
        period, length = self._period, len(self._period)
        full, silent = FULL_MS * self._per_ms, SILENT_MS * self._per_ms
        step_ends = STEP_MS * self._per_ms
        made = array("h", bytes(2 * samples))
        for number in range(max(0, min(samples, silent - self._at))):
            at = self._at + number
            value = period[at % length]
            if at < step_ends:
                value += self._step * (step_ends - at) // (step_ends + 1)
            elif at > full:
                value = value * (silent - at) // (silent - full)
            made[number] = max(-32768, min(32767, value))
        return made

    def _rejoined(self, pcm: bytes) -> bytes:
        voice = array("h", pcm)
        both = min(REJOIN_MS * self._per_ms, len(voice))
        for number, made in enumerate(self._repeated(both)):
            share = (number + 1) / (both + 1)
            voice[number] = int(voice[number] * share + made * (1 - share))
        return voice.tobytes()
