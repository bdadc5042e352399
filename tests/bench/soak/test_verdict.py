"""What a soak is held to, with looks that were made up."""

from dataclasses import replace

from bench.soak import verdict
from bench.soak.gauge import Look

LEVEL = Look(
    at_s=0.0,
    calls=50,
    memory_kb={"audio": 1000.0, "conversation": 40_000.0, "ringmaster": 23_000.0},
    rss_kb=37_000.0,
    descriptors={"conversation": 102, "ringmaster": 470},
    segments=50,
    processes=63,
)
FINE = {"calls": 100, "spoken": 100_000, "lost": 3, "refused": 0, "dropped": 0, "foreign": 0}


def looks(**growing: float) -> list[Look]:
    """Half an hour; conversation_kb, descriptors and segments may grow by so much a minute."""
    made = []
    for number in range(360):
        minutes = number * 5 / 60
        memory = LEVEL.memory_kb["conversation"] + growing.get("conversation_kb", 0.0) * minutes
        held = LEVEL.descriptors["ringmaster"] + int(growing.get("descriptors", 0.0) * minutes)
        made.append(
            replace(
                LEVEL,
                at_s=number * 5.0,
                memory_kb={**LEVEL.memory_kb, "conversation": memory},
                descriptors={**LEVEL.descriptors, "ringmaster": held},
                segments=LEVEL.segments + int(growing.get("segments", 0.0) * minutes),
            )
        )
    return made


def leaks(made: list[Look]) -> list[str]:
    return verdict.leaks(verdict.slopes([look.at_s for look in made], verdict.series(made)))


def test_a_level_system_has_no_leak() -> None:
    assert leaks(looks()) == []


def test_a_leak_of_memory_is_told_with_its_role() -> None:
    (told,) = leaks(looks(conversation_kb=100.0))
    assert told.startswith("conversation memory kB grows by 100.0 a minute")


def test_one_more_arena_in_all_the_time_is_no_leak() -> None:
    assert leaks(looks(conversation_kb=40.0)) == [], "20 minutes at 40 kB are less than one of 1 MB"


def test_a_leak_of_descriptors_or_segments_is_told() -> None:
    assert [told.split(" grows")[0] for told in leaks(looks(descriptors=1.0))] == ["ringmaster descriptors"]
    assert [told.split(" grows")[0] for told in leaks(looks(segments=1.0))] == ["segments"]


def test_callers_without_complaints_have_none() -> None:
    assert verdict.complaints(FINE) == []


def test_each_complaint_is_told() -> None:
    tally = {**FINE, "refused": 2, "dropped": 1, "foreign": 5, "lost": 500}
    assert verdict.complaints(tally) == [
        "2 calls were not served",
        "1 calls were dropped by the system",
        "5 frames went to another caller",
        "500 of 100000 frames of the callers never came back",
    ]
    assert verdict.complaints({}) == ["no call was made"]


def test_what_is_left_after_the_last_call_is_told() -> None:
    empty = replace(LEVEL, calls=0, segments=0, processes=13)
    assert verdict.left(empty, empty) == []
    more = replace(empty, segments=1, processes=15, descriptors={"conversation": 104, "ringmaster": 470})
    assert verdict.left(empty, more) == [
        "1 segments of calls",
        "2 processes more than at the beginning",
        "2 descriptors of conversation more than at the beginning",
    ]
