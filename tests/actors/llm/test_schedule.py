"""Who gets how much of a step."""

from hypothesis import given
from hypothesis import strategies as st

from actors.llm.schedule import ALONE, BESIDE_WRITERS, Work, read, step
from actors.llm.sequences import Held


def work(number: int, tokens: int, *, answering: bool = True) -> Work:
    return Work(Held(number), list(range(tokens)), answering=answering, begun=True)


def sizes(works: list[Work], batch: int = 64) -> dict[int, int]:
    return {share.work.held.number: len(share.tokens) for share in step(works, batch)}


def test_every_writer_has_its_token_in_every_step_and_a_long_prompt_waits_in_pieces() -> None:
    assert sizes([work(1, 1), work(2, 300), work(3, 1)]) == {1: 1, 2: 64, 3: 1}


def test_the_prompt_that_came_first_is_read_first_and_the_next_fills_the_step() -> None:
    assert sizes([work(1, 40), work(2, 50), work(3, 20)]) == {1: 40, 2: 24}


def test_what_is_only_suspected_waits_for_those_who_are_waited_for() -> None:
    assert sizes([work(1, 200, answering=False), work(2, 20)]) == {2: 20}


def test_what_is_only_suspected_is_read_in_small_pieces() -> None:
    assert sizes([work(1, 200, answering=False)]) == {1: ALONE}
    assert sizes([work(1, 200, answering=False), work(2, 1)]) == {1: BESIDE_WRITERS, 2: 1}


def test_the_next_token_is_wanted_behind_the_last_of_a_prompt_and_of_nothing_else() -> None:
    works = [work(1, 70), work(2, 1), work(3, 5, answering=False)]
    assert [share.last for share in step(works, 64)] == [True, False]  # the writer first, then a piece of the prompt
    read(step(works, 64))
    assert {share.work.held.number: share.last for share in step(works, 64)} == {1: True}


@given(st.lists(st.tuples(st.integers(1, 200), st.booleans()), max_size=6), st.integers(1, 128))
def test_everything_is_read_in_the_end_once_and_no_step_is_too_long(
    prompts: list[tuple[int, bool]], batch: int
) -> None:
    works = [work(number, tokens, answering=answering) for number, (tokens, answering) in enumerate(prompts)]
    seen: dict[int, list[int]] = {number: [] for number in range(len(works))}
    while shares := step(works, batch):
        assert sum(len(share.tokens) for share in shares) <= batch + len(works)
        for share in shares:
            seen[share.work.held.number] += share.tokens
        read(shares)
    assert seen == {number: list(range(tokens)) for number, (tokens, _) in enumerate(prompts)}
