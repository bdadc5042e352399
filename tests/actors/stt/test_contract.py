"""What every recogniser does; each new engine passes these as they are."""

import numpy as np
import pytest

from actors.pcm import Pcm
from actors.stt.engine import Hints, SttEngine, UnusableHints
from actors.stt.engines import ENGINES
from tests.actors.stt.hearing import GRAMMAR, engine, hear, speech

HOURS = "what are your opening hours"
WHERE = "where are you located"
HINTS = Hints("en-us", GRAMMAR)


@pytest.fixture(params=("pocketsphinx",))
def stt(request: pytest.FixtureRequest) -> SttEngine:
    return engine(request.param)


def test_it_says_who_it_is_and_what_it_takes(stt: SttEngine) -> None:
    assert stt.name in ENGINES
    assert stt.sample_rate in (8000, 16000)


def test_it_hears_what_was_said_and_is_sure_of_it(stt: SttEngine) -> None:
    hearing = hear(stt.open(HINTS), speech(HOURS, rate=stt.sample_rate))
    assert hearing.text == HOURS
    assert 0.5 <= hearing.confidence <= 1.0


@pytest.mark.parametrize("chunk", [37, 160, 320, 4000, 10**6])
def test_the_size_of_the_chunks_changes_nothing(stt: SttEngine, chunk: int) -> None:
    pcm = speech(HOURS, rate=stt.sample_rate)
    assert hear(stt.open(HINTS), pcm, chunk) == hear(stt.open(HINTS), pcm)


def test_it_guesses_before_the_speech_has_ended(stt: SttEngine) -> None:
    stream = stt.open(HINTS)
    pcm = speech(HOURS, rate=stt.sample_rate)
    guesses = [stream.feed(pcm[at : at + 320]) for at in range(0, len(pcm), 320)]
    assert guesses[0] == ""
    assert any(guesses[: len(guesses) // 2])
    assert guesses[-1] == stream.finish().text


def test_nothing_at_all_is_heard_as_nothing(stt: SttEngine) -> None:
    stream = stt.open(HINTS)
    assert stream.finish().text == ""
    assert stream.feed(np.zeros(0, dtype=np.int16)) == ""
    assert stream.finish().text == ""


@pytest.mark.parametrize("seconds", [0.001, 0.05, 1.0, 5.0])
@pytest.mark.parametrize("noise", [0.0, 30.0])
def test_silence_is_heard_as_nothing(stt: SttEngine, seconds: float, noise: float) -> None:
    quiet = np.random.default_rng(1).normal(0.0, noise, int(seconds * stt.sample_rate)).astype(np.int16)
    assert hear(stt.open(HINTS), quiet).text == ""


def test_after_an_utterance_the_stream_is_ready_for_the_next(stt: SttEngine) -> None:
    stream = stt.open(HINTS)
    silence = np.zeros(stt.sample_rate, dtype=np.int16)
    said: list[tuple[Pcm, str]] = [
        (speech(HOURS, rate=stt.sample_rate), HOURS),
        (silence, ""),
        (speech(WHERE, rate=stt.sample_rate), WHERE),
        (speech(HOURS, rate=stt.sample_rate), HOURS),
    ]
    assert [hear(stream, pcm).text for pcm, _ in said] == [text for _, text in said]


def test_an_utterance_leaves_nothing_behind_for_the_next_one_to_guess(stt: SttEngine) -> None:
    stream = stt.open(HINTS)
    hear(stream, speech(HOURS, rate=stt.sample_rate))
    assert stream.feed(np.zeros(160, dtype=np.int16)) == ""


def test_two_streams_do_not_disturb_each_other(stt: SttEngine) -> None:
    one, other = stt.open(HINTS), stt.open(Hints("en-us", GRAMMAR.replace("wednesday", "thursday")))
    hours, where = speech(HOURS, rate=stt.sample_rate), speech(WHERE, rate=stt.sample_rate)
    for at in range(0, max(len(hours), len(where)), 320):
        one.feed(hours[at : at + 320])
        other.feed(where[at : at + 320])
    assert (one.finish().text, other.finish().text) == (HOURS, WHERE)


def test_closing_one_stream_leaves_the_others_alone(stt: SttEngine) -> None:
    one, other = stt.open(HINTS), stt.open(HINTS)
    one.feed(speech(HOURS, rate=stt.sample_rate)[:8000])
    one.close()
    assert hear(other, speech(WHERE, rate=stt.sample_rate)).text == WHERE


def test_a_language_that_nobody_speaks_cannot_be_used(stt: SttEngine) -> None:
    with pytest.raises(UnusableHints, match="xx"):
        stt.open(Hints("xx", GRAMMAR))
