"""What the tiny voice learns from: English sentences spoken by espeak-ng, with each of Piper's phonemes in its place.

The phonemes are those that Piper's own phonemizer gives, for they are what the voice is asked with. Where they lie is
told by espeak's events, as the sentence is spoken: two sequences that differ in little but spaces and punctuation.

espeak-ng and piper-tts are GPL-3.0, and what this makes is data: nothing of theirs is in it.
"""

import ctypes
import difflib
import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import espeakng_loader
import numpy as np
import pocketsphinx
from numpy.typing import NDArray
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from piper.phonemize_espeak import EspeakPhonemizer

from actors.pcm import resample

VOICE = "en-us"
CHUNK_MS = 60
SYNCHRONOUS, PHONEME_EVENTS, IPA = 2, 1, 2
DO_NOT_EXIT, UTF8, END_PAUSE = 0x8000, 1, 0x1000
EVENT_NONE, EVENT_PHONEME = 0, 7

SILENT_IDS = "_^$ˈˌ"
"""Padding, beginning, end and stress marks: they say how others sound, and take no time."""
LENGTH_MARK = "ː"
LENGTH_SHARE = 0.4
"""Of a long vowel's time, which the mark behind it takes."""

FRAMES = """
Hello, this is the {w} of {w}. How can I help you?
We are open from {n} to {n}, and closed on {d}.
Can I have your {w} and your {w}, please?
Thank you for calling. Goodbye.
I am sorry, I did not understand. Could you say that again?
You would like to come on {d} at {n}, is that right?
One moment please, I am looking for {w} {w}.
The {w} costs {n} {n} dollars, or {n} with {w}.
Your number is {n} {n} {n}, {n} {n} {n} {n}.
Shall I put you through to {w}?
Yes, of course! That is {w}, and it takes {n} minutes.
No, there is no {w} on {d}; but there is one on {d}.
{w} {w} {w}.
{w} {w} {w}, {w} {w}?
"""
NUMBERS = tuple(
    "zero one two three four five six seven eight nine ten eleven twelve thirty forty fifty".split()  # noqa: SIM905
)
DAYS = tuple("Monday Tuesday Wednesday Thursday Friday Saturday Sunday tomorrow today".split())  # noqa: SIM905


@dataclass(frozen=True)
class Utterance:
    """One sentence."""

    ids: NDArray[np.int64]
    """[N]: Piper's phoneme ids, with their padding."""
    frames: NDArray[np.int64]
    """[N]: how long each lasts, in frames."""
    pcm: NDArray[np.float32]
    """[T] at the rate that was asked for, within +-1: as long as all frames."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Speaker:
    """espeak-ng, asked for the phonemes that it speaks and their first samples."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        options = PHONEME_EVENTS | IPA | DO_NOT_EXIT
        data = espeakng_loader.get_data_path().encode()
        self.rate: int = self._library.espeak_Initialize(SYNCHRONOUS, CHUNK_MS, data, options)
        self._library.espeak_SetVoiceByName(VOICE.encode())

    def say(self, text: str) -> tuple[NDArray[np.float32], list[tuple[str, int]]]:
        """The samples, within +-1, and each phoneme's IPA ("" for a pause) with its first sample."""
        chunks: list[NDArray[np.float32]] = []
        events: list[tuple[str, int]] = []

        def take(samples: "ctypes._Pointer[ctypes.c_short]", count: int, found: "ctypes._Pointer[_Event]") -> int:
            if samples and count:
                chunks.append((np.ctypeslib.as_array(samples, (count,)) / 32768).astype(np.float32))
            at = 0
            while found[at].type != EVENT_NONE:
                if found[at].type == EVENT_PHONEME:
                    events.append((found[at].id.decode(errors="replace"), found[at].sample))
                at += 1
            return 0

        callback = _Callback(take)
        self._library.espeak_SetSynthCallback(callback)
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, UTF8 | END_PAUSE, None, None)
        return np.concatenate(chunks), events


@cache
def _vocabulary() -> tuple[str, ...]:
    """The words of pocketsphinx's English dictionary that are words and not letters."""
    file = Path(pocketsphinx.get_model_path(), "en-us", "cmudict-en-us.dict")
    words = (line.split()[0] for line in file.read_text().splitlines())
    return tuple(word for word in words if word.isalpha() and 3 <= len(word) <= 9)


