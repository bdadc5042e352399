import pytest

from actors.stt.jsgf import parse
from actors.stt.word_graph import word_graph
from bench.hearing import main
from bench.hearing_trial import FOREIGN, GRAMMAR, HESITANT, UNDERSTOOD

GRAPH = word_graph(parse(GRAMMAR))


def holds(sentence: str) -> bool:
    places = {0}
    for word in sentence.split():
        places = {arc.end for arc in GRAPH.arcs if arc.start in places and arc.word == word}
    return not places.isdisjoint(GRAPH.ends)


@pytest.mark.parametrize("sentence", [*UNDERSTOOD, *HESITANT.values()])
def test_what_should_be_understood_is_in_the_grammar(sentence: str) -> None:
    assert holds(sentence)


@pytest.mark.parametrize("sentence", FOREIGN)
def test_what_is_foreign_neither_is_nor_begins_nor_ends_with_a_sentence_of_the_grammar(sentence: str) -> None:
    words = sentence.split()
    assert not any(holds(" ".join(words[:end])) for end in range(1, len(words) + 1))
    assert not any(holds(" ".join(words[start:])) for start in range(len(words)))


def test_it_prints_a_row_for_every_caller_and_one_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--sentences", "2", "--noise", "30"])
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["caller", "right", "wrong", "rejected", "hesitant", "foreign", "cpu", "answer"]
    assert [row.split()[0] for row in rows] == ["en-us", "en-us", "en-us+f2", "en-us+m3", "en-gb", "en-gb+m3", "all"]
