from itertools import pairwise

import pytest

from actors.stt.jsgf import parse
from actors.stt.phrases import phrases
from actors.stt.word_graph import WordGraph, word_graph
from bench.hearing_trial import GRAMMAR


def graph_of(expansion: str) -> WordGraph:
    return word_graph(parse(f"#JSGF V1.0; public <a> = {expansion};"))


def follows(graph: WordGraph) -> set[tuple[str, str]]:
    return {(one.word, other.word) for one in graph.arcs for other in graph.arcs if one.end == other.start}


def is_sentence(graph: WordGraph, words: tuple[str, ...]) -> bool:
    places = {0}
    for word in words:
        places = {arc.end for arc in graph.arcs for place in places if arc.start == place and arc.word == word}
    return bool(places & graph.ends)


@pytest.mark.parametrize(
    "expansion",
    [
        "yes",
        "yes | no",
        "yes [please] | no [thank you]",
        "very* good",
        "(one | two | three)+",
        "are you open [on] (monday | tuesday) [morning | afternoon] | where are you",
        "[[a] b] c [d [e]]",
    ],
)
def test_every_phrase_is_a_sentence_and_together_they_hold_every_pair(expansion: str) -> None:
    graph = graph_of(expansion)
    found = phrases(graph)
    assert all(is_sentence(graph, phrase) for phrase in found)
    assert {pair for phrase in found for pair in pairwise(phrase)} == follows(graph)
    assert {word for phrase in found for word in phrase} == {arc.word for arc in graph.arcs}
    assert len(set(found)) == len(found)


def test_a_sentence_of_one_word_is_a_phrase_also_where_it_begins_others() -> None:
    assert ("yes",) in phrases(graph_of("yes [please]"))


def test_a_grammar_of_millions_of_sentences_becomes_a_few_hundred() -> None:
    graph = word_graph(parse(GRAMMAR))
    found = phrases(graph)
    assert {pair for phrase in found for pair in pairwise(phrase)} == follows(graph)
    assert len(found) < 600


def test_what_nobody_can_say_is_no_phrase() -> None:
    assert phrases(graph_of("<VOID>")) == []
