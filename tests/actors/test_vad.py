"""What passes for speech: callers of every level on lines with noise, and not the noise. Drawn as `..####..`.

What a caller really says is known from the same voice on a line without noise: strong is what is within 12 dB of its
level, pauses are what is digital silence there.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from actors.vad import SILENCE_DBFS, VoiceDetector, level_dbfs
from bench.voices import CallerVoice
from config.schema import Vad

TEXT = "hello, i would like to make an appointment on thursday, at half past two"
HANGOVER_FRAMES = 10
"""WebRTC's detector goes on for a while when speech has ended; so may this one, for 200 ms."""

Pcm = NDArray[np.int16]


def listen(detector: VoiceDetector, pcm: Pcm, rate: int = 8000) -> str:
    """`#` for each 20 ms that passed for speech, `.` for each that did not."""
    size = rate // 50
    frames = (pcm[at : at + size].astype("<i2").tobytes() for at in range(0, len(pcm) - size + 1, size))
    return "".join("#" if detector.hear(frame)[1] else "." for frame in frames)


def noise(dbfs: float, seconds: float, rate: int = 8000, seed: int = 1) -> Pcm:
    drawn = np.random.default_rng(seed).normal(0.0, 32768 * 10 ** (dbfs / 20), int(seconds * rate))
    return np.clip(np.rint(drawn), -32768, 32767).astype(np.int16)


def tone(hz: float, dbfs: float, seconds: float, rate: int = 8000) -> Pcm:
    wave = np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)
    pcm: Pcm = np.rint(wave * 32767 * 10 ** (dbfs / 20) * np.sqrt(2)).astype(np.int16)
    return pcm


@pytest.mark.parametrize("dbfs", [-60.0, -35.0, -12.0, -4.0])
def test_the_level_of_a_frame_is_its_root_mean_square_against_full_scale(dbfs: float) -> None:
    assert level_dbfs(tone(1000, dbfs, 0.02).tobytes()) == pytest.approx(dbfs, abs=0.3)


def test_digital_silence_has_a_level_too() -> None:
    assert level_dbfs(bytes(320)) == SILENCE_DBFS


@pytest.mark.parametrize("rate", [8000, 16000])
def test_silence_is_no_speech(rate: int) -> None:
    assert "#" not in listen(VoiceDetector(rate, Vad()), np.zeros(rate * 5, dtype=np.int16), rate)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("dbfs", [-80, -70, -60, -50, -45, -40, -35, -30, -25, -20, -15, -10])
def test_no_steady_noise_passes_for_speech_for_long(dbfs: int, rate: int) -> None:
    heard = listen(VoiceDetector(rate, Vad()), noise(dbfs, 10, rate), rate)
    assert "#" not in heard[100:], heard


@pytest.mark.parametrize("dbfs", [-40, -20, -6])
@pytest.mark.parametrize("hz", [50, 425, 440, 1000])
def test_no_steady_tone_passes_for_speech_for_long(hz: int, dbfs: int) -> None:
    heard = listen(VoiceDetector(8000, Vad()), tone(hz, dbfs, 10))
    assert "#" not in heard[100:], heard


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("snr_db", [None, 30.0, 20.0])
@pytest.mark.parametrize("dbfs", [-35, -28, -22, -16, -12])
def test_speech_is_speech_and_the_silence_around_it_is_not(dbfs: int, snr_db: float | None, rate: int) -> None:
    around = {"rate": rate, "before_ms": 1000, "after_ms": 1000}
    voice = CallerVoice(level_dbfs=dbfs, noise_snr_db=snr_db)
    clean = CallerVoice(level_dbfs=dbfs, noise_snr_db=None, mulaw=False).say(TEXT, **around)
    heard = listen(VoiceDetector(rate, Vad()), voice.say(TEXT, **around), rate)
    size = rate // 50
    levels = [level_dbfs(clean[at : at + size].tobytes()) for at in range(0, len(clean) - size + 1, size)]
    strong = [mark for mark, level in zip(heard, levels, strict=True) if level > dbfs - 12]
    assert strong.count("#") >= 0.9 * len(strong), heard
    begin, end = 50, len(heard) - 50
    assert heard[5:begin].count("#") == 0, f"speech before there was any: {heard}"
    assert "#" in heard[begin : begin + 10], f"the beginning was missed: {heard}"
    assert "#" not in heard[end + HANGOVER_FRAMES :], f"no end was found: {heard}"
    longest_hole = max(map(len, heard[begin : end - 10].split("#")))
    assert longest_hole * 20 < 400, f"the caller would have been taken to be done in the middle: {heard}"


def test_a_pause_between_two_sentences_is_no_speech() -> None:
    first, second = (CallerVoice(seed=seed).say(TEXT, after_ms=1000) for seed in (1, 2))
    heard = listen(VoiceDetector(8000, Vad()), np.concatenate((first, second)))
    pause = heard[len(first) // 160 - 50 + HANGOVER_FRAMES : len(first) // 160]
    assert "#" not in pause, heard


def test_the_noise_floor_follows_the_line_up_and_down() -> None:
    detector = VoiceDetector(8000, Vad())
    listen(detector, noise(-40, 6))
    assert detector.floor == pytest.approx(-40, abs=1.5)
    listen(detector, noise(-65, 2))
    assert detector.floor == pytest.approx(-65, abs=1.5)
    listen(detector, noise(-25, 6))
    assert detector.floor == pytest.approx(-25, abs=1.5)


def test_the_first_breath_after_digital_silence_does_not_pass_for_speech() -> None:
    detector = VoiceDetector(8000, Vad())
    listen(detector, np.zeros(8000 * 5, dtype=np.int16))
    heard = listen(detector, noise(-58, 3))
    assert "#" not in heard, heard


def test_who_speaks_from_the_first_frame_on_is_heard() -> None:
    heard = listen(VoiceDetector(8000, Vad()), CallerVoice(noise_snr_db=20.0).say(TEXT))
    assert heard[:20].count("#") >= 15, heard


def test_who_speaks_without_a_pause_for_half_a_minute_is_heard_to_the_end() -> None:
    speech = np.concatenate([CallerVoice(seed=seed).say(TEXT) for seed in range(8)])
    heard = listen(VoiceDetector(8000, Vad()), speech)
    assert heard[-250:].count("#") > 0.6 * 250, heard


def test_a_margin_of_more_decibels_takes_less_for_speech() -> None:
    line = CallerVoice(noise_snr_db=15.0).say(TEXT, before_ms=500)
    shares = [listen(VoiceDetector(8000, Vad(margin_db=margin)), line).count("#") for margin in (2.0, 8.0, 14.0)]
    assert shares == sorted(shares, reverse=True) and shares[0] > shares[2], shares


def test_nothing_below_the_configured_floor_is_speech() -> None:
    quiet = CallerVoice(level_dbfs=-35, noise_snr_db=None).say(TEXT)
    assert "#" not in listen(VoiceDetector(8000, Vad(floor_dbfs=-15.0)), quiet)
    assert "#" in listen(VoiceDetector(8000, Vad(floor_dbfs=-60.0)), quiet)
