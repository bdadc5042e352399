"""The voices of synthetic callers: any text, spoken by espeak-ng as it arrives over a telephone line.

A caller's speech is reproducible to the sample: it depends on the voice's fields and the text, not on what was said
before. espeak-ng carries its pitch flutter, the phase of its waves and its echo from one text to the next, so each text
is spoken by a freshly loaded copy of the library (6 ms), which belongs to the callers alone.
"""

import shutil
import tempfile
import threading
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import espeakng_loader
import numpy as np

from actors.pcm import Pcm, from_mulaw, resample, to_mulaw
from actors.tts.espeak_library import Library, Speech, WordEvent

FULL_SCALE = 32768.0
ACTIVE_ABOVE = 0.05
"""Of the loudest 20 ms: speech is measured where it is above that, as in ITU-T P.56, not in its pauses."""

_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class CallerVoice:
    """One caller: throat, habits and line."""

    name: str = "en-us"
    """As espeak's voices: "en-us", "en-gb+f2"."""
    words_per_minute: int = 165
    pitch: int = 50
    """0 to 99."""
    noise_snr_db: float | None = 30.0
    """How far the line's white noise is below the speech; None for a silent line."""
    level_dbfs: float = -22.0
    """Of the speech, root mean square against full scale, pauses not counted. Lines vary from -35 to -12."""
    mulaw: bool = True
    """Whether the speech passes through G.711 mu-law; only at 8000 Hz."""
    seed: int = 0
    """Of the noise."""

    def say(self, text: str, rate: int = 8000, *, before_ms: int = 0, after_ms: int = 0) -> Pcm:
        """The text as samples at `rate` Hz, with so much of the line's noise before and after it.

        Raises KeyError if espeak has no such voice.
        """
        speech = resample(*_spoken(text, self.name, self.words_per_minute, self.pitch), rate).astype(np.float64)
        level = _active_level(speech, rate)
        if level > 0.0:
            speech *= FULL_SCALE * 10 ** (self.level_dbfs / 20) / level
        else:
            speech = speech[:0]  # espeak says nothing in 7 ms
        silence_before, silence_after = (np.zeros(rate * ms // 1000) for ms in (before_ms, after_ms))
        line = np.concatenate((silence_before, speech, silence_after))
        if self.noise_snr_db is not None:
            noise = np.random.default_rng([self.seed, zlib.crc32(text.encode(errors="replace"))])
            line += noise.normal(0.0, FULL_SCALE * 10 ** ((self.level_dbfs - self.noise_snr_db) / 20), len(line))
        pcm: Pcm = np.clip(np.rint(line), -32768, 32767).astype(np.int16)
        return from_mulaw(to_mulaw(pcm)) if self.mulaw and rate == 8000 else pcm


def _active_level(speech: np.ndarray[tuple[int], np.dtype[np.float64]], rate: int) -> float:
    """Root mean square of the 20 ms blocks that are not pauses."""
    block = rate // 50
    blocks = speech[: len(speech) // block * block].reshape(-1, block)
    if not len(blocks):
        return 0.0
    levels = np.sqrt((blocks**2).mean(axis=1))
    active = levels[levels >= levels.max() * ACTIVE_ABOVE]
    return float(np.sqrt((active**2).mean()))


@cache
def _own_copy() -> tuple[str, tempfile.TemporaryDirectory[str]]:
    """A copy of the library under another path: unloading it never touches one that a TTS engine here may use."""
    folder = tempfile.TemporaryDirectory(prefix="ringmaster-caller-")
    original = Path(espeakng_loader.get_library_path()).resolve()
    return shutil.copy(original, folder.name), folder


def _spoken(text: str, voice: str, words_per_minute: int, pitch: int) -> tuple[Pcm, int]:
    """Samples and their rate."""
    chunks: list[Pcm] = [np.zeros(0, dtype=np.int16)]
    speech = Speech(text, voice, words_per_minute, pitch, volume=100, end_pause=False)

    def keep(pcm: Pcm, words: list[WordEvent]) -> bool:
        chunks.append(pcm)
        return True

    with _one_at_a_time:
        library = Library(_own_copy()[0], espeakng_loader.get_data_path())
        try:
            library.seed(1)
            library.say(speech, keep)
            return np.concatenate(chunks), library.sample_rate
        finally:
            library.close()
