"""How loud a call's line is, as the recogniser must know it before it knows the call.

The model hears speech less its mean cepstra. The first of those is the loudness, 1.004 of it a decibel; the others do
not change with it. A call's mean is known once something was understood; until then it is a telephone's, at the level
that is heard. Sentences heard right of 70 at 25 dB over noise:

    level in dBFS          -40   -34   -28   -22   -16   -12   -8
    taken to be -22         40    52    62    63    64    62   62
    taken to be as it is    64    64    64    63    64    63   64
"""

import numpy as np
from numpy.typing import NDArray

TYPICAL_DBFS = -26.0
"""Of speech on a telephone line. Too quiet a guess costs less than too loud a one."""
MEAN_AT_ZERO_DBFS = (75.5, -5.7, 2.7, -3.2, -3.2, -5.8, -5.4, -0.7, -0.2, -2.0, 1.5, -0.6, 1.1)
"""Mean cepstra of the telephone's 19 bands, over speech and the pauses in it."""
CEPSTRUM_PER_DB = 1.004
"""The root of 19 bands, times ln(10) / 10."""
LOUDEST_ABOVE_SPEECH_DB = 7.0
"""The loudest 20 ms of a sentence, above the sentence: 5 to 9 in 360 sentences of 9 voices."""
QUIETEST_DBFS, LOUDEST_DBFS = -42.0, -8.0
NOT_WORTH_DB = 5.0
"""What a guess may be wrong."""


class Line:
    """The level of one call, block by block."""

    def __init__(self) -> None:
        self._assumed = TYPICAL_DBFS
        self._loudest = 0.0

    def listen(self, block: NDArray[np.int16]) -> None:
        """Takes 20 ms of samples."""
        self._loudest = max(self._loudest, float(np.sqrt((block.astype(np.float64) ** 2).mean())))

    def adopt(self) -> bool:
        """Takes the level heard so far for the line's, if that makes a difference; returns whether it does."""
        heard = 20.0 * np.log10(max(self._loudest, 1.0) / 32768.0) - LOUDEST_ABOVE_SPEECH_DB
        heard = min(max(heard, QUIETEST_DBFS), LOUDEST_DBFS)
        if abs(heard - self._assumed) < NOT_WORTH_DB:
            return False
        self._assumed = heard
        return True

    @property
    def mean(self) -> str:
        """The mean cepstra to begin with, as the decoder takes them."""
        loudness, *others = MEAN_AT_ZERO_DBFS
        return ",".join(f"{value:.3f}" for value in (loudness + CEPSTRUM_PER_DB * self._assumed, *others))
