"""What every recogniser does; each new engine passes these as they are."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from actors.pcm import Pcm
from actors.stt.engine import Hints, SttEngine, SttStream, UnusableHints
from actors.stt.engines import ENGINES
from tests.actors.stt.hearing import GRAMMAR, engine, hear, speech
from tests.actors.stt.tone_models import tones


@dataclass(frozen=True)
class Trial:
    """An engine, and two sentences that it can hear, with the model that it has here."""

    engine: SttEngine
    first: str
    second: str
    say: Callable[[str], Pcm]
    """Samples at the engine's rate."""

    def open(self) -> SttStream:
        return self.engine.open(Hints("en-us", GRAMMAR))


@pytest.fixture(params=("pocketsphinx", "vosk", "sherpa_onnx"))
def stt(request: pytest.FixtureRequest) -> Trial:
    of = engine(request.param)
    if of.name == "sherpa_onnx":
        return Trial(of, "low high low", "high low", tones)
    return Trial(
        of, "what are your opening hours", "where are you located", lambda text: speech(text, rate=of.sample_rate)
    )


def test_it_says_who_it_is_and_what_it_takes(stt: Trial) -> None:
    assert stt.engine.name in ENGINES
    assert stt.engine.sample_rate in (8000, 16000)


def test_it_hears_what_was_said_and_is_sure_of_it(stt: Trial) -> None:
    hearing = hear(stt.open(), stt.say(stt.first))
    assert hearing.text == stt.first
    assert 0.5 <= hearing.confidence <= 1.0


@pytest.mark.parametrize("chunk", [37, 160, 320, 4000, 10**6])
def test_the_size_of_the_chunks_changes_nothing(stt: Trial, chunk: int) -> None:
    pcm = stt.say(stt.first)
    assert hear(stt.open(), pcm, chunk) == hear(stt.open(), pcm)


def test_it_guesses_before_the_speech_has_ended(stt: Trial) -> None:
    stream = stt.open()
    pcm = stt.say(stt.first)
    guesses = [stream.feed(pcm[at : at + 320]) for at in range(0, len(pcm), 320)]
    assert guesses[0] == ""
    assert any(guesses[: len(guesses) // 2])
    assert stream.finish().text.startswith(guesses[-1])


def test_nothing_at_all_is_heard_as_nothing(stt: Trial) -> None:
    stream = stt.open()
    assert stream.finish().text == ""
    assert stream.feed(np.zeros(0, dtype=np.int16)) == ""
    assert stream.finish().text == ""


@pytest.mark.parametrize("seconds", [0.001, 0.05, 1.0, 5.0])
@pytest.mark.parametrize("noise", [0.0, 30.0])
def test_silence_is_heard_as_nothing(stt: Trial, seconds: float, noise: float) -> None:
    quiet = np.random.default_rng(1).normal(0.0, noise, int(seconds * stt.engine.sample_rate)).astype(np.int16)
    assert hear(stt.open(), quiet).text == ""


def test_after_an_utterance_the_stream_is_ready_for_the_next(stt: Trial) -> None:
    stream = stt.open()
    silence = np.zeros(stt.engine.sample_rate, dtype=np.int16)
    said: list[tuple[Pcm, str]] = [
        (stt.say(stt.first), stt.first),
        (silence, ""),
        (stt.say(stt.second), stt.second),
        (stt.say(stt.first), stt.first),
    ]
    assert [hear(stream, pcm).text for pcm, _ in said] == [text for _, text in said]


def test_an_utterance_leaves_nothing_behind_for_the_next_one_to_guess(stt: Trial) -> None:
    stream = stt.open()
    hear(stream, stt.say(stt.first))
    assert stream.feed(np.zeros(160, dtype=np.int16)) == ""


def test_words_make_up_the_text_and_lie_in_the_utterance_one_after_the_other(stt: Trial) -> None:
    stream = stt.open()
    for text in (stt.first, stt.second, stt.first):
        pcm = stt.say(text)
        words = hear(stream, pcm).words
        if stt.engine.name == "pocketsphinx":
            assert words == (), "it does not tell them apart"
            return
        assert " ".join(word.text for word in words) == text
        times = [time for word in words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert times[0] >= 0 and times[-1] <= len(pcm) * 1000 // stt.engine.sample_rate
        assert all(word.start_ms < word.end_ms and 0.0 <= word.confidence <= 1.0 for word in words)


def test_two_streams_do_not_disturb_each_other(stt: Trial) -> None:
    one, other = stt.open(), stt.engine.open(Hints("en-us", GRAMMAR.replace("wednesday", "thursday")))
    first, second = stt.say(stt.first), stt.say(stt.second)
    for at in range(0, max(len(first), len(second)), 320):
        one.feed(first[at : at + 320])
        other.feed(second[at : at + 320])
    assert (one.finish().text, other.finish().text) == (stt.first, stt.second)


def test_closing_one_stream_leaves_the_others_alone(stt: Trial) -> None:
    one, other = stt.open(), stt.open()
    one.feed(stt.say(stt.first)[:8000])
    one.close()
    assert hear(other, stt.say(stt.second)).text == stt.second


def test_a_language_that_nobody_speaks_cannot_be_used(stt: Trial) -> None:
    with pytest.raises(UnusableHints, match="xx"):
        stt.engine.open(Hints("xx", GRAMMAR))
