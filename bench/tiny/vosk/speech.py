"""What espeak-ng says, with the instant at which each word and each phoneme begins: speech that labels itself.

The library tells its phonemes only when it is initialised with that option (`espeakINITIALIZE_PHONEME_EVENTS` in
https://github.com/espeak-ng/espeak-ng, `speak_lib.h`), and a phoneme in the mnemonics of its own files: "@2", "'aI".
"""

import ctypes
import itertools
import os
from dataclasses import dataclass

import espeakng_loader
import numpy as np

from actors.tts import espeak_library
from actors.tts.espeak_library import PITCH, RATE, VOLUME, Library, Pcm

PHONEME_EVENTS = 1
EVENT_WORD, EVENT_PHONEME = 1, 7


@dataclass(frozen=True, slots=True)
class Sound:
    """One phoneme."""

    mnemonic: str
    """Of espeak, stress included."""
    start: int
    """First sample."""
    word: int
    """Which of the text's words it belongs to, from 0."""


@dataclass(frozen=True, slots=True)
class Said:
    """One text, spoken."""

    pcm: Pcm
    rate: int
    sounds: tuple[Sound, ...]
    """In order. A pause is a sound too ("_:")."""
    apart: bool
    """Whether every word has its own: the library runs some together ("in the") and tells only the first."""


class Speaker(Library):
    """A loaded library that tells its phonemes."""

    def __init__(self) -> None:
        super().__init__(espeakng_loader.get_library_path(), espeakng_loader.get_data_path())
        flags = espeak_library.DO_NOT_EXIT | PHONEME_EVENTS
        data = os.fsencode(espeakng_loader.get_data_path())
        self._library.espeak_Initialize(espeak_library.SYNCHRONOUS, espeak_library.CHUNK_MS, data, flags)

    def speak(self, words: tuple[str, ...], voice: str, words_per_minute: int, pitch: int) -> Said:
        """The words. Raises KeyError when there is no such voice."""
        self._choose(voice)
        self.seed(1)
        for parameter, value in ((RATE, words_per_minute), (PITCH, pitch), (VOLUME, 100)):
            self._library.espeak_SetParameter(parameter, value, 0)
        chunks: list[Pcm] = [np.zeros(0, dtype=np.int16)]
        heard: list[tuple[int, int, int, str]] = []

        def take(
            samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[ctypes.Structure]"
        ) -> int:
            if samples and count:
                chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
            for index in itertools.count():
                event = events[index]
                if event.type == espeak_library.EVENT_NONE:
                    return 0
                heard.append((event.type, event.sample, event.text_position - 1, event.id.decode(errors="replace")))
            return 0

        callback = espeak_library._Callback(take)
        self._library.espeak_SetSynthCallback(callback)
        text = " ".join(words).encode()
        flags = espeak_library.UTF8
        self._library.espeak_Synth(text, len(text) + 1, 0, espeak_library.POSITION_IN_CHARACTERS, 0, flags, None, None)
        return _labelled(words, np.concatenate(chunks), self.sample_rate, heard)


def _labelled(words: tuple[str, ...], pcm: Pcm, rate: int, heard: list[tuple[int, int, int, str]]) -> Said:
    starts = list(itertools.accumulate((len(word) + 1 for word in words), initial=0))[:-1]
    sounds = []
    at = -1
    for kind, sample, position, mnemonic in heard:
        if kind == EVENT_WORD:
            at = max((index for index, start in enumerate(starts) if start <= position), default=0)
        elif kind == EVENT_PHONEME:
            sounds.append(Sound(mnemonic, sample, max(at, 0)))
    told = {sound.word for sound in sounds if not sound.mnemonic.startswith("_")}
    return Said(pcm, rate, tuple(sounds), told == set(range(len(words))))
