"""Turns a grammar into a list of phrases, for recognisers that take no grammar but a few sentences to expect.

Vosk makes bigrams of what it is given: which word may follow which, nothing more. So a list that goes over every such
pair of a grammar at least once says all that can be said to it, however many sentences the grammar has: the one of
`bench.hearing` has millions, and 734 pairs in 532 phrases.
"""

from collections import defaultdict, deque
from itertools import pairwise

from actors.stt.word_graph import Arc, WordGraph

Follow = tuple[int, int]
"""Two arcs in a row, by their places in the graph's list."""


def phrases(graph: WordGraph) -> list[tuple[str, ...]]:
    """Sentences of the graph that hold, together, every pair of words that follow each other in any of them."""
    arcs = graph.arcs
    leaving: dict[int, list[int]] = defaultdict(list)
    for number, arc in enumerate(arcs):
        leaving[arc.start].append(number)
    to_start, to_end = _ways_from_start(graph, leaving), _ways_to_end(graph, leaving)
    said: set[tuple[str, str]] = set()
    found: list[tuple[str, ...]] = []
    for first, arc in enumerate(arcs):
        for second in leaving[arc.end]:
            if (arc.word, arcs[second].word) not in said:
                path = _lengthened([*to_start[arc.start], first, second], arcs, leaving, said)
                found.append(_spoken([*path, *to_end[arcs[path[-1]].end]], arcs, said))
    # A sentence of one word has no pair.
    alone = {(arc.word,) for arc in arcs if arc.start == 0 and arc.end in graph.ends}
    return list(dict.fromkeys([*found, *sorted(alone)]))


def _lengthened(
    path: list[int], arcs: tuple[Arc, ...], leaving: dict[int, list[int]], said: set[tuple[str, str]]
) -> list[int]:
    """The path, and on from it as long as that says something new."""
    new = {(arcs[path[-2]].word, arcs[path[-1]].word)}
    while True:
        word = arcs[path[-1]].word
        for number in leaving[arcs[path[-1]].end]:
            pair = (word, arcs[number].word)
            if pair not in said and pair not in new:
                new.add(pair)
                path.append(number)
                break
        else:
            return path


def _spoken(path: list[int], arcs: tuple[Arc, ...], said: set[tuple[str, str]]) -> tuple[str, ...]:
    words = tuple(arcs[number].word for number in path)
    said.update(pairwise(words))
    return words


def _ways_from_start(graph: WordGraph, leaving: dict[int, list[int]]) -> dict[int, tuple[int, ...]]:
    """For each state the fewest arcs that lead to it."""
    ways: dict[int, tuple[int, ...]] = {0: ()}
    waiting = deque([0])
    while waiting:
        here = waiting.popleft()
        for number in leaving[here]:
            there = graph.arcs[number].end
            if there not in ways:
                ways[there] = (*ways[here], number)
                waiting.append(there)
    return ways


def _ways_to_end(graph: WordGraph, leaving: dict[int, list[int]]) -> dict[int, tuple[int, ...]]:
    """For each state the fewest arcs that lead from it to an end."""
    entering: dict[int, list[int]] = defaultdict(list)
    for number, arc in enumerate(graph.arcs):
        entering[arc.end].append(number)
    ways: dict[int, tuple[int, ...]] = dict.fromkeys(graph.ends, ())
    waiting = deque(graph.ends)
    while waiting:
        here = waiting.popleft()
        for number in entering[here]:
            there = graph.arcs[number].start
            if there not in ways:
                ways[there] = (number, *ways[here])
                waiting.append(there)
    return ways
