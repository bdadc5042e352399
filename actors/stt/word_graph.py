"""Turns a grammar into the smallest graph whose paths are its sentences: what a recogniser searches.

A tree of rules becomes a graph with many ways through the same words (Thompson's construction), then one with a single
way (subsets), then one without two states that have the same future (Moore's partition). The fewer states, the fewer
hypotheses compete at every frame: the grammar of `bench.hearing` shrinks from 391 states to 153.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from actors.stt.jsgf import Choice, Expansion, Grammar, Reference, Repetition, Sequence, Word


@dataclass(frozen=True, slots=True)
class Arc:
    """From one state to another by saying a word."""

    start: int
    end: int
    word: str
    weight: float
    """Probability beside the likeliest alternative's: above 0.0, at most 1.0."""


@dataclass(frozen=True, slots=True)
class WordGraph:
    """State 0 is the start; a sentence may end in any state of `ends`. No states that lead nowhere."""

    states: int
    arcs: tuple[Arc, ...]
    ends: frozenset[int]


Label = tuple[str, float]
"""Word and weight: what tells two arcs of a state apart."""


def word_graph(grammar: Grammar) -> WordGraph:
    """The graph of all public rules of the grammar."""
    sketch = _Sketch(grammar)
    last = sketch.new_state()
    for rule in grammar.public:
        sketch.add(grammar.rules[rule], 0, last, 1.0)
    return _smallest(*_without_choice(sketch, last))


@dataclass
class _Sketch:
    """A graph with silent arcs, as it grows."""

    grammar: Grammar
    states: int = 1
    spoken: dict[int, list[tuple[Label, int]]] = field(default_factory=lambda: defaultdict(list))
    silent: dict[int, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))

    def new_state(self) -> int:
        self.states += 1
        return self.states - 1

    def add(self, part: Expansion, start: int, end: int, weight: float) -> None:
        """Makes all ways of saying `part` lead from `start` to `end`; `weight` is that of choosing it."""
        match part:
            case Word(text, _):
                self.spoken[start].append(((text, weight), end))
            case Reference(rule, _):
                self.add(self.grammar.rules[rule], start, end, weight)
            case Sequence(parts):
                here = start
                for inner in parts:
                    there = self.new_state()
                    self.add(inner, here, there, weight)
                    here, weight = there, 1.0
                self.silent[here].append((weight, end))
            case Choice(options):
                for option_weight, inner in options:
                    self.add(inner, start, end, weight * option_weight)
            case Repetition(inner):
                loop = self.new_state()
                self.silent[start].append((weight, loop))
                self.add(inner, loop, loop, 1.0)
                self.silent[loop].append((1.0, end))

    def reached_silently(self, state: int) -> dict[int, float]:
        """Each state that silent arcs lead to from here, with the weight of the likeliest way."""
        best = {state: 1.0}
        waiting = [state]
        while waiting:
            here = waiting.pop()
            for weight, there in self.silent[here]:
                if best[here] * weight > best.get(there, 0.0):
                    best[there] = best[here] * weight
                    waiting.append(there)
        return best


Transitions = dict[int, dict[Label, int]]


def _without_choice(sketch: _Sketch, last: int) -> tuple[Transitions, frozenset[int]]:
    """Subset construction: the state after a word is the set of all places where one can be after it."""
    closures = [sketch.reached_silently(state) for state in range(sketch.states)]
    numbers = {frozenset({0}): 0}
    waiting = [frozenset({0})]
    transitions: Transitions = {}
    ends: set[int] = set()
    while waiting:
        places = waiting.pop()
        number = numbers[places]
        leads: dict[Label, set[int]] = defaultdict(set)
        for place in places:
            for reached, silent_weight in closures[place].items():
                if reached == last:
                    ends.add(number)
                for (word, weight), there in sketch.spoken[reached]:
                    leads[word, weight * silent_weight].add(there)
        transitions[number] = {}
        for label, there_all in leads.items():
            there_set = frozenset(there_all)
            if there_set not in numbers:
                numbers[there_set] = len(numbers)
                waiting.append(there_set)
            transitions[number][label] = numbers[there_set]
    return transitions, frozenset(ends)


def _smallest(transitions: Transitions, ends: frozenset[int]) -> WordGraph:
    """Merges states from which exactly the same can follow, and leaves out those from which nothing can."""
    block = {state: int(state in ends) for state in transitions}
    while True:
        futures = {
            state: (block[state], frozenset((label, block[there]) for label, there in leads.items()))
            for state, leads in transitions.items()
        }
        names = {future: name for name, future in enumerate(dict.fromkeys(futures.values()))}
        refined = {state: names[future] for state, future in futures.items()}
        if len(names) == len(set(block.values())):
            break
        block = refined
    useful = _leading_to(transitions, ends)
    numbers = {block[0]: 0}
    arcs: dict[Arc, None] = {}
    for state, leads in transitions.items():
        for (word, weight), there in leads.items():
            if state in useful and there in useful:
                start, end = (numbers.setdefault(block[place], len(numbers)) for place in (state, there))
                arcs[Arc(start, end, word, weight)] = None
    return WordGraph(len(numbers), tuple(arcs), frozenset(numbers[block[end]] for end in ends if block[end] in numbers))


def _leading_to(transitions: Transitions, ends: frozenset[int]) -> set[int]:
    useful = set(ends)
    while True:
        more = {state for state, leads in transitions.items() if not useful.isdisjoint(leads.values())} - useful
        if not more:
            return useful
        useful |= more
