"""What is to be expected by what was measured: formulas, with their parts."""

from typing import Any

import pytest
from msgspec import structs

from models import expected
from models.measured import Llm, Measured, Stt, Tts

WHOLE = Measured(
    stt=Stt(real_time_factor=0.2),
    llm=Llm(tokens_per_s=40.0, prompt_tokens_per_s=400.0, batched_tokens_per_s=100.0),
    tts=Tts(real_time_factor=0.1, threads=2, first_audio_ms=150.0),
)


def test_an_answer_takes_the_sum_of_its_parts() -> None:
    # The silence, 0.2 s of speech at 0.2, 40 tokens read, 8 written, and the voice.
    assert expected.answer_ms(WHOLE, 400.0) == pytest.approx(400 + 40 + 100 + 200 + 150)


def test_so_many_calls_take_half_of_the_cores() -> None:
    # A turn: 4 s x 0.2, (40 / 400 + 25 / 100) s of 2 cores, 5 s x 0.1 of 2 threads: 2.5 core seconds in 10 s.
    assert expected.calls(WHOLE, 2.0) == 4
    assert expected.calls(WHOLE, 1.0) == 2


def test_one_call_is_always_expected_to_be_served() -> None:
    slow = structs.replace(WHOLE, llm=Llm(tokens_per_s=0.5, prompt_tokens_per_s=3.0))
    assert expected.calls(slow, 2.0) == 1


@pytest.mark.parametrize("missing", [{"stt": None}, {"llm": None}, {"tts": None}, {"llm": Llm(tokens_per_s=40.0)}])
def test_what_was_measured_in_part_says_nothing(missing: dict[str, Any]) -> None:
    partly = structs.replace(WHOLE, **missing)
    assert (expected.answer_ms(partly, 400.0), expected.calls(partly, 2.0)) == (0.0, 0)
    assert (expected.answer_ms(None, 400.0), expected.calls(None, 2.0)) == (0.0, 0)
