"""How well a recogniser hears: `python -m bench.hearing`, in two minutes, prints a table.

Every voice is a caller with a telephone line, and one stream of the engine. It says sentences of a front desk's
grammar, some with an "um" before or after, and sentences that have nothing to do with it, each at another distance from
the line's noise. The speech goes through mu-law at 8 kHz and arrives in frames of 20 ms.

    right      sentences of the grammar that are heard word for word
    wrong      those that are taken for another sentence: "on thursday" for "on Sunday"
    rejected   those that are not understood
    hesitant   heard word for word with "um" before or after
    foreign    sentences that are not in the grammar and yet are taken for one that is
    cpu        seconds of computing for a second of speech
    answer     milliseconds from the end of the speech to its text, on average and at most
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec import structs

from actors.pcm import resample
from actors.stt.engine import Hints, SttEngine
from actors.stt.engines import load
from bench.hearing_trial import FOREIGN, GRAMMAR, HESITANT, UNDERSTOOD
from bench.voices import CallerVoice
from config.load import SHIPPED
from config.load import load as config_load

VOICES = (
    CallerVoice("en-us", 165, 50),
    CallerVoice("en-us", 190, 35),
    CallerVoice("en-us+f2", 160, 60),
    CallerVoice("en-us+m3", 175, 45),
    CallerVoice("en-gb", 160, 50),
    CallerVoice("en-gb+m3", 150, 40),
)
NOISE_DB = (15.0, 20.0, 25.0, 30.0)
LINE_RATE = 8000
FRAMES_PER_SECOND = 50
PAUSE_BEFORE_MS, PAUSE_AFTER_MS = 200, 300
"""What a voice activity detector leaves of the silence around a sentence."""


@dataclass
class Score:
    """Of one caller, or of several added up."""

    outcomes: Counter[str] = field(default_factory=Counter)
    speech_seconds: float = 0.0
    cpu_seconds: float = 0.0
    answer_seconds: list[float] = field(default_factory=list)

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.outcomes + other.outcomes,
            self.speech_seconds + other.speech_seconds,
            self.cpu_seconds + other.cpu_seconds,
            self.answer_seconds + other.answer_seconds,
        )

    def row(self, name: str) -> str:
        sentences = sum(self.outcomes[kind] for kind in ("right", "wrong", "rejected"))
        percent = [100.0 * self.outcomes[kind] / max(1, sentences) for kind in ("right", "wrong", "rejected")]
        for kind in ("hesitant", "foreign"):
            percent.append(100.0 * self.outcomes[kind] / max(1, self.outcomes[f"{kind} said"]))
        answers = [1000.0 * seconds for seconds in self.answer_seconds]
        return (
            f"{name:24}"
            + "".join(f"{value:9.1f}%" for value in percent)
            + f"{self.cpu_seconds / self.speech_seconds:8.3f}"
            + f"{sum(answers) / len(answers):9.1f} {max(answers):6.1f}"
        )


HEADER = f"{'caller':24}" + "".join(f"{kind:>10}" for kind in ("right", "wrong", "rejected", "hesitant", "foreign"))
HEADER += f"{'cpu':>8}{'answer':>9}"


def said() -> Iterator[tuple[str, str, str]]:
    """Kind of sentence, what the caller says, what should be understood."""
    yield from (("understood", sentence, sentence) for sentence in UNDERSTOOD)
    yield from (("hesitant", spoken, sentence) for spoken, sentence in HESITANT.items())
    yield from (("foreign", spoken, "") for spoken in FOREIGN)


def call(
    engine: SttEngine,
    voice: CallerVoice,
    sentences: int,
    seed: int,
    noise_db: tuple[float, ...],
    *,
    strict: bool = False,
) -> Score:
    """One caller says so many sentences, in an order that the seed decides. `strict`: only the grammar is heard."""
    chance = random.Random(f"{seed} {voice}")
    stream = engine.open(Hints(voice.name.partition("+")[0], GRAMMAR, strict))
    score = Score()
    for kind, spoken, wanted in chance.sample(list(said()), sentences):
        line = CallerVoice(
            voice.name, voice.words_per_minute, voice.pitch, chance.choice(noise_db), seed=chance.getrandbits(32)
        )
        speech = line.say(spoken, LINE_RATE, before_ms=PAUSE_BEFORE_MS, after_ms=PAUSE_AFTER_MS)
        speech = resample(speech, LINE_RATE, engine.sample_rate)
        began = time.process_time()
        frame = engine.sample_rate // FRAMES_PER_SECOND
        for at in range(0, len(speech), frame):
            stream.feed(speech[at : at + frame])
        ended = time.process_time()
        text = stream.finish().text
        score.answer_seconds.append(time.process_time() - ended)
        score.cpu_seconds += time.process_time() - began
        score.speech_seconds += len(speech) / engine.sample_rate
        score.outcomes.update(_outcome(kind, text, wanted))
    stream.close()
    return score


def _outcome(kind: str, text: str, wanted: str) -> Iterator[str]:
    text, wanted = text.lower(), wanted.lower()  # dictation writes small letters only
    if kind == "understood":
        yield "right" if text == wanted else "wrong" if text else "rejected"
        return
    yield f"{kind} said"
    if (kind == "hesitant" and text == wanted) or (kind == "foreign" and text):
        yield kind


def main(arguments: list[str]) -> None:
    everything = len(list(said()))
    parser = argparse.ArgumentParser(prog="python -m bench.hearing", description="How well a recogniser hears.")
    parser.add_argument("--engine", default="pocketsphinx")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the engine")
    parser.add_argument("--strict", action="store_true", help="nothing but the grammar is heard, also in dictation")
    parser.add_argument("--sentences", type=int, default=everything, help=f"of each caller, up to {everything}")
    parser.add_argument("--noise", type=float, action="append", metavar="DB", help="noise below the speech")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    config = config_load(SHIPPED)
    own = getattr(config.settings.engines, options.engine)
    # As the settings' types want it: a number, or a text such as the model's folder.
    settings = {
        name: type(getattr(own, name))(value) for name, _, value in (each.partition("=") for each in options.set)
    }
    own = structs.replace(own, **settings)
    engines = structs.replace(config.settings.engines, **{options.engine: own})
    config = structs.replace(config, settings=structs.replace(config.settings, engines=engines))
    engine = load(options.engine, config)
    noise_db = tuple(options.noise or NOISE_DB)
    total = Score()
    print(HEADER)
    for voice in VOICES:
        score = call(engine, voice, min(options.sentences, everything), options.seed, noise_db, strict=options.strict)
        total += score
        print(score.row(f"{voice.name} {voice.words_per_minute} {voice.pitch}"), flush=True)
    print(total.row("all"))


if __name__ == "__main__":
    main(sys.argv[1:])
