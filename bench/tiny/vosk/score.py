"""How well a Vosk model hears telephone speech: word error over voices that nothing was trained on.

    python -m bench.tiny.vosk.score [--model models/tiny/vosk] [--rate 16000] [--sets digits demo script] [--json]

Each line is spoken by espeak at 8000 Hz with a line's noise and G.711, converted to `--rate` as the engine does, and
given to the real library in frames of 20 ms. Word error is the least number of words put in, left out or changed, by
words said.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import vosk

from actors.pcm import resample
from bench.demo import SCRIPT
from bench.tiny.vosk import sentences
from bench.tiny.vosk.sentences import DIGITS, UNKNOWN, YES_NO, Sentence
from bench.tiny.vosk.strangers import strangers
from bench.voices import CallerVoice

LINE_HZ = 8000
FRAME_S = 0.02
SILENCE_MS = 400
"""Of the line, before and after the words."""
SEED = 2026
STRINGS = 40
SETS = ("digits", "demo", "script", "strangers")


@dataclass(frozen=True, slots=True)
class Heard:
    """One line, and what was made of it."""

    voice: CallerVoice
    said: Sentence
    heard: Sentence

    @property
    def errors(self) -> int:
        return distance(self.said, self.heard)


def voices(random: np.random.Generator) -> Iterator[CallerVoice]:
    """Callers without end, of the two throats that were held out, each on a line of its own."""
    while True:
        yield CallerVoice(
            str(random.choice(("en-us+m3", "en-us+f2", "en-gb+m3", "en-gb+f2"))),
            words_per_minute=int(random.integers(130, 190)),
            pitch=int(random.integers(30, 70)),
            noise_snr_db=float(random.uniform(15.0, 35.0)),
            level_dbfs=float(random.uniform(-32.0, -15.0)),
            seed=int(random.integers(1 << 30)),
        )


def lines(name: str, random: np.random.Generator) -> list[Sentence]:
    """The sentences of one set. Those of `strangers` hold no word that the model knows."""
    match name:
        case "digits":
            known = (*DIGITS, *YES_NO)
            return [tuple(random.choice(known, random.integers(1, 8)).tolist()) for _ in range(STRINGS)]
        case "demo":
            return [tuple(line.text.split()) for line in SCRIPT] * 4
        case "script":
            return [line for line in (sentences.draw(random) for _ in range(2 * STRINGS)) if UNKNOWN not in line]
        case _:
            return [tuple(random.choice(strangers(), random.integers(2, 6)).tolist()) for _ in range(STRINGS)]


def hear(model: Any, said: Sentence, voice: CallerVoice, rate: int, grammar: str | None = None) -> Heard:
    """One line through the library."""
    pcm = voice.say(" ".join(said), LINE_HZ, before_ms=SILENCE_MS, after_ms=SILENCE_MS)
    return Heard(voice, said, recognised(model, resample(pcm, LINE_HZ, rate), rate, grammar))


def recognised(model: Any, pcm: np.ndarray[Any, np.dtype[np.int16]], rate: int, grammar: str | None = None) -> Sentence:
    """Words of one utterance, `[unk]` among them."""
    recogniser = vosk.KaldiRecognizer(model, rate, *(() if grammar is None else (grammar,)))
    frame = int(rate * FRAME_S)
    words: list[str] = []
    for at in range(0, len(pcm), frame):
        if recogniser.AcceptWaveform(pcm[at : at + frame].tobytes()):
            words += json.loads(recogniser.Result())["text"].split()
    return (*words, *json.loads(recogniser.FinalResult())["text"].split())


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Levenshtein's, in words."""
    row = list(range(len(heard) + 1))
    for at, word in enumerate(said, 1):
        before, row[0] = row[0], at
        for other, candidate in enumerate(heard, 1):
            before, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, before + (word != candidate))
    return row[-1]


def score(model: Any, name: str, rate: int) -> list[Heard]:
    """One set, the same lines and voices each time."""
    random = np.random.default_rng([SEED, SETS.index(name)])
    return [hear(model, said, voice, rate) for said, voice in zip(lines(name, random), voices(random), strict=False)]


def word_error(heard: Sequence[Heard]) -> float:
    return sum(line.errors for line in heard) / sum(len(line.said) for line in heard)


def refused(heard: Sequence[Heard]) -> float:
    """The share of what was heard that is `[unk]`."""
    words = [word for line in heard for word in line.heard]
    return words.count(UNKNOWN) / max(len(words), 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.tiny.vosk.score", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, default=Path("models/tiny/vosk"), help="a model's folder")
    parser.add_argument("--rate", type=int, default=16000, help="Hz of the samples that the library is given")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, help="which lines")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--wrong", action="store_true", help="print each line that was heard wrong")
    options = parser.parse_args()
    vosk.SetLogLevel(-1)
    model = vosk.Model(str(options.model))
    figures: dict[str, float] = {}
    for name in options.sets:
        heard = score(model, name, options.rate)
        figures[name] = refused(heard) if name == "strangers" else word_error(heard)
        if options.wrong:
            for line in heard:
                if line.errors and name != "strangers":
                    print(f"{line.voice.name:9} {' '.join(line.said)} -> {' '.join(line.heard)}")
        if not options.json:
            what = "of the words refused as unknown" if name == "strangers" else "word error"
            print(f"{name:10} {figures[name]:6.1%} {what}, {len(heard)} lines")
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
