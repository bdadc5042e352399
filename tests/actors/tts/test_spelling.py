"""Where the text's words lie among the phonemes."""

import pytest

from actors.tts.spelling import Sentences, audible, cleaned, places, words_of


def spell(text: str) -> Sentences:
    """A phonemizer in which each letter is a phoneme, and an "&" is spoken as three."""
    return [list(sentence.replace("&", "and")) for sentence in text.split("|") if sentence]


def test_words_are_without_the_punctuation_around_them() -> None:
    text = "\"Well,\" he said: don't (ever) go -- it's 17:30!"
    assert [text[at : at + length] for at, length in words_of(text)] == [
        "Well",
        "he",
        "said",
        "don't",
        "ever",
        "go",
        "it's",
        "17:30",
    ]


def test_where_both_have_as_many_words_each_begins_where_its_own_does() -> None:
    text = "Good day, sir."
    found = places(text, [list("ɡʊd deɪ, sɜː.")], spell)
    assert [(text[p.start : p.start + p.length], p.sentence, p.phoneme) for p in found] == [
        ("Good", 0, 0),
        ("day", 0, 4),
        ("sir", 0, 9),
    ]


def test_words_of_a_second_sentence_are_counted_in_it() -> None:
    found = places("One. Two.", [list("wʌn."), list("tuː.")], spell)
    assert [(place.sentence, place.phoneme) for place in found] == [(0, 0), (1, 0)]


def test_two_words_that_are_spoken_as_one_share_it() -> None:
    text = "most of the time"
    found = places(text, [list("most ofthe time")], spell)
    assert [text[place.start : place.start + place.length] for place in found] == text.split()
    starts = [place.phoneme for place in found]
    assert starts[0] == 0 and starts[3] == 11
    assert 4 <= starts[1] < starts[2] < 11


def test_a_number_that_is_spoken_as_two_words_is_one_word() -> None:
    text = "call 42 now"
    found = places(text, [list("kol forti two nau")], lambda word: [list("fortitwo" if word == "42" else word)])
    assert [place.phoneme for place in found] == [0, 4, 14]


@pytest.mark.parametrize("text", ["a b c d e f", "x", "one two", "- a -"])
def test_places_go_forward_whatever_the_phonemizer_makes_of_it(text: str) -> None:
    for spoken in ("q", "q q", "qqq qqq q", "q, q q q q q q q q q"):
        found = places(text, [list(spoken)], spell)
        order = [(place.sentence, place.phoneme) for place in found]
        assert order == sorted(set(order))
        assert len(found) == len(words_of(text))


def test_a_sentence_of_punctuation_has_no_sound() -> None:
    assert not audible([".", " ", ","])
    assert not audible([])
    assert audible(["ˈ", "a"])


def test_what_a_phonemizer_cannot_take_is_replaced_character_by_character() -> None:
    text = "a\0b\r\nc [[x]] \ud83d é"
    assert len(cleaned(text)) == len(text)
    assert "[[" not in cleaned(text) and "\0" not in cleaned(text)
    cleaned(text).encode()
