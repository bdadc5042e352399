"""What is made up for lost audio: is it like the voice, does it fade, and does nothing click."""

import math
from array import array
from itertools import pairwise

import pytest

from actors.audio.concealment import FULL_MS, SILENT_MS, Concealer
from actors.vad import level_dbfs


def voice(rate: int, hz: float, seconds: float = 1.0) -> bytes:
    """A vowel: a fundamental and its overtones."""
    return array(
        "h",
        (
            int(sum(5000 / k * math.sin(2 * math.pi * hz * k * at / rate + k) for k in (1, 2, 3)))
            for at in range(int(rate * seconds))
        ),
    ).tobytes()


def steepest(pcm: bytes) -> int:
    samples = array("h", pcm)
    return max(abs(one - other) for one, other in pairwise(samples))


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("hz", [70, 110, 185, 240, 310])
def test_a_lost_frame_in_a_vowel_sounds_nearly_as_if_it_had_come(rate: int, hz: float) -> None:
    frame = rate // 50 * 2
    whole = voice(rate, hz)
    at = frame * 20
    concealer = Concealer(rate)
    concealer.heard(whole[:at])
    made = array("h", concealer.made_up(frame // 2))
    true = array("h", whole[at : at + frame])
    wrong = array("h", (one - other for one, other in zip(made, true, strict=True)))
    # Up to where it fades, what was made up is wrong by less than a fifth of the voice.
    early = FULL_MS * rate // 1000
    assert level_dbfs(wrong[:early].tobytes()) < level_dbfs(true[:early].tobytes()) - 14


@pytest.mark.parametrize("hz", [70, 100, 130, 190])
def test_a_pure_tone_is_not_taken_for_its_opposite(hz: float) -> None:
    tone = array("h", (int(8000 * math.sin(2 * math.pi * hz * at / 8000)) for at in range(800)))
    concealer = Concealer(8000)
    concealer.heard(tone[:640].tobytes())
    made = array("h", concealer.made_up(80))
    assert max(abs(one - other) for one, other in zip(made, tone[640:720], strict=True)) < 1200


def test_a_voice_that_grows_louder_does_not_click_where_its_period_begins_again() -> None:
    hz, per_s = 100, 8000
    rising = array("h", (int(at * 10 * math.sin(2 * math.pi * hz * at / per_s + 1.5)) for at in range(800)))
    concealer = Concealer(8000)
    heard = concealer.heard(rising.tobytes()) + concealer.made_up(320)
    assert steepest(heard) < 1.2 * steepest(rising.tobytes())


@pytest.mark.parametrize("hz", [90, 150, 220])
def test_neither_the_beginning_nor_the_end_of_a_loss_clicks(hz: float) -> None:
    whole = voice(8000, hz)
    concealer = Concealer(8000)
    heard = concealer.heard(whole[:6400]) + concealer.made_up(160) + concealer.made_up(160)
    heard += concealer.heard(whole[7040:7360])
    assert steepest(heard) < 1.5 * steepest(whole)


def test_a_loss_in_a_sound_that_rises_does_not_begin_with_a_step() -> None:
    quiet = array("h", voice(8000, 100, 0.2))
    rising = array("h", (value // 20 + at * 10 for at, value in enumerate(quiet))).tobytes()
    concealer = Concealer(8000)
    heard = concealer.heard(rising) + concealer.made_up(8)
    assert steepest(heard) < 2.5 * steepest(rising), (
        "it comes back over a millisecond, and not from one sample to the next"
    )


def test_what_is_made_up_fades_and_is_silent_after_60_ms() -> None:
    concealer = Concealer(8000)
    concealer.heard(voice(8000, 120))
    levels = [level_dbfs(concealer.made_up(160)) for _ in range(SILENT_MS // 20 + 2)]
    assert levels[0] > levels[1] > levels[2] > -60
    assert levels[3:] == [-96.0, -96.0]


def test_after_a_loss_the_voice_is_back_within_5_ms_and_then_exactly_as_it_came() -> None:
    whole = voice(8000, 120)
    concealer = Concealer(8000)
    concealer.heard(whole[:3200])
    concealer.made_up(160)
    back = concealer.heard(whole[3520:4160])
    assert back[80:] == whole[3600:4160] and back[:80] != whole[3520:3600]


def test_without_a_loss_nothing_is_changed() -> None:
    whole = voice(8000, 120)
    concealer = Concealer(8000)
    assert b"".join(concealer.heard(whole[at : at + 320]) for at in range(0, len(whole), 320)) == whole


def test_silence_before_a_loss_stays_silence_and_so_does_a_call_that_begins_with_one() -> None:
    concealer = Concealer(8000)
    assert concealer.made_up(160) == bytes(320)
    concealer.heard(bytes(3200))
    assert concealer.made_up(160) == bytes(320)


def test_the_loudest_voice_stays_within_sixteen_bits() -> None:
    loud = array("h", (32767 if at % 80 < 40 else -32768 for at in range(1600))).tobytes()
    concealer = Concealer(8000)
    concealer.heard(loud)
    assert len(concealer.made_up(480)) == 960
    concealer.heard(loud[:320])
