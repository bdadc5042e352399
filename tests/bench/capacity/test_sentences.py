"""What the callers say."""

import pytest
from msgspec import structs

from bench.capacity.sentences import GENERAL, MOST, Unspeakable, expected, spoken
from bench.load.frames import FRAME_BYTES, HEADER
from config.load import SHIPPED, load

AGENT = load(SHIPPED).agent


def test_the_agents_own_script_is_asked_what_it_answers_at_once() -> None:
    found = expected(AGENT)
    assert 2 <= len(found) <= MOST
    assert "are you open on the weekend" in found
    assert AGENT.script is not None
    ending = [intent.heard for intent in AGENT.script.intents.values() if intent.tool]
    assert ending and not any(sentence in text for sentence in found for text in ending)


def test_an_agent_without_a_script_is_asked_general_questions() -> None:
    assert expected(structs.replace(AGENT, script=None)) == GENERAL


def test_a_sentence_becomes_whole_frames_that_end_with_speech() -> None:
    (wire,) = spoken(["where are you"], "en-us")
    assert len(wire) % FRAME_BYTES == 0
    frames = [wire[at : at + FRAME_BYTES] for at in range(0, len(wire), FRAME_BYTES)]
    assert all(frame.startswith(HEADER) for frame in frames)
    last = memoryview(frames[-1][len(HEADER) :]).cast("h")
    assert max(abs(sample) for sample in last) > 104


def test_a_sentence_that_is_too_long_is_refused_with_its_length() -> None:
    with pytest.raises(Unspeakable, match="the longest is"):
        spoken(["one two three four five six seven eight nine ten eleven twelve thirteen fourteen"], "en-us")


def test_a_language_without_a_voice_is_refused() -> None:
    with pytest.raises(Unspeakable, match="no voice"):
        spoken(["hello"], "xx")
