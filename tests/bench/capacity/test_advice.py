"""What is recommended, and that it can be used as it is written."""

import shutil
from pathlib import Path

import pytest
import yaml

from bench.capacity.advice import Advice, advise, as_yaml, rate_of, warm_for
from bench.capacity.attempts import Attempt, Outcome
from bench.capacity.figures import Figures
from bench.capacity.limits import Breach
from config.load import SHIPPED, load
from config.persist import persist
from models.machine import Core

HELD = Figures(
    calls=20,
    up=20,
    turns=90,
    turn_p50_ms=450.0,
    turn_p95_ms=900.0,
    age_p95_ms=40.0,
    cpu={"audio": 60.0, "stt": 90.0, "conversation": 30.0, "llm": 5.0, "tts": 20.0},
    memory_mb=400.0,
)
BROKE = Breach("turn", "turn latency p95 2100.0 ms, limit 1500 ms", 40.0)
COUNTS = {"stt": 2, "llm": 2, "tts": 2, "conversation": 1}


def advice(cores: int = 8, density: int = 1) -> Advice:
    outcome = Outcome(Attempt(density, COUNTS), HELD, Figures(calls=22, up=22), (BROKE,))
    return advise(outcome, [Core(threads=(at,)) for at in range(cores)], 1500.0)


@pytest.mark.parametrize(("cores", "density"), [(2, 1), (8, 1), (8, 25)])
def test_the_yaml_is_a_configuration(tmp_path: Path, cores: int, density: int) -> None:
    text = as_yaml(advice(cores, density), "everything")
    others = "transfers: {destinations: {person: {context: people, extension: '100'}}}\n"
    shutil.copytree(SHIPPED.parent / "agents", tmp_path / "agents")
    (tmp_path / "settings.yaml").write_text(text + others)
    settings = load(tmp_path / "settings.yaml").settings
    assert settings.audio.max_calls == 16
    assert settings.audio.calls_per_process == density
    assert settings.actors.stt.count == 2
    assert settings.turns.refuse_above_ms == 1500
    assert (settings.actors.stt.cores == "any") == (cores == 2)
    assert "40 % beyond" in text


def test_the_yaml_says_the_same_as_the_keys_that_are_written_down() -> None:
    recommended = advice()
    told = yaml.safe_load(as_yaml(recommended, "everything"))
    for key, value in recommended.settings().items():
        found = told
        for name in key:
            found = found[name]
        assert found == value, key


def test_it_can_be_written_into_the_configuration_that_ships(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED.parent / "agents", tmp_path / "agents")
    path = tmp_path / "ai-agent.yaml"
    shutil.copy(SHIPPED, path)
    persist(path, advice().settings())
    settings = load(path).settings
    assert settings.audio.max_calls == 16
    assert settings.actors.llm.cores == advice().places["llm"]
    assert "# Ringmaster's settings." in path.read_text()


def test_it_says_what_bound_and_by_how_much() -> None:
    assert advice().why == "20 calls held; with 22: turn latency p95 2100.0 ms, limit 1500 ms (40 % beyond)"


def test_where_nothing_broke_it_says_that_the_limit_lies_above() -> None:
    recommended = advise(Outcome(Attempt(1, COUNTS), HELD, None), [Core(threads=(0,))], 1500.0)
    assert "the limit lies above" in recommended.why
    assert recommended.calls == 16


def test_where_the_callers_gave_up_first_it_says_so() -> None:
    breach = Breach("generator", "this machine cannot generate 22 calls: the callers were 3.0 ms late")
    recommended = advise(
        Outcome(Attempt(1, COUNTS), HELD, Figures(calls=22, up=22), (breach,)), [Core(threads=(0,))], 1500.0
    )
    assert "the limit of the system lies above" in recommended.why


def test_more_audio_actors_are_kept_warm_the_more_callers_come_while_one_starts() -> None:
    assert warm_for(0.1, 0.05) == 2
    assert warm_for(10.0, 0.05) < warm_for(100.0, 0.05) < warm_for(500.0, 0.05)
    assert warm_for(100_000.0, 1.0) == 64


def test_the_rate_that_so_many_can_serve_needs_no_more_of_them() -> None:
    for warm in (2, 5, 20):
        assert warm_for(rate_of(warm, 0.05), 0.05) <= warm
        assert warm_for(rate_of(warm, 0.05) * 1.05, 0.05) > warm


def test_where_callers_do_not_talk_nothing_is_said_of_turns() -> None:
    outcome = Outcome(Attempt(1, {"conversation": 1}), Figures(calls=4, up=4), None)
    assert ("turns", "refuse_above_ms") not in advise(outcome, [Core(threads=(0,))], 1500.0).settings()
