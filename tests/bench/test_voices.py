import numpy as np
import pytest

from actors.pcm import from_mulaw, to_mulaw
from actors.tts.engine import Voice
from actors.tts.espeak import Espeak
from bench.voices import CallerVoice


def level_db(pcm: np.ndarray[tuple[int], np.dtype[np.int16]]) -> float:
    return float(20 * np.log10(np.sqrt((pcm.astype(float) ** 2).mean()) / 32768))


def test_a_voice_says_the_same_to_the_sample_whatever_was_said_before() -> None:
    voice = CallerVoice("en-gb+f2", 180, 60, noise_snr_db=20.0)
    first = voice.say("hello, what are your opening hours?")
    CallerVoice("en-us+whisper").say("something else")
    np.testing.assert_array_equal(voice.say("hello, what are your opening hours?"), first)


def test_it_leaves_a_synthesiser_in_the_same_process_alone() -> None:
    espeak = Espeak(voice="en-us")
    chunks: list[int] = []

    def sink(pcm: np.ndarray[tuple[int], np.dtype[np.int16]]) -> bool:
        chunks.append(len(pcm))
        if len(chunks) == 2:
            CallerVoice("de+f2").say("guten Tag")
        return True

    words = espeak.synthesize("one two three four", Voice(), sink)
    assert len(words) == 4
    assert len(chunks) > 4


@pytest.mark.parametrize("rate", [8000, 16000])
def test_it_speaks_at_the_rate_that_is_asked_for(rate: int) -> None:
    assert 0.3 < len(CallerVoice().say("hello", rate)) / rate < 0.8


@pytest.mark.parametrize("level_dbfs", [-35.0, -22.0, -15.0])
def test_speech_has_the_level_that_is_asked_for(level_dbfs: float) -> None:
    pcm = CallerVoice(noise_snr_db=None, level_dbfs=level_dbfs).say("one two three four five six")
    assert level_db(pcm) == pytest.approx(level_dbfs, abs=2.5)  # with the pauses


@pytest.mark.parametrize("snr", [10.0, 20.0, 30.0])
def test_noise_is_so_far_below_the_speech_before_it_and_after_it(snr: float) -> None:
    pcm = CallerVoice(noise_snr_db=snr, mulaw=False).say("hello", before_ms=500, after_ms=500)
    for silence in (pcm[:4000], pcm[-4000:]):
        assert level_db(silence) == pytest.approx(-22.0 - snr, abs=0.5)


def test_a_line_without_noise_is_silent_around_the_speech() -> None:
    pcm = CallerVoice(noise_snr_db=None).say("hello", before_ms=100, after_ms=100)
    assert not pcm[:800].any()
    assert not pcm[-800:].any()


def test_mulaw_leaves_only_what_mulaw_can_say() -> None:
    pcm = CallerVoice(noise_snr_db=None).say("hello")
    np.testing.assert_array_equal(from_mulaw(to_mulaw(pcm)), pcm)
    assert len(np.unique(pcm)) <= 255


def test_another_seed_is_another_noise() -> None:
    one, other = (CallerVoice(seed=seed).say("hello") for seed in (1, 2))
    assert len(one) == len(other)
    assert (one != other).any()


def test_nothing_to_say_is_only_the_line() -> None:
    assert len(CallerVoice().say("", before_ms=100, after_ms=50)) == 1200


def test_an_unknown_voice_is_an_error() -> None:
    with pytest.raises(KeyError, match="nobody"):
        CallerVoice("nobody").say("hello")
