"""The decoding graph in two parts, as Vosk composes them while it decodes: sounds to words, and words in sequence.

`HCLr.fst` takes transition-ids and gives words, any word after any other; `Gr.fst` is the language model, in place of
which a recogniser may have a grammar. Vosk's own tool (`mkgraph_lookahead.sh` in Kaldi) stores the first as OpenFst's
`olabel_lookahead`, which prunes the search by what the language model allows next. No binding from PyPI writes that
type, but Vosk composes a plain vector as well: the search then follows words that the language model does not allow
until they are told apart, which with some hundred words costs little.

Never load Vosk into the process that imports this: kaldifst and Vosk each bring an OpenFst, and the heap is corrupted.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import kaldifst

from bench.tiny.vosk.kaldi_file import enters, stays
from bench.tiny.vosk.language import BEGIN, END, Bigrams
from bench.tiny.vosk.phones import GARBAGE, SILENCE, Position, all_phones, phone
from bench.tiny.vosk.sentences import UNKNOWN

Lexicon = Mapping[str, Mapping[tuple[str, ...], float]]
"""How each word is said: sounds, and how probable they are. `[unk]` is not in it."""

GARBAGE_FRAMES = 4
"""That `[unk]` takes at least, 120 ms: no noise between two words is one."""
PAUSE = 0.3
"""Probability of a pause behind a word, and of one before the first."""
DISAMBIGUATE = 2 * len(all_phones()) + 1
"""The first input label that is no transition-id: they tell words apart that sound the same."""


def symbols(lexicon: Lexicon) -> dict[str, int]:
    """Numbers of all words, as in `words.txt`."""
    return {"<eps>": 0, **{word: number for number, word in enumerate((*sorted(lexicon), UNKNOWN), 1)}}


def write(folder: Path, lexicon: Lexicon, bigrams: Bigrams, unknown_cost: float) -> None:
    """The folder `graph` of a model. `unknown_cost`, in nats, makes `[unk]` the dearer."""
    (folder / "phones").mkdir(parents=True, exist_ok=True)
    numbers = symbols(lexicon)
    (folder / "words.txt").write_text("".join(f"{word} {number}\n" for word, number in numbers.items()))
    kinds = ("nonword" if position is None else position for _, position in all_phones())
    (folder / "phones" / "word_boundary.int").write_text(
        "".join(f"{number} {kind}\n" for number, kind in enumerate(kinds, 1))
    )
    sounds, marks = _sounds_to_words(lexicon, numbers, unknown_cost)
    sounds.write(str(folder / "HCLr.fst"))
    (folder / "disambig_tid.int").write_text("".join(f"{DISAMBIGUATE + mark}\n" for mark in range(marks)))
    _language(bigrams, numbers).write(str(folder / "Gr.fst"))


def _language(bigrams: Bigrams, numbers: Mapping[str, int]) -> kaldifst.StdVectorFst:
    """One state for each word that something follows, and one for "whatever went before"."""
    fst = kaldifst.StdVectorFst()
    anything = fst.add_state()
    states = {before: fst.add_state() for before in bigrams.after}
    fst.start = states[BEGIN]

    def arc(state: int, word: str, probability: float) -> None:
        if word == END:
            fst.set_final(state, -math.log(probability))
        else:
            label = numbers[word]
            fst.add_arc(state, kaldifst.StdArc(label, label, -math.log(probability), states.get(word, anything)))

    for word, probability in bigrams.alone.items():
        arc(anything, word, probability)
    for before, followers in bigrams.after.items():
        for word, probability in followers.items():
            arc(states[before], word, probability)
        fst.add_arc(states[before], kaldifst.StdArc(0, 0, -math.log(bigrams.backoff[before]), anything))
    kaldifst.arcsort(fst, sort_type="ilabel")
    return fst


def _sounds_to_words(
    lexicon: Lexicon, numbers: Mapping[str, int], unknown_cost: float
) -> tuple[kaldifst.StdVectorFst, int]:
    """Any words in sequence, with pauses; and how many marks tell those apart that sound the same."""
    fst = kaldifst.StdVectorFst()
    loop, paused, start = fst.add_state(), fst.add_state(), fst.add_state()
    fst.start = start
    fst.set_final(loop, 0.0)
    silence, pause, none = enters(phone(SILENCE)), -math.log(PAUSE), -math.log(1.0 - PAUSE)
    fst.add_arc(start, kaldifst.StdArc(0, 0, none, loop))
    fst.add_arc(start, kaldifst.StdArc(silence, 0, pause, loop))
    fst.add_arc(paused, kaldifst.StdArc(silence, 0, 0.0, loop))
    ways = [(number, *way) for word, number in numbers.items() for way in _ways(word, lexicon, unknown_cost)]
    alike = Counter(labels for _, labels, _ in ways)
    taken: Counter[tuple[int, ...]] = Counter()
    for number, labels, cost in ways:
        if alike[labels] > 1:
            taken[labels] += 1
            labels = (*labels, DISAMBIGUATE + taken[labels] - 1)
        state = loop
        for at, label in enumerate(labels[:-1]):
            after = fst.add_state()
            fst.add_arc(state, kaldifst.StdArc(label, 0 if at else number, 0.0 if at else cost, after))
            state = after
        said, paid = (0, 0.0) if len(labels) > 1 else (number, cost)
        fst.add_arc(state, kaldifst.StdArc(labels[-1], said, paid + none, loop))
        fst.add_arc(state, kaldifst.StdArc(labels[-1], said, paid + pause, paused))
    kaldifst.determinize_star(fst)
    kaldifst.minimize_encoded(fst)
    looped = _with_loops(fst)
    kaldifst.arcsort(looped, sort_type="olabel")
    return looped, max(taken.values())


def _ways(word: str, lexicon: Lexicon, unknown_cost: float) -> Iterator[tuple[tuple[int, ...], float]]:
    """Transition-ids of each way to say the word, and its cost in nats."""
    if word == UNKNOWN:
        yield _labels((GARBAGE,) * GARBAGE_FRAMES), unknown_cost
    elif word in lexicon:
        most = max(lexicon[word].values())
        for sounds, probability in lexicon[word].items():
            yield _labels(sounds), -math.log(probability / most)


def _labels(sounds: tuple[str, ...]) -> tuple[int, ...]:
    def position(at: int) -> Position:
        if len(sounds) == 1:
            return "singleton"
        return "begin" if at == 0 else "end" if at == len(sounds) - 1 else "internal"

    return tuple(enters(phone(sound, position(at))) for at, sound in enumerate(sounds))


def _with_loops(fst: kaldifst.StdVectorFst) -> kaldifst.StdVectorFst:
    """Lets each phone last: behind the arc on which it begins, an arc from the state to itself.

    A state that several phones lead to becomes one state for each. Arcs cost nothing for staying or going: every phone
    does either with probability 0.5, so a path's cost for it depends on its length only.
    """
    made = kaldifst.StdVectorFst()
    states: dict[tuple[int, int], int] = {}
    waiting: list[tuple[int, int]] = []

    def state(key: tuple[int, int]) -> int:
        if key not in states:
            states[key] = made.add_state()
            waiting.append(key)
        return states[key]

    made.start = state((fst.start, 0))
    while waiting:
        old, entered = key = waiting.pop()
        new = states[key]
        if (final := fst.final(old).value) != math.inf:
            made.set_final(new, final)
        if entered:
            made.add_arc(new, kaldifst.StdArc(stays(entered // 2), 0, 0.0, new))
        for arc in kaldifst.ArcIterator(fst, old):
            label = arc.ilabel if arc.ilabel < DISAMBIGUATE else 0
            made.add_arc(new, kaldifst.StdArc(arc.ilabel, arc.olabel, arc.weight.value, state((arc.nextstate, label))))
    return made
