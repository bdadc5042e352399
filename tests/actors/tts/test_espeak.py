import numpy as np
import pytest

from actors.tts.engine import Pcm, UnusableVoice, Voice, Word
from actors.tts.espeak import Espeak

DEFAULT = Voice()


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    return Espeak()


def say(espeak: Espeak, text: str, voice: Voice = DEFAULT) -> tuple[Pcm, tuple[Word, ...]]:
    chunks: list[Pcm] = []

    def sink(pcm: Pcm) -> bool:
        chunks.append(pcm)
        return True

    words = espeak.synthesize(text, voice, sink)
    return np.concatenate(chunks), words


def milliseconds_of_silence_at_the_end(espeak: Espeak, text: str) -> float:
    pcm, _ = say(espeak, text)
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 32)
    return float(len(pcm) - loud[-1]) * 1000 / espeak.sample_rate


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("hello", 7),
        ("hello (there)", 7),
        ("hello,", 167),
        ("hello;", 250),
        ("hello…", 250),
        ("hello.", 332),
        ("hello?", 332),
        ("hello!", 374),
        ('"hello."', 332),
        ("hello. ", 332),
    ],
)
def test_the_pause_after_a_clause_is_that_of_its_punctuation(espeak: Espeak, text: str, pause: float) -> None:
    assert milliseconds_of_silence_at_the_end(espeak, text) == pytest.approx(pause, abs=12)


@pytest.mark.parametrize("text", ["papa", "hello", "so", "yes", "one"])
def test_three_milliseconds_of_silence_are_left_before_the_first_sound(espeak: Espeak, text: str) -> None:
    pcm, _ = say(espeak, text)
    first = np.flatnonzero(np.abs(pcm.astype(np.int32)) >= 32)[0]
    assert first <= espeak.sample_rate * 3 // 1000


def test_a_word_begins_at_its_sample(espeak: Espeak) -> None:
    """After the pause of a comma the second word's sound begins where its `sample` says, to 5 ms."""
    pcm, words = say(espeak, "seven, anna")
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 100)
    gap = int(np.argmax(np.diff(loud)))
    assert words[1].sample == pytest.approx(loud[gap + 1], abs=espeak.sample_rate // 200)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("at 42 % off", ["at", "42", "%", "off"]),
        ("it’s Anna's", ["it’s", "Anna's"]),
        ("well-known", ["well"]),
        ("I don't know", ["I", "don't", "know"]),
    ],
)
def test_words_that_espeak_takes_apart_are_whole(espeak: Espeak, text: str, words: list[str]) -> None:
    _, found = say(espeak, text)
    assert [text[word.start : word.start + word.length] for word in found] == words


@pytest.mark.parametrize("name", ["en-us", "EN-GB", "en-gb+f2", "en-us+whisper", "de"])
def test_languages_and_speakers_are_voices(espeak: Espeak, name: str) -> None:
    assert len(say(espeak, "hello", Voice(name))[0]) > 1000


@pytest.mark.parametrize("name", ["xx", "en-us+nobody", "+f2", "en-us+f2+m3"])
def test_an_unknown_voice_is_answered_with_languages_and_speakers(espeak: Espeak, name: str) -> None:
    with pytest.raises(UnusableVoice, match=r"has no voice .*en-gb.*en-us.*f2.*m3") as error:
        say(espeak, "hello", Voice(name))
    assert f'"{name}"' in str(error.value)


def test_the_default_voice_is_checked_when_the_engine_is_made() -> None:
    with pytest.raises(UnusableVoice, match="nobody"):
        Espeak(voice="nobody")


def test_a_voice_is_of_one_clause_only(espeak: Espeak) -> None:
    plain, _ = say(espeak, "good morning")
    say(espeak, "good morning", Voice("de+f3", 300, 90))
    assert len(say(espeak, "good morning")[0]) == pytest.approx(len(plain), rel=0.01)


def test_volume_is_in_percent() -> None:
    loud, quiet = (np.abs(say(Espeak(volume=volume), "hello")[0].astype(np.int32)).max() for volume in (100, 50))
    assert 0.3 < quiet / loud < 0.7
