"""Who goes where, on machines of several kinds."""

from collections.abc import Sequence

from bench.capacity.placement import Places, place
from models.machine import Core

PIPELINE = ("audio", "conversation", "stt", "llm", "tts")
PROVIDER = ("audio", "conversation")
BUSY = {"audio": 0.5, "conversation": 0.2, "stt": 1.2, "llm": 0.6, "tts": 0.6}


def machine(count: int, *, smt: bool = False, nodes: int = 1) -> list[Core]:
    """Numbered as Linux does it: first every core's first thread, then the second ones."""
    return [Core(threads=(at, at + count) if smt else (at,), node=at * nodes // count) for at in range(count)]


def used(places: Places, *roles: str) -> set[int]:
    return {number for role in roles for number in places[role]}


def only_first_threads(cores: Sequence[Core], numbers: set[int]) -> bool:
    return numbers <= {core.first for core in cores}


def test_on_two_cores_everybody_runs_anywhere() -> None:
    assert place(machine(2), BUSY, PIPELINE) == dict.fromkeys(PIPELINE, ())


def test_on_four_cores_one_keeps_house_one_is_for_audio_and_the_models_share_the_rest() -> None:
    places = place(machine(4), BUSY, PIPELINE)
    assert places == {"audio": (1,), "conversation": (0,), "stt": (2, 3), "llm": (2, 3), "tts": (2, 3)}


def test_audio_that_needs_little_shares_the_core_that_keeps_house() -> None:
    places = place(machine(4), {**BUSY, "audio": 0.1}, PIPELINE)
    assert places["audio"] == places["conversation"] == (0,)
    assert places["stt"] == (1, 2, 3)


def test_models_are_never_on_the_second_thread_of_a_core() -> None:
    cores = machine(8, smt=True)
    places = place(cores, BUSY, PIPELINE)
    assert places["conversation"] == (0, 8)
    assert only_first_threads(cores, used(places, "audio", "stt", "llm", "tts"))
    assert not used(places, "audio", "stt", "llm", "tts") & {0, 8}


def test_each_model_has_cores_of_its_own_where_there_are_two_a_role() -> None:
    places = place(machine(8, smt=True), BUSY, PIPELINE)
    parts = [set(places[role]) for role in ("stt", "llm", "tts")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 6
    assert len(places["stt"]) >= len(places["llm"]) == len(places["tts"]) >= 1


def test_sixteen_cores_are_divided_as_they_are_needed_and_all_of_them_are_used() -> None:
    places = place(machine(16), {**BUSY, "audio": 1.5}, PIPELINE)
    assert places["audio"] == (1, 2, 3)
    assert used(places, *PIPELINE) == set(range(16))
    assert len(places["stt"]) > len(places["tts"]) >= len(places["llm"])


def test_with_two_memory_nodes_no_model_lies_across_both_where_one_has_room() -> None:
    cores = machine(16, nodes=2)
    node = {core.first: core.node for core in cores}
    places = place(cores, BUSY, PIPELINE)
    assert {node[number] for number in used(places, "audio", "conversation")} == {0}
    for role in ("llm", "tts"):
        assert len({node[number] for number in places[role]}) == 1, places
    assert used(places, "stt", "llm", "tts") == set(range(16)) - used(places, "audio", "conversation")


def test_where_a_provider_talks_audio_and_conversation_have_the_cores_that_they_need() -> None:
    places = place(machine(8), {"audio": 2.0, "conversation": 1.0}, PROVIDER)
    assert places == {"audio": (1, 2, 3, 4), "conversation": (5, 6)}


def test_a_machine_that_audio_could_fill_keeps_a_core_for_the_models() -> None:
    places = place(machine(4), {**BUSY, "audio": 9.0}, PIPELINE)
    assert places["audio"] == (1, 2)
    assert places["stt"] == (3,)
