"""The engine `espeak`: formant synthesis by espeak-ng.

It sounds like a robot and every word can be understood; it needs no download, and a clause's first samples are there
within 1 ms.

espeak-ng is GPL-3.0: import this module in the TTS actor's own process only.
"""

import re
from typing import Self

import espeakng_loader
import numpy as np

from actors.tts.engine import Pcm, Sink, UnusableVoice, Voice, Word
from actors.tts.espeak_library import Library, Speech, WordEvent
from config.load import Config

SILENT_BELOW = 32
"""Of 32768, -60 dB: espeak begins with 12 ms below it, with 49 ms before a "p"."""
LEAD_MS = 3
"""What of that silence stays, so that speech does not begin with a click."""
PAUSING = ".,;:!?…"
AFTER_APOSTROPHE = re.compile(r"(['’]\w+)+")
CLOSING = "\"'”’»)]} \t\r\n"
"""May stand between the last word's punctuation and the end of the clause."""


class Espeak:
    """Voices are a language, "en-us", or a language and a speaker, "en-gb+f2" (f1 to f5, m1 to m8, and others).

    A clause that ends in punctuation ends in a pause, as espeak makes it; at 165 words a minute 165 ms after a comma,
    250 after a semicolon, colon or ellipsis, 330 after a full stop or question mark, 375 after an exclamation mark.
    Without punctuation it ends 7 ms after the last sound: the caller may be given a sentence in pieces.
    """

    name = "espeak"

    def __init__(self, *, voice: str = "en-us", volume: float = 100) -> None:
        """`voice` is the default voice; `volume` is 0 to 200, in percent.

        Raises OSError when the library does not load, UnusableVoice when it has no such voice.
        """
        self._library = Library(espeakng_loader.get_library_path(), espeakng_loader.get_data_path())
        self._default_voice = voice
        self._volume = round(volume)
        self.sample_rate = self._library.sample_rate
        self.synthesize("ready", Voice(), lambda pcm: True)

    @classmethod
    def of(cls, config: Config) -> Self:
        """It has no settings."""
        return cls()

    def synthesize(self, text: str, voice: Voice, sink: Sink) -> tuple[Word, ...]:
        """As in the protocol: 60 ms a chunk, words exact to the sample."""
        lead = self.sample_rate * LEAD_MS // 1000
        clause = _Clause(text, sink, lead)
        open_ended = text.rstrip(CLOSING)
        pausing = open_ended.endswith(tuple(PAUSING))
        speech = Speech(
            text=open_ended if pausing else text,  # a quotation mark after a full stop would double the pause
            voice=voice.name or self._default_voice,
            words_per_minute=voice.words_per_minute,
            pitch=voice.pitch,
            volume=self._volume,
            end_pause=pausing,
        )
        try:
            self._library.say(speech, clause.take)
        except KeyError:
            raise UnusableVoice(self._no_such(speech.voice)) from None
        return clause.words()

    def _no_such(self, voice: str) -> str:
        languages = ", ".join(sorted(self._library.voices))
        variants = ", ".join(self._library.variants)
        return f'espeak has no voice "{voice}". It has {languages}; each alone or with "+" and one of {variants}'


class _Clause:
    """One clause on its way to the sink: without the silence at its start, its words counted from there."""

    def __init__(self, text: str, sink: Sink, lead: int) -> None:
        self._text = text
        self._sink = sink
        self._lead = lead
        self._quiet = np.zeros(0, dtype=np.int16)
        self._cut: int | None = None
        self._given = 0
        self._events: list[WordEvent] = []

    def take(self, pcm: Pcm, events: list[WordEvent]) -> bool:
        self._events += events
        if self._cut is None:
            self._quiet = np.concatenate((self._quiet, pcm))
            loud = np.flatnonzero(np.abs(self._quiet.astype(np.int32)) >= SILENT_BELOW)
            if not len(loud):
                return True
            self._cut = max(0, int(loud[0]) - self._lead)
            pcm = self._quiet[self._cut :]
        if not len(pcm):
            return True
        if not self._sink(pcm):
            return False
        self._given += len(pcm)
        return True

    def words(self) -> tuple[Word, ...]:
        """Those that the sink has taken the beginning of.

        espeak reports "42" as two words, "42" and "2": of those that overlap the first stands for all. It reports an
        emoji of two words as the emoji and the space behind it: that one is left out. Of "don't" it reports "don".
        """
        words: list[Word] = []
        free_from = 0
        for start, length, sample in self._events:
            sample = max(0, sample - (self._cut or 0))
            end = min(start + length, len(self._text))
            if start < free_from or not self._text[start:end].strip() or sample >= self._given:
                continue
            if rest := AFTER_APOSTROPHE.match(self._text, end):
                end = rest.end()
            words.append(Word(start, end - start, sample))
            free_from = end
        return tuple(words)
