"""The progress board, and the pulse that is taken from it in virtual time."""

import os
from collections.abc import Iterator

import pytest

from ipc.progress import Board, Progress, Pulse, State


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board(f"ringmaster-test-{os.getpid()}-board", 3)
    yield board
    board.close()


def test_what_a_child_shows_the_supervisor_sees(board: Board) -> None:
    slot = board.take()
    child = Progress(board.name, slot)
    assert (board.progress(slot), board.state(slot), board.calls(slot)) == (0, State.STARTING, 0)
    child.bump()
    child.bump()
    child.show(State.READY)
    child.set_calls(7)
    assert (board.progress(slot), board.state(slot), board.calls(slot)) == (2, State.READY, 7)
    child.close()


def test_children_do_not_touch_each_others_slots(board: Board) -> None:
    slots = [board.take() for _ in range(3)]
    children = [Progress(board.name, slot) for slot in slots]
    for times, child in enumerate(children):
        for _ in range(times):
            child.bump()
    assert [board.progress(slot) for slot in slots] == [0, 1, 2]
    for child in children:
        child.close()


def test_a_slot_that_is_taken_again_is_empty(board: Board) -> None:
    slot = board.take()
    child = Progress(board.name, slot)
    child.bump()
    child.show(State.STOPPING)
    child.close()
    board.give_back(slot)
    assert board.take() == slot
    assert (board.progress(slot), board.state(slot)) == (0, State.STARTING)


def test_a_full_board_says_so(board: Board) -> None:
    for _ in range(3):
        board.take()
    with pytest.raises(LookupError, match="all 3 slots"):
        board.take()


def test_a_child_without_a_supervisor_finds_no_board() -> None:
    with pytest.raises(FileNotFoundError):
        Progress("ringmaster-test-nobody", 0)


# Looks at a progress word, as (seconds, word), and which of them tells of a stall, for a limit of 1 s.
PULSES: dict[str, list[tuple[float, int, bool]]] = {
    "it moves": [(0.0, 1, False), (0.9, 2, False), (1.8, 3, False), (2.7, 4, False)],
    "it stops": [(0.0, 1, False), (0.5, 1, False), (1.0, 1, True)],
    "it stops for a while": [(0.0, 1, False), (0.5, 1, False), (0.9, 2, False), (1.4, 2, False), (2.0, 2, True)],
    "nobody looked for an hour": [(0.0, 1, False), (3600.0, 1, False), (3600.4, 1, True)],
    "it started anew": [(0.0, 9, False), (0.6, 0, False), (1.2, 0, False), (1.7, 0, True)],
}


@pytest.mark.parametrize("looks", PULSES.values(), ids=PULSES.keys())
def test_a_pulse_stops_when_the_word_does(looks: list[tuple[float, int, bool]]) -> None:
    pulse = Pulse(stall_s=1.0, longest_look_s=0.6)
    assert [pulse.look(word, now) for now, word, _ in looks] == [stalled for *_, stalled in looks]


def test_a_board_can_be_handed_over_with_the_slots_of_those_who_live_on(board: Board) -> None:
    for _ in range(3):
        board.take()
    child = Progress(board.name, 1)
    child.bump()
    again = Board(board.name, taken={1})
    assert sorted([again.take(), again.take()]) == [0, 2]
    with pytest.raises(LookupError, match="all 3 slots"):
        again.take()
    child.bump()
    assert again.progress(1) == 2
    child.close()
    again.close()
