"""What every synthesiser does; each new engine passes these as they are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from actors.tts.engine import Pcm, TtsEngine, UnusableVoice, Voice, Word
from actors.tts.engines import ENGINES, load
from config.engines import Engines, Piper
from config.load import SHIPPED
from config.load import load as config_load

CLAUSE = "We are open from nine to five, and closed on Sunday."
DEFAULT = Voice()
Say = Callable[..., tuple[Pcm, tuple[Word, ...]]]


TINY = Path(__file__).parents[3] / "models" / "tiny" / "voice" / "en_US-tiny.onnx"


@pytest.fixture(params=("espeak", "piper"), scope="module")
def tts(request: pytest.FixtureRequest) -> TtsEngine:
    config = config_load(SHIPPED)
    settings = replace(config.settings, engines=Engines(piper=Piper(model=str(TINY), threads=1)))
    return load(request.param, replace(config, settings=settings))


@pytest.fixture
def say(tts: TtsEngine) -> Say:
    def say(text: str, voice: Voice = DEFAULT) -> tuple[Pcm, tuple[Word, ...]]:
        chunks: list[Pcm] = [np.zeros(0, dtype=np.int16)]

        def sink(pcm: Pcm) -> bool:
            chunks.append(pcm)
            return True

        words = tts.synthesize(text, voice, sink)
        return np.concatenate(chunks), words

    return say


def test_it_says_who_it_is_and_what_it_gives(tts: TtsEngine) -> None:
    assert tts.name in ENGINES
    assert tts.sample_rate >= 8000


def test_a_clause_is_loud_enough_and_as_long_as_speech(tts: TtsEngine, say: Say) -> None:
    pcm, _ = say(CLAUSE)
    assert pcm.dtype == np.int16
    assert pcm.ndim == 1
    assert 1.5 < len(pcm) / tts.sample_rate < 6.0
    assert np.abs(pcm.astype(np.int32)).max() > 3000


def test_it_begins_with_speech_not_with_silence(tts: TtsEngine, say: Say) -> None:
    for text in (CLAUSE, "Papa?", "hello"):
        pcm, _ = say(text)
        assert np.abs(pcm[: tts.sample_rate // 100].astype(np.int32)).max() > 30


def test_it_comes_in_chunks_of_at_most_a_quarter_of_a_second(tts: TtsEngine) -> None:
    lengths: list[int] = []

    def sink(pcm: Pcm) -> bool:
        lengths.append(len(pcm))
        return True

    tts.synthesize(CLAUSE, Voice(), sink)
    assert min(lengths) > 0
    assert max(lengths) <= tts.sample_rate // 4


def test_words_cover_the_clause_in_order(say: Say) -> None:
    pcm, words = say(CLAUSE)
    if not words:
        pytest.skip("this engine does not tell where words are")
    assert [CLAUSE[word.start : word.start + word.length] for word in words] == CLAUSE.translate(
        str.maketrans("", "", ",.")
    ).split()
    samples = [word.sample for word in words]
    assert samples[0] == 0
    assert samples == sorted(set(samples))
    assert samples[-1] < len(pcm)


def test_the_same_clause_sounds_about_the_same_again(say: Say) -> None:
    (first, first_words), (second, second_words) = say(CLAUSE), say(CLAUSE)
    assert [word.start for word in first_words] == [word.start for word in second_words]
    assert len(second) == pytest.approx(len(first), rel=0.1)


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_after_a_cancel_nothing_more_comes(tts: TtsEngine, taken: int) -> None:
    given: list[int] = []

    def sink(pcm: Pcm) -> bool:
        given.append(len(pcm))
        return len(given) <= taken

    words = tts.synthesize(CLAUSE, Voice(), sink)
    assert len(given) == taken + 1
    assert all(word.sample < sum(given[:taken]) for word in words)


def test_the_clause_after_a_cancel_is_whole(tts: TtsEngine, say: Say) -> None:
    before, _ = say("Hello there.")
    tts.synthesize(CLAUSE, Voice(), lambda pcm: False)
    after, words = say("Hello there.")
    assert len(after) == pytest.approx(len(before), rel=0.1)
    assert len(words) in (0, 2)


def test_what_the_sink_raises_comes_out_and_does_no_harm(tts: TtsEngine, say: Say) -> None:
    class RingGone(RuntimeError):
        pass

    def sink(pcm: Pcm) -> bool:
        raise RingGone

    with pytest.raises(RingGone):
        tts.synthesize(CLAUSE, Voice(), sink)
    assert len(say("Hello there.")[0]) > 0


def test_a_faster_voice_takes_less_time(say: Say) -> None:
    assert len(say(CLAUSE, Voice(words_per_minute=220))[0]) < len(say(CLAUSE, Voice(words_per_minute=120))[0])


def test_an_unknown_voice_is_answered_with_those_that_there_are(say: Say) -> None:
    with pytest.raises(UnusableVoice, match="nobody"):
        say("Hello.", Voice("nobody"))
    assert len(say("Hello.")[0]) > 0


@pytest.mark.parametrize("text", ["", " ", "\n\t", ".", "...", ",", "-", "()"])
def test_text_without_words_makes_no_noise_and_no_error(say: Say, text: str) -> None:
    pcm, _ = say(text)
    assert len(pcm) == 0 or np.abs(pcm.astype(np.int32)).max() < 32768


@pytest.mark.parametrize(
    "text",
    [
        "42",
        "$3.50, 50% off!",
        "17:30",
        "o'clock, don't, it’s",
        "naïve café – façade",
        "你好, Привет, שלום",
        "😀👍🏽",
        "e\u0301tude",
        "a\0b",
        "half a pair \ud83d",
        "line\r\nbreak",
        "<b>&amp;</b> [[x]] {y} \\z",
        "W" * 300,
        "word " * 60,
    ],
)
def test_odd_text_is_spoken_somehow(say: Say, text: str) -> None:
    pcm, words = say(text)
    assert len(pcm) > 0
    ends = [0]
    for word in words:
        assert ends[-1] <= word.start
        assert word.length > 0
        ends.append(word.start + word.length)
    assert ends[-1] <= len(text)
