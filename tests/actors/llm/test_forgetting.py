"""What is left out of a call that has become too long for the model."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from actors.llm.engine import Line
from actors.llm.forgetting import first_kept


def call(turns: int) -> list[Line]:
    lines = [Line("agent", "Hello!")]
    for number in range(turns):
        lines += [Line("caller", f"question {number}"), Line("agent", f"answer {number}")]
    return lines


def test_nothing_is_forgotten_while_everything_fits() -> None:
    lines = call(5)
    assert first_kept(lines, [10] * len(lines), 110) == 0


def test_whole_turns_are_forgotten_the_oldest_first_and_half_of_the_room_is_free_then() -> None:
    lines = call(6)[:-1]
    first = first_kept(lines, [10] * len(lines), 110)
    assert lines[first].who == "caller"
    assert 10 * (len(lines) - first) <= 55


def test_what_is_forgotten_stays_the_same_for_many_turns() -> None:
    firsts = [first_kept(call(turns)[:-1], [10] * (2 * turns), 400) for turns in range(1, 200)]
    changes = sum(one != two for one, two in pairwise(firsts))
    assert firsts[-1] > 300
    assert changes <= 2 * 200 * 10 / (400 / 2) + 1


@given(st.lists(st.tuples(st.sampled_from(["caller", "agent", "tool"]), st.integers(1, 60)), min_size=1, max_size=40))
def test_what_is_kept_fits_unless_it_is_the_last_line_alone(turns: list[tuple[str, int]]) -> None:
    lines = [Line(who, "text") for who, _ in turns]  # type: ignore[arg-type]
    tokens = [size for _, size in turns]
    first = first_kept(lines, tokens, 100)
    assert first < len(lines)
    assert sum(tokens[first:]) <= 100 or first == len(lines) - 1
