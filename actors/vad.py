"""Is this 20 ms speech? WebRTC's detector, held to a level that stands out from the line's own noise.

WebRTC's detector alone takes many steady noises for speech; a level alone takes a slammed door for it. Both must agree.
"""

import math
import warnings

import webrtcvad

from config.schema import Vad as VadSettings

with warnings.catch_warnings():
    # In the standard library up to Python 3.12; from 3.13 on the package audioop-lts has it under the same name.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

SILENCE_DBFS = -96.0
"""Level of digital silence: one bit of sixteen."""

_FLOOR_FALLS = 0.2
"""Share of the way that the noise floor moves down to a quieter frame."""
_FLOOR_RISES_DB = 0.03
"""How much the floor rises per louder frame that is not speech: 1.5 dB a second, so that a pause in talk keeps it."""
_FLOOR_WINDOW = 100
"""The floor is no lower than the quietest of so many frames. In 2 s whoever speaks takes a breath or says a "t"; a fan
does not, and WebRTC's detector takes a loud one for speech as long as it runs."""
_QUIETEST_FLOOR = -70.0
"""The floor does not follow digital silence, or the first breath after it would pass for speech."""


def level_dbfs(pcm: bytes) -> float:
    """Root mean square of 16-bit samples in dB of full scale, from -96 (silence) to 0."""
    rms = audioop.rms(pcm, 2)
    return 20.0 * math.log10(rms / 32768.0) if rms else SILENCE_DBFS


class VoiceDetector:
    """One call's detector. Rates: 8000 or 16000 Hz."""

    def __init__(self, rate: int, settings: VadSettings) -> None:
        self._rate = rate
        self._settings = settings
        self._detector = webrtcvad.Vad(settings.aggressiveness)
        self.floor = settings.floor_dbfs
        """The line's noise, in dBFS."""
        self._window = 0
        self._quietest = 0.0

    def hear(self, pcm: bytes) -> tuple[float, bool]:
        """Level in dBFS of the next 20 ms, and whether they are speech."""
        level = level_dbfs(pcm)
        settings = self._settings
        speech = (
            level > settings.floor_dbfs
            and level > self.floor + settings.margin_db
            and self._detector.is_speech(pcm, self._rate)
        )
        if level < self.floor:
            self.floor = max(self.floor + (level - self.floor) * _FLOOR_FALLS, _QUIETEST_FLOOR)
        elif not speech:
            self.floor += _FLOOR_RISES_DB
        # A noise that never pauses is none of the caller's, whatever the detector says.
        self._window += 1
        if level < self._quietest:
            self._quietest = level
        if self._window == _FLOOR_WINDOW:
            self.floor = max(self.floor, self._quietest)
            self._window, self._quietest = 0, 0.0
        return level, speech
