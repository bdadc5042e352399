"""What callers say: the agent's own detector takes the one for speech and the other for silence."""

import pytest

from actors.vad import VoiceDetector, level_dbfs
from bench.load import frames
from config.schema import Vad


@pytest.mark.parametrize("aggressiveness", [0, 1, 2, 3])
def test_the_speech_is_speech_to_the_agents_detector(aggressiveness: int) -> None:
    detector = VoiceDetector(8000, Vad(aggressiveness=aggressiveness))
    for _ in range(100):
        detector.hear(bytes(frames.PAYLOAD))
    heard = [detector.hear(frame[3:]) for frame in frames.speech()]
    # The first frames are an onset; what counts is that it is noticed within the 140 ms that a barge-in takes.
    assert all(speech for _, speech in heard[2:]), heard
    assert all(level > -40 for level, _ in heard[1:]), heard


def test_frames_are_twenty_milliseconds_of_audiosocket() -> None:
    spoken = frames.speech()
    assert len(spoken) == frames.SPEECH_FRAMES
    assert {len(frame) for frame in (*spoken, frames.silence())} == {323}
    assert all(frame.startswith(b"\x10\x01\x40") for frame in spoken)
    assert level_dbfs(bytes(frames.silence()[3:])) == -96.0


def test_the_same_seed_says_the_same() -> None:
    assert frames.speech(seed=3) == frames.speech(seed=3) != frames.speech(seed=4)
