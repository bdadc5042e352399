"""What lies in the model's memory is always the beginning of what is to be read: tried with a model of the memory."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.llm.engine import Full
from actors.llm.schedule import Work, read, step
from actors.llm.sequences import Change, Copy, Sequences, common

OPENING = [1, 2, 3, 4]


@dataclass
class Memory:
    """What llama.cpp would hold: tokens by sequence."""

    held: dict[int, list[int]] = field(default_factory=dict)
    read: int = 0

    def change(self, changes: list[Change]) -> None:
        for change in changes:
            if isinstance(change, Copy):
                assert not self.held.get(change.sequence), "a copy goes into an empty sequence"
                self.held[change.sequence] = self.held[change.source][: change.count]
                assert len(self.held[change.sequence]) == change.count
            else:
                assert change.keep <= len(self.held[change.sequence])
                del self.held[change.sequence][change.keep :]

    def go_through(self, works: list[Work], batch: int) -> None:
        while shares := step(works, batch):
            for share in shares:
                there = self.held.setdefault(share.work.held.number, [])
                assert share.position == len(there), "no hole, and nothing twice"
                there += share.tokens
                self.read += len(share.tokens)
            read(shares)


def asked(sequences: Sequences, memory: Memory, call: str, tokens: list[int]) -> None:
    """One prompt read to its end."""
    memory.change(sequences.tidy())
    work = Work(sequences.take(call), tokens, answering=True, opening=common(tokens, OPENING))
    work.held.opening = work.opening
    memory.change(sequences.begin(work.held, tokens))
    work.begun = True
    assert work.left >= 1, "the last token is always read: what comes behind it is wanted"
    memory.go_through([work], 8)
    assert memory.held[work.held.number] == tokens


def with_opening(calls: int, *, whole: bool = False) -> tuple[Sequences, Memory]:
    sequences, memory = Sequences(calls, 1, whole=whole), Memory()
    (opening,) = sequences.openings
    work = Work(opening, list(OPENING), answering=True)
    memory.change(sequences.begin(opening, work.tokens))
    work.begun = True
    memory.go_through([work], 8)
    return sequences, memory


def test_a_second_turn_reads_only_what_is_new() -> None:
    sequences, memory = with_opening(2)
    asked(sequences, memory, "a", [*OPENING, 5, 6, 7])
    memory.read = 0
    asked(sequences, memory, "a", [*OPENING, 5, 6, 7, 8, 9])
    assert memory.read == 2


def test_the_first_turn_of_a_call_does_not_read_what_all_calls_begin_with() -> None:
    sequences, memory = with_opening(2)
    memory.read = 0
    asked(sequences, memory, "a", [*OPENING, 5])
    assert memory.read == 1


def test_what_turned_out_otherwise_is_read_anew_from_there_on() -> None:
    sequences, memory = with_opening(2)
    asked(sequences, memory, "a", [*OPENING, 5, 6, 7])
    memory.read = 0
    asked(sequences, memory, "a", [*OPENING, 5, 8, 9])
    assert memory.read == 2


def test_two_calls_do_not_disturb_each_other() -> None:
    sequences, memory = with_opening(2)
    asked(sequences, memory, "a", [*OPENING, 5, 6])
    asked(sequences, memory, "b", [*OPENING, 7, 8])
    memory.read = 0
    asked(sequences, memory, "a", [*OPENING, 5, 6, 9])
    asked(sequences, memory, "b", [*OPENING, 7, 8, 9])
    assert memory.read == 2


def test_room_is_kept_until_it_is_given_back() -> None:
    sequences = Sequences(2)
    sequences.reserve("a")
    sequences.reserve("b")
    sequences.reserve("a")
    for refused in (sequences.reserve, sequences.take):
        with pytest.raises(Full, match="all 2 calls"):
            refused("c")
    sequences.release("a")
    sequences.release("nobody")
    sequences.reserve("c")
    assert sequences.take("c").number != sequences.take("b").number


def test_who_has_not_reserved_gives_way_to_who_does_but_not_in_the_middle_of_an_answer() -> None:
    sequences = Sequences(1)
    held = sequences.take("a")
    held.busy = True
    with pytest.raises(Full):
        sequences.reserve("b")
    held.busy = False
    sequences.reserve("b")
    with pytest.raises(Full):
        sequences.take("a")


def test_when_a_call_is_over_only_what_all_calls_begin_with_is_kept() -> None:
    sequences, memory = with_opening(1)
    sequences.reserve("a")
    asked(sequences, memory, "a", [*OPENING, 5, 6])
    sequences.release("a")
    memory.change(sequences.tidy())
    assert memory.held[0] == OPENING


def test_a_memory_that_cannot_be_cut_goes_on_where_it_stands_or_begins_with_the_opening() -> None:
    sequences, memory = with_opening(1, whole=True)
    asked(sequences, memory, "a", [*OPENING, 5, 6])
    memory.read = 0
    asked(sequences, memory, "a", [*OPENING, 5, 6, 7])
    assert memory.read == 1
    asked(sequences, memory, "a", [*OPENING, 5, 9])
    assert memory.read == 1 + 2


TOKENS = st.lists(st.integers(5, 7), max_size=6)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["ask", "release", "reserve"]), TOKENS), max_size=25),
    st.booleans(),
)
def test_whatever_is_asked_in_whatever_order_each_sequence_holds_its_prompt(
    doings: list[tuple[str, str, list[int]]], whole: bool
) -> None:
    sequences, memory = with_opening(2, whole=whole)
    for call, doing, tokens in doings:
        try:
            if doing == "ask":
                asked(sequences, memory, call, [*OPENING, *tokens, 9])
            elif doing == "reserve":
                sequences.reserve(call)
            else:
                sequences.release(call)
        except Full:
            continue
        assert memory.held[2] == OPENING
        if whole:
            assert all(memory.held.get(held.number, []) == held.tokens for held in sequences.openings)


@given(TOKENS, TOKENS)
def test_common_is_the_longest_common_beginning(one: list[int], two: list[int]) -> None:
    length = common(one, two)
    assert one[:length] == two[:length]
    assert one[length : length + 1] != two[length : length + 1] or length == len(one) == len(two)
