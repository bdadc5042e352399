"""What the callers say: sentences that the operator's own agent expects, spoken once and kept as frames for the wire.

An agent with a script is asked what its script answers at once. For one that follows a language model any question will
do. An operator who knows better names sentences with `--say`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from actors.pcm import Pcm
from bench.load.frames import HEADER, LONGEST_LINE, PAYLOAD
from bench.voices import CallerVoice
from config.agent import Agent
from config.phrases import expand, parse_phrases, slots

MOST = 6
"""Different sentences. A synthesiser keeps the clauses of its last answers: with one sentence it would never work."""
LOOKED_AT = 64
"""Ways to say one phrase, of which the longest is taken."""
MOST_WORDS = 8
WORDS_PER_MINUTE, PITCH = 150, 45
"""Of the voice in which the demo's sentences are understood."""
SEED = 7

GENERAL = ("what are your opening hours", "where are you", "how much is it", "can you help me with my order")
"""For an agent without a script."""

FRAME_SAMPLES = PAYLOAD // 2
QUIET_RMS = 104.0
"""-50 dBFS: what is below it at the end of a sentence is no speech, and its time would be taken for the agent's."""


class Unspeakable(Exception):
    """A sentence cannot be used. The text says why."""


def expected(agent: Agent) -> tuple[str, ...]:
    """Sentences that the agent answers without opening a form, and without doing anything else."""
    if agent.script is None:
        return GENERAL
    found = []
    for intent in agent.script.intents.values():
        if intent.during or intent.tool or intent.repeat or not intent.reply:
            continue
        if sentence := next(_sentences(intent.heard), ""):
            found.append(sentence)
    return tuple(found[:MOST]) or GENERAL


def _sentences(phrases: str) -> Iterator[str]:
    """Of each phrase the longest way to say it that is not too long."""
    for phrase in parse_phrases(phrases):
        if slots(phrase):
            continue
        ways = [way for way in islice(expand(phrase), LOOKED_AT) if 0 < len(way) <= MOST_WORDS]
        if ways:
            longest: tuple[str, ...] = max(ways, key=len)
            yield " ".join(longest)


def spoken(sentences: Sequence[str], language: str) -> tuple[bytes, ...]:
    """Each as AudioSocket frames, one after the other, ending with its last audible one. Raises `Unspeakable`."""
    voice = CallerVoice(f"{language}+m3", words_per_minute=WORDS_PER_MINUTE, pitch=PITCH, seed=SEED)
    return tuple(_wire(sentence, voice) for sentence in sentences)


def _wire(sentence: str, voice: CallerVoice) -> bytes:
    try:
        pcm = voice.say(sentence)
    except KeyError:
        raise Unspeakable(f"espeak-ng has no voice {voice.name!r} for the callers") from None
    frames = _until_silent(pcm)
    if not frames:
        raise Unspeakable(f"there is nothing to hear in {sentence!r}")
    if len(frames) > LONGEST_LINE:
        raise Unspeakable(f"{sentence!r} takes {len(frames) / 50:.1f} s; the longest is {LONGEST_LINE / 50:.1f} s")
    return b"".join(HEADER + frame.astype("<i2").tobytes() for frame in frames)


def _until_silent(pcm: Pcm) -> list[Pcm]:
    whole = len(pcm) // FRAME_SAMPLES
    frames = [pcm[at * FRAME_SAMPLES : (at + 1) * FRAME_SAMPLES] for at in range(whole)]
    while frames and float((frames[-1].astype("f8") ** 2).mean()) ** 0.5 < QUIET_RMS:
        frames.pop()
    return frames
