"""Who computes next. Threads wait for each other by what they say, and never for a time."""

import threading
import time
from collections.abc import Callable

from actors.tts.turns import NEVER_NS, Turn, Turns

PATIENCE_S = 20.0


class Clauses:
    """Threads that each compute a few stretches, in the order in which `turns` lets them; `done` is that order."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.done: list[str] = []
        self.threads: list[threading.Thread] = []

    def begin(
        self, name: str, turn: Turn, stretches: int, before: Callable[[int], object] = lambda number: None
    ) -> None:
        """`before` is called before each stretch, with its number."""

        def run() -> None:
            self.turns.enter(turn)
            for number in range(stretches):
                if number:
                    self.turns.rest(turn)
                if turn.stopped:
                    break
                before(number)
                self.done.append(name)
            self.turns.leave(turn)

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def finish(self) -> list[str]:
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), f"it waits for ever; done were {self.done}"
        return self.done


def until_waiting(turns: Turns, count: int) -> None:
    """Until so many wait for their turn."""
    given_up = time.monotonic() + PATIENCE_S
    while len(turns._waiting) != count:
        assert time.monotonic() < given_up, f"{len(turns._waiting)} wait and not {count}"
        time.sleep(0)  # lets the others run


def test_the_one_whose_caller_is_silent_first_goes_first() -> None:
    turns = Turns(1)
    clauses = Clauses(turns)
    go = threading.Event()
    clauses.begin("first", Turn(0), 1, lambda number: go.wait(PATIENCE_S))
    for name, due in (("late", 300), ("early", 100), ("middle", 200)):
        clauses.begin(name, Turn(due), 1)
        until_waiting(turns, len(clauses.threads) - 1)
    go.set()
    assert clauses.finish() == ["first", "early", "middle", "late"]


def test_who_has_seconds_in_the_mouth_lets_somebody_without_any_go_first_between_two_stretches() -> None:
    turns = Turns(1)
    clauses = Clauses(turns)

    def somebody_comes(number: int) -> None:
        if number == 1:
            clauses.begin("new", Turn(10), 2)
            until_waiting(turns, 1)

    clauses.begin("long", Turn(1000), 4, somebody_comes)
    clauses.threads[0].join(PATIENCE_S)
    assert clauses.finish() == ["long", "long", "new", "new", "long", "long"]


def test_with_audio_for_both_they_take_turns() -> None:
    turns = Turns(1)
    clauses = Clauses(turns)
    dues = {"a": Turn(0), "b": Turn(1)}

    def feed(name: str) -> Callable[[int], None]:
        def before(number: int) -> None:
            if name == "a" and number == 0:
                clauses.begin("b", dues["b"], 3, feed("b"))
                until_waiting(turns, 1)
            dues[name].due_ns += 10

        return before

    clauses.begin("a", dues["a"], 3, feed("a"))
    clauses.threads[0].join(PATIENCE_S)
    assert clauses.finish() == ["a", "b", "a", "b", "a", "b"]


def test_what_nobody_waits_for_comes_last() -> None:
    turns = Turns(1)
    clauses = Clauses(turns)
    idle = Turn(NEVER_NS)

    def somebody_comes(number: int) -> None:
        if number == 0:
            clauses.begin("call", Turn(1 << 60), 2)
            until_waiting(turns, 1)
        idle.put_off(5.0)

    clauses.begin("idle", idle, 3, somebody_comes)
    clauses.threads[0].join(PATIENCE_S)
    assert clauses.finish() == ["idle", "call", "call", "idle", "idle"]


def test_one_that_is_stopped_while_it_waits_ends_and_takes_nobodys_turn() -> None:
    turns = Turns(1)
    clauses = Clauses(turns)
    go = threading.Event()
    clauses.begin("first", Turn(0), 1, lambda number: go.wait(PATIENCE_S))
    stopped = Turn(1)
    clauses.begin("stopped", stopped, 1)
    until_waiting(turns, 1)
    turns.stop(stopped)
    clauses.threads[1].join(PATIENCE_S)
    go.set()
    assert clauses.finish() == ["first"]
    clauses.begin("next", Turn(2), 1)
    assert clauses.finish() == ["first", "next"]


def test_as_many_run_at_once_as_the_engine_can_use() -> None:
    turns = Turns(2)
    clauses = Clauses(turns)
    both = threading.Barrier(2)
    for name in ("one", "two"):
        clauses.begin(name, Turn(0), 1, lambda number: both.wait(PATIENCE_S))
    assert sorted(clauses.finish()) == ["one", "two"]


def test_audio_puts_the_due_time_off_from_now_where_the_mouth_had_run_dry() -> None:
    turn = Turn(5)
    turn.put_off(2.0)
    first = turn.due_ns
    assert first > 2e9, "counted from now and not from when it was asked for"
    turn.put_off(1.5)
    assert turn.due_ns == first + 1.5e9


def test_who_is_being_heard_and_would_fall_silent_in_the_middle_of_a_word_goes_before_who_hears_nothing_yet() -> None:
    soon = time.monotonic_ns()
    nearly_dry, far_from_dry = Turn(soon, heard=True), Turn(soon + int(60e9), heard=True)
    waiting = Turn(soon - int(5e9))
    assert sorted((far_from_dry, waiting, nearly_dry), key=Turn.urgency) == [nearly_dry, waiting, far_from_dry]
    waiting.put_off(0.1)
    assert waiting.heard and waiting.due_ns > nearly_dry.due_ns
