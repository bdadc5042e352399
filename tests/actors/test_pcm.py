import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.pcm import Pcm, Resampler, from_mulaw, resample, to_mulaw

RATES = [8000, 16000, 22050, 24000, 48000]
rates = st.sampled_from(RATES)
chunks = st.lists(st.integers(0, 700), max_size=12)


def noise(samples: int) -> Pcm:
    return np.random.default_rng(samples).integers(-32768, 32768, samples, dtype=np.int16)


def tone(hertz: float, rate: int, seconds: float = 0.5) -> Pcm:
    wave: Pcm = np.rint(10000 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.int16)
    return wave


def decibels(pcm: Pcm) -> float:
    """Of the middle half, against the tone's own amplitude."""
    middle = pcm[len(pcm) // 4 : 3 * len(pcm) // 4].astype(float)
    return float(20 * np.log10(max(np.sqrt((middle**2).mean()) * np.sqrt(2) / 10000, 1e-6)))


@given(rates, rates, chunks)
def test_an_utterance_is_as_long_as_it_was_however_it_is_cut(from_hz: int, to_hz: int, lengths: list[int]) -> None:
    resampler = Resampler(from_hz, to_hz)
    pcm = noise(sum(lengths))
    parts: list[Pcm] = []
    at = 0
    for length in lengths:
        parts.append(resampler.feed(pcm[at : at + length]))
        at += length
    parts.append(resampler.flush())
    out = np.concatenate(parts)
    assert out.dtype == np.int16
    assert len(out) == (2 * len(pcm) * to_hz + from_hz) // (2 * from_hz)
    np.testing.assert_array_equal(out, resample(pcm, from_hz, to_hz))


@given(rates, rates, st.integers(0, 300), st.integers(0, 300))
def test_after_a_flush_the_next_utterance_begins_afresh(from_hz: int, to_hz: int, first: int, second: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    resampler.feed(noise(first))
    resampler.flush()
    again = np.concatenate((resampler.feed(noise(second)), resampler.flush()))
    np.testing.assert_array_equal(again, resample(noise(second), from_hz, to_hz))


@pytest.mark.parametrize("from_hz", RATES)
@pytest.mark.parametrize("to_hz", RATES)
def test_no_more_than_six_milliseconds_of_telephone_speech_are_held_back(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    given = len(resampler.feed(noise(from_hz)))
    assert (to_hz - given) / to_hz <= (48 / min(from_hz, to_hz) if from_hz != to_hz else 0.0) + 2 / to_hz


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(8000, 16000), (22050, 8000), (24000, 8000), (16000, 8000), (8000, 24000)]
)
@pytest.mark.parametrize("hertz", [200, 1000, 3000, 3400])
def test_what_a_telephone_carries_comes_through_in_place(from_hz: int, to_hz: int, hertz: int) -> None:
    out, wanted = resample(tone(hertz, from_hz), from_hz, to_hz), tone(hertz, to_hz)
    middle = slice(len(out) // 4, len(out) // 2)
    assert np.abs(out[middle].astype(int) - wanted[middle]).max() < 200


@pytest.mark.parametrize(("from_hz", "hertz"), [(16000, 4700), (22050, 5000), (24000, 6000), (48000, 20000)])
def test_what_the_lower_rate_cannot_hold_does_not_fold_into_it(from_hz: int, hertz: int) -> None:
    assert decibels(resample(tone(hertz, from_hz), from_hz, 8000)) < -55


def test_a_constant_stays_the_same_constant() -> None:
    out = resample(np.full(2000, 12345, dtype=np.int16), 22050, 8000)
    assert set(out[100:-100].tolist()) == {12345}


def test_the_loudest_signal_clips_and_does_not_wrap() -> None:
    square = np.tile(np.repeat(np.array([32767, -32768], dtype=np.int16), 20), 50)
    out = resample(square, 8000, 16000).astype(int)
    assert np.abs(np.diff(out)).max() < 65536
    assert (np.sign(out[220:-220:80]) == np.sign(out[220])).all()


def test_the_samples_given_are_not_changed() -> None:
    pcm = noise(500)
    kept = pcm.copy()
    for to_hz in (8000, 16000):
        resample(pcm, 8000, to_hz)[:] = 0
    np.testing.assert_array_equal(pcm, kept)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(0, 8000), (8000, 0), (-1, 8000)])
def test_rates_are_positive(from_hz: int, to_hz: int) -> None:
    with pytest.raises(ValueError, match="rates are positive"):
        Resampler(from_hz, to_hz)


def test_mulaw_is_that_of_g711() -> None:
    """Values from the tables of ITU-T G.711: silence, full scale, and one step."""
    assert to_mulaw(np.array([0, 32767, -32768, 1000], dtype=np.int16)) == bytes([0xFF, 0x80, 0x00, 0xCE])


def test_every_code_means_a_sample_that_is_coded_the_same_again() -> None:
    codes = bytes(range(256))
    assert to_mulaw(from_mulaw(codes)) == codes.replace(b"\x7f", b"\xff")  # mu-law has two zeros


def test_coded_speech_is_35_decibels_above_its_noise() -> None:
    speech = tone(440, 8000)
    error = from_mulaw(to_mulaw(speech)).astype(float) - speech
    assert 10 * np.log10((speech.astype(float) ** 2).mean() / (error**2).mean()) > 35


def test_importing_it_warns_of_nothing() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", "import actors.pcm"], check=True)
