"""What a child asks for at birth, after an operator has said something else than the configuration."""

import os
from pathlib import Path

import pytest

from ipc.lifeline import Placement
from supervisor.scheduling import AUDIO_NICE, Placements
from tests.supervisor.stage import configuration

HOME = tuple(sorted(os.sched_getaffinity(0)))


@pytest.fixture
def placements(tmp_path: Path) -> Placements:
    sections = {"audio": {"priority": 7, "cores": [0]}, "actors": {"stt": {"nice": 4}}}
    return Placements(configuration(tmp_path, **sections).settings)


def test_without_a_word_it_is_the_configuration(placements: Placements) -> None:
    assert placements.of("audio.1", "audio") == Placement(cores=(0,), realtime=7, nice=AUDIO_NICE)
    assert placements.of("stt.1", "stt") == Placement(nice=4)
    assert not placements.moved
    assert not placements.urged("stt.1", "stt")


def test_an_actors_own_cores_come_before_its_roles_and_an_operators_word_before_both(tmp_path: Path) -> None:
    settings = configuration(tmp_path, actors={"stt": {"cores": [0, 1], "nice": 4}}).settings
    planned = Placements(settings, {"stt.2": (1,)})
    assert [planned.of(name, "stt").cores for name in ("stt.1", "stt.2")] == [(0, 1), (1,)]
    assert planned.of("stt.2", "stt").nice == 4
    planned.set_cores("stt", (0,), ["stt.1", "stt.2"])
    assert [planned.of(name, "stt").cores for name in ("stt.1", "stt.2")] == [(0,), (0,)]


def test_what_is_said_of_a_role_holds_for_all_its_actors(placements: Placements) -> None:
    placements.set_cores("stt", (1, 2), ["stt.1", "stt.2"])
    placements.set_urgency("stt", 0, 9, ["stt.1", "stt.2"])
    assert placements.of("stt.1", "stt") == placements.of("stt.9", "stt") == Placement(cores=(1, 2), nice=9)


def test_what_is_said_of_one_actor_holds_for_its_name(placements: Placements) -> None:
    placements.set_cores("stt", (1,), ["stt.1", "stt.2"])
    placements.set_cores("stt.2", (5,), [])
    assert [placements.of(name, "stt").cores for name in ("stt.1", "stt.2")] == [(1,), (5,)]


def test_a_word_about_the_role_replaces_older_ones_about_its_actors(placements: Placements) -> None:
    placements.set_urgency("stt.2", 3, 0, [])
    placements.set_urgency("stt", 0, 2, ["stt.1", "stt.2"])
    assert placements.of("stt.2", "stt") == Placement(nice=2)


def test_where_somebody_was_moved_nobody_inherits_the_cores_of_a_parent(placements: Placements) -> None:
    """The supervisor may have been moved, and children begin where it is."""
    placements.set_cores("supervisor", (0,), [])
    assert placements.of("stt.1", "stt").cores == HOME
    assert placements.of("nursery", "nursery").cores == HOME
    assert placements.of("audio.1", "audio").cores == (0,), "as configured"


def test_any_is_where_the_system_was_started(placements: Placements) -> None:
    placements.set_cores("audio", (), [])
    assert placements.of("audio.1", "audio").cores == HOME


def test_real_time_that_is_refused_leaves_the_configured_niceness(placements: Placements) -> None:
    placements.set_urgency("audio", 30, 0, [])
    assert placements.of("audio.1", "audio") == Placement(cores=(0,), realtime=30, nice=AUDIO_NICE)


def test_normal_is_normal_for_audio_too(placements: Placements) -> None:
    placements.set_urgency("audio", 0, 0, [])
    assert placements.of("audio.1", "audio") == Placement(cores=(0,))
