from pathlib import Path

import pytest

from actors.stt.pronunciations import Pronunciations, with_british

BIG = "'em AH M\na AH\na(2) EY\na's EY Z\nhello HH AH L OW\nhello(2) HH EH L OW\nhelp HH EH L P\nzoo Z UW"


@pytest.fixture(params=[BIG, BIG + "\n"])
def big(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "big.dict"
    path.write_text(request.param)
    return path


@pytest.mark.parametrize(
    ("word", "ways"),
    [
        ("'em", ("AH M",)),
        ("a", ("AH", "EY")),
        ("Hello", ("HH AH L OW", "HH EH L OW")),
        ("zoo", ("Z UW",)),
        ("hell", ()),
        ("helping", ()),
        ("zzz", ()),
        ("!", ()),
        ("", ()),
        ("naïve", ()),
    ],
)
def test_every_way_to_say_a_word_is_found(big: Path, word: str, ways: tuple[str, ...]) -> None:
    assert Pronunciations(big).of(word) == ways


def test_the_small_dictionary_hides_words_of_the_big_one(big: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.dict"
    small.write_text("zoo\tZ OW\n\nanna AE N AH\nanna(2) AA N AH\n")
    pronunciations = Pronunciations(big, small)
    assert pronunciations.of("zoo") == ("Z OW",)
    assert pronunciations.of("Anna") == ("AE N AH", "AA N AH")
    assert pronunciations.of("a") == ("AH", "EY")


@pytest.mark.parametrize(
    ("american", "british"),
    [
        ("HH IH R", "HH IH AH"),
        ("AW ER Z", "AW AH Z"),
        ("P AA R K IH NG", "P AA K IH NG"),
        ("M EH R IY", "M EH R IY"),
        ("M AE N AH JH ER", "M AE N AH JH AH"),
        ("G OW", "G AH UH"),
    ],
)
def test_britons_drop_their_rs(american: str, british: str) -> None:
    assert with_british((american,))[-1] == british
    assert with_british((american,))[0] == american