def sentences(count: int, seed: int) -> Iterator[str]:
    """Sentences of a front desk with any words in them: every phoneme beside every other that English has."""
    drawn = random.Random(seed)
    words = _vocabulary()
    frames = FRAMES.strip().splitlines()
    for number in range(count):
        text = frames[number % len(frames)]
        while (at := text.find("{")) >= 0:
            source = {"w": words, "n": NUMBERS, "d": DAYS}[text[at + 1]]
            text = text[:at] + drawn.choice(source) + text[at + 3 :]
        yield text[0].upper() + text[1:]


def utterances(count: int, seed: int, rate: int, frame: int) -> Iterator[Utterance]:
    """`frame`: samples of one at `rate` Hz. Sentences whose two readings do not agree are left out."""
    speaker, phonemizer = Speaker(), EspeakPhonemizer()
    for text in sentences(count, seed):
        for part in _single_sentences(text):
            phonemes = [symbol for sentence in phonemizer.phonemize(VOICE, part) for symbol in sentence]
            spoken, events = speaker.say(part)
            starts = _starts(phonemes, events, len(spoken))
            if starts is None:
                continue
            pcm = (resample((spoken * 32767).astype(np.int16), speaker.rate, rate) / 32768).astype(np.float32)
            yield _framed(phonemes, starts, pcm, rate / speaker.rate, frame)


def _single_sentences(text: str) -> list[str]:
    parts = text.replace("? ", "?|").replace(". ", ".|").replace("! ", "!|").split("|")
    return [part for part in parts if part]


def _framed(phonemes: list[str], starts: list[float], pcm: NDArray[np.float32], scale: float, frame: int) -> Utterance:
    """Ids with padding, as Piper is given them, and whole frames."""
    edges = np.round(np.array([*starts, len(pcm) / scale]) * scale / frame).astype(np.int64)
    table = DEFAULT_PHONEME_ID_MAP
    ids, frames = [*table["^"], *table["_"]], [0, 0]
    for symbol, length in zip(phonemes, np.diff(edges), strict=True):
        if symbol in table:
            ids += [*table[symbol], *table["_"]]
            frames += [int(length), 0]
    ids += table["$"]
    frames.append(0)
    total = sum(frames)
    first = int(edges[0]) * frame
    wanted = pcm[first : first + total * frame]
    wanted = np.pad(wanted, (0, total * frame - len(wanted)))
    return Utterance(np.array(ids), np.array(frames), wanted)


def _starts(phonemes: list[str], events: list[tuple[str, int]], samples: int) -> list[float] | None:
    """Where each of Piper's phonemes begins, in espeak's samples; None where the two readings differ in a sound."""
    heard: list[str] = []
    at: list[float] = []
    for number, (name, start) in enumerate(events):
        end = events[number + 1][1] if number + 1 < len(events) else samples
        symbols = list(unicodedata.normalize("NFD", name)) or [" "]
        weights = [
            0.0 if symbol in SILENT_IDS else LENGTH_SHARE if symbol == LENGTH_MARK else 1.0 for symbol in symbols
        ]
        shares = np.concatenate(([0.0], np.cumsum(weights) / max(sum(weights), 1e-9)))
        heard += symbols
        at += [start + (end - start) * share for share in shares[:-1]]
    at.append(samples)
    wanted = [symbol if symbol.isalpha() or symbol in SILENT_IDS + LENGTH_MARK else " " for symbol in phonemes]
    places: list[float | None] = [None] * len(phonemes)
    for left, right, size in difflib.SequenceMatcher(None, wanted, heard, autojunk=False).get_matching_blocks():
        for offset in range(size):
            places[left + offset] = at[right + offset]
    if any(place is None and symbol != " " and symbol != "ʲ" for place, symbol in zip(places, wanted, strict=True)):
        return None
    # What espeak did not tell of (a space without a pause) takes no time: it begins where the next one does.
    following = float(at[-1])
    starts: list[float] = []
    for place in reversed(places):
        following = following if place is None else min(place, following)
        starts.append(following)
    return starts[::-1]
