from hypothesis import given
from hypothesis import strategies as st

from actors.stt.jsgf import Choice, Expansion, Grammar, Repetition, Sequence, Word, parse
from actors.stt.word_graph import WordGraph, word_graph

LONGEST = 5
"""Words, of the sentences that are compared."""

Sentences = set[tuple[str, ...]]


def joined(first: Sentences, second: Sentences) -> Sentences:
    return {one + two for one in first for two in second if len(one + two) <= LONGEST}


def sentences(part: Expansion) -> Sentences:
    """All that the tree holds, up to the longest."""
    match part:
        case Word(text, _):
            return {(text,)}
        case Sequence(parts):
            said: Sentences = {()}
            for inner in parts:
                said = joined(said, sentences(inner))
            return said
        case Choice(options):
            return {sentence for _, option in options for sentence in sentences(option)}
        case Repetition(inner):
            said, once = {()}, sentences(inner)
            for _ in range(LONGEST):
                said |= joined(said, once)
            return said
    raise AssertionError(part)


def paths(graph: WordGraph) -> Sentences:
    found: Sentences = set()
    waiting: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    while waiting:
        state, said = waiting.pop()
        if state in graph.ends:
            found.add(said)
        if len(said) < LONGEST:
            waiting += [(arc.end, (*said, arc.word)) for arc in graph.arcs if arc.start == state]
    return found


trees = st.recursive(
    st.sampled_from([Word("yes", 1), Word("no", 1), Word("maybe", 1), Sequence(())]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Sequence(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda options: Choice(tuple((1.0, option) for option in options))),
        inner.map(Repetition),
    ),
    max_leaves=8,
)


@given(trees)
def test_the_graph_holds_the_sentences_of_the_tree_and_no_others(tree: Expansion) -> None:
    graph = word_graph(Grammar({"all": tree}, ("all",)))
    assert paths(graph) == sentences(tree)
    assert len({(arc.start, arc.word) for arc in graph.arcs}) == len(graph.arcs)


def test_the_same_beginnings_and_endings_are_shared() -> None:
    graph = word_graph(parse("#JSGF V1.0; public <a> = are you open today | are you there today | is it open today;"))
    assert graph.states == 7


def test_weights_multiply_along_what_is_chosen() -> None:
    graph = word_graph(parse("#JSGF V1.0; public <a> = /1/ (/1/ yes | /0.5/ yeah) | /0.5/ (no | [/1/ well] nope);"))
    assert {arc.word: arc.weight for arc in graph.arcs if arc.start == 0} == {
        "yes": 1.0,
        "yeah": 0.5,
        "no": 0.5,
        "well": 0.5,
        "nope": 0.5,
    }


def test_a_rule_that_cannot_be_said_leaves_no_dead_ends() -> None:
    graph = word_graph(parse("#JSGF V1.0; public <a> = yes | no <VOID>;"))
    assert [arc.word for arc in graph.arcs] == ["yes"]


def test_a_grammar_that_nobody_can_speak_is_an_empty_graph() -> None:
    graph = word_graph(parse("#JSGF V1.0; public <a> = <VOID>;"))
    assert graph == WordGraph(1, (), frozenset())
