"""What the model is trained on: sentences in espeak's voices as they come over telephone lines, and when each sound is.

Two throats are kept out of it altogether, `m3` and `f2`: they measure what was learnt.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.pcm import Pcm, from_mulaw, resample, to_mulaw
from bench.tiny.vosk import features, phones
from bench.tiny.vosk.features import RATE, SHIFT, WINDOW
from bench.tiny.vosk.network import SUBSAMPLING
from bench.tiny.vosk.sentences import UNKNOWN, draw, words
from bench.tiny.vosk.speech import Said, Speaker
from bench.tiny.vosk.strangers import strangers

HELD_OUT = ("m3", "f2")
ACCENTS = {"en-us": 0.6, "en-gb": 0.2, "en-gb-x-rp": 0.1, "en-us-nyc": 0.1}
THROATS = (
    *("m1", "m2", "m4", "m5", "m6", "m7", "m8", "f1", "f3", "f4", "f5", ""),
    *(
        "Alex",
        "Andy",
        "Annie",
        "Denis",
        "Gene",
        "Jacky",
        "Lee",
        "Mario",
        "Michael",
        "Mike",
        "boris",
        "david",
        "ed",
        "john",
    ),
    *("linda", "max", "paul", "quincy", "rob", "shelby", "steph", "travis", "victor", "zac"),
)
"""espeak's variants; "" is the language's own voice. Half of the speech is of the first row."""
USUAL = 12

FULL_SCALE = 32768.0
WORDS_PER_MINUTE = (120, 215)
PITCH = (20, 80)
SNR_DB = (12.0, 45.0)
LEVEL_DBFS = (-38.0, -12.0)
PAUSE_S = (0.1, 0.8)
"""Line noise before and after the speech."""
BAND_HZ = (300.0, 3400.0)
"""Of an old line, for a third of the speech; the others are as wide as G.711 allows."""

Labels = NDArray[np.int32]
"""A pdf for each result of the network, one every 30 ms."""


@dataclass(frozen=True, slots=True)
class Example:
    """One utterance."""

    frames: features.Frames
    labels: Labels
    """Result k belongs to frame 3 k."""
    words: tuple[str, ...]
    """`[unk]` for those that the model does not know."""
    sounds: tuple[tuple[str, ...], ...] | None
    """Of each word; None where it is not known which are whose."""


def examples(count: int, seed: int) -> list[Example]:
    """So many utterances of chance, the same for the same seed."""
    random = np.random.default_rng(seed)
    speaker = Speaker()
    made: list[Example] = []
    while len(made) < count:
        spoken, known = _sentence(random)
        accent = random.choice(list(ACCENTS), p=list(ACCENTS.values()))
        throat = random.choice(THROATS[:USUAL] if random.random() < 0.5 else THROATS)
        speed, pitch = int(random.integers(*WORDS_PER_MINUTE)), int(random.integers(*PITCH))
        said = speaker.speak(spoken, accent + (f"+{throat}" if throat else ""), speed, pitch)
        if len(said.pcm):
            made.append(_example(said, known, random))
    speaker.close()
    return made


def _sentence(random: np.random.Generator) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words as they are spoken, and as the model knows them."""
    kind = random.random()
    if kind < 0.5:
        known = draw(random)
    elif kind < 0.85:
        known = tuple(random.choice(words(), random.integers(1, 6)).tolist())
    else:
        known = (UNKNOWN,) * int(random.integers(1, 6))
    spoken = tuple(str(random.choice(strangers())) if word == UNKNOWN else word for word in known)
    return spoken, known


def _example(said: Said, known: tuple[str, ...], random: np.random.Generator) -> Example:
    speech = resample(said.pcm, said.rate, RATE).astype(np.float64)
    before, after = (int(RATE * random.uniform(*PAUSE_S)) for _ in range(2))
    line = _line(speech, before, after, random)
    frames = features.mfcc(line)
    starts = [
        (sound.start * RATE / said.rate + before, *_pdfs(sound.mnemonic, known[sound.word])) for sound in said.sounds
    ]
    sounds: list[list[str]] = [[] for _ in known]
    for sound in said.sounds:
        if (name := phones.sound(sound.mnemonic) if known[sound.word] != UNKNOWN else None) is not None:
            sounds[sound.word].append(name)
    count = (len(frames) + SUBSAMPLING - 1) // SUBSAMPLING
    return Example(frames, label(starts, count), known, tuple(map(tuple, sounds)) if said.apart else None)


def _pdfs(mnemonic: str, word: str) -> tuple[int, int]:
    if mnemonic.startswith("_"):
        return phones.pdfs(phones.SILENCE)
    if word == UNKNOWN:
        return phones.pdfs(phones.GARBAGE)
    name = phones.sound(mnemonic)
    assert name is not None
    return phones.pdfs(name)


def label(starts: list[tuple[float, int, int]], count: int) -> Labels:
    """Which pdf each of `count` results should be. `starts`: first sample of each sound, and its pdfs.

    A sound that is too short to have a result of its own gets the next one: the graph knows no sound without.
    """
    labels = np.full(count, phones.SILENCE_PDF, dtype=np.int32)
    at = -1
    firsts = []
    for sample, _, _ in starts:
        centre = (sample - WINDOW / 2) / (SHIFT * SUBSAMPLING)
        at = max(at + 1, int(np.ceil(centre)), 0)
        firsts.append(at)
    for (_, first, later), begin, end in zip(starts, firsts, [*firsts[1:], count], strict=True):
        labels[begin:end] = later
        labels[begin : min(begin + 1, end)] = first
    return labels


def _line(speech: NDArray[np.float64], before: int, after: int, random: np.random.Generator) -> Pcm:
    """The speech with pauses, on a line of its own: band, level, noise, G.711."""
    if random.random() < 1 / 3:
        spectrum = np.fft.rfft(speech)
        hertz = np.fft.rfftfreq(len(speech), 1 / RATE)
        slope = 1.0 / (1.0 + (BAND_HZ[0] / np.maximum(hertz, 1.0)) ** 6) / (1.0 + (hertz / BAND_HZ[1]) ** 16)
        speech = np.fft.irfft(spectrum * slope, len(speech))
    loud = speech[np.abs(speech) > np.abs(speech).max() * 0.02]
    level = float(np.sqrt((loud**2).mean())) if len(loud) else 1.0
    wanted = FULL_SCALE * 10 ** (random.uniform(*LEVEL_DBFS) / 20)
    line = np.concatenate((np.zeros(before), speech * (wanted / level), np.zeros(after)))
    if random.random() < 0.9:
        noise = random.normal(0.0, 1.0, len(line) + 1)
        if random.random() < 0.4:  # as much of it low as a room's noise has
            noise = np.convolve(noise, np.exp(-np.arange(12) / random.uniform(1.0, 4.0)), "same")
        noise = noise[: len(line)] / noise.std()
        line += noise * wanted * 10 ** (-random.uniform(*SNR_DB) / 20)
    pcm: Pcm = np.clip(np.rint(line), -32768, 32767).astype(np.int16)
    return from_mulaw(to_mulaw(pcm)) if random.random() < 0.8 else pcm
