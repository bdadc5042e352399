"""One caller's turns, with time as data."""

import random

from bench.capacity.talker import ANSWER_NS, DONE_NS, Sounds, Talker

MS = 1_000_000
S = 1000 * MS


class Line:
    """A caller and the line that they hear, in steps of 20 ms."""

    def __init__(self) -> None:
        self.now = 0
        self.talker = Talker(0, random.Random(3), lines=2)
        self.lines = self.line_end = self.audible = 0
        self.heard: list[int] = []
        self.said: list[int] = []

    def until(self, end: int, *, agent_talks: bool = False) -> None:
        while self.now < end:
            self.now += 20 * MS
            if agent_talks:
                self.audible = self.now
                self.heard.append(self.now)
            sounds = Sounds(self.lines, self.line_end, self.audible)
            said = self.talker.look(self.now, sounds, self._first)
            if said is not None:
                self.said.append(said)

    def _first(self, since: int) -> int:
        return next((at for at in self.heard if at > since), 0)

    def says_it(self) -> None:
        """What the caller was told to say has been spoken to its end."""
        self.lines, self.line_end = self.lines + 1, self.now


def after_the_greeting() -> Line:
    line = Line()
    line.until(3 * S, agent_talks=True)
    line.until(6 * S)
    return line


def test_a_caller_speaks_once_the_agent_has_finished() -> None:
    line = Line()
    line.until(3 * S, agent_talks=True)
    assert line.said == []
    line.until(3 * S + DONE_NS)
    assert line.said == []
    line.until(6 * S)
    assert len(line.said) == 1


def test_a_pause_within_what_the_agent_says_is_not_its_end() -> None:
    line = Line()
    line.until(1 * S, agent_talks=True)
    line.until(1 * S + DONE_NS - 20 * MS)
    line.until(4 * S, agent_talks=True)
    assert line.said == []


def test_latency_is_from_the_last_frame_spoken_to_the_first_one_heard() -> None:
    line = after_the_greeting()
    line.says_it()
    line.until(line.now + 420 * MS)
    line.until(line.now + 2 * S, agent_talks=True)
    (turn,) = line.talker.turns
    assert turn.latency_ms == 440.0


def test_a_caller_waits_for_the_end_of_the_answer_and_says_something_else() -> None:
    line = after_the_greeting()
    line.says_it()
    line.until(line.now + 2 * S, agent_talks=True)
    assert len(line.said) == 1
    line.until(line.now + 4 * S)
    assert len(line.said) == 2
    assert line.said[0] != line.said[1]


def test_a_turn_without_an_answer_is_counted_and_the_caller_speaks_again() -> None:
    line = after_the_greeting()
    line.says_it()
    line.until(line.now + ANSWER_NS + 5 * S)
    assert [turn.latency_ms for turn in line.talker.turns] == [None]
    assert len(line.said) == 2


def test_who_still_waits_has_waited_for_so_long() -> None:
    line = after_the_greeting()
    assert line.talker.waiting(line.now) is None
    line.says_it()
    said = line.now
    line.until(said + 3 * S)
    waiting = line.talker.waiting(line.now)
    assert waiting is not None
    assert (waiting.speech_end_ns, waiting.latency_ms) == (said, 3000.0)


def test_an_agent_without_a_greeting_is_spoken_to_after_a_while() -> None:
    line = Line()
    line.until(ANSWER_NS + 3 * S)
    assert len(line.said) == 1
