"""The plan reaches real processes: they are as many as planned, each on its cores, and all see the same numbers."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.planned import PLAN
from tests.supervisor.planned import FIRST, LAST, MODULE
from tests.supervisor.stage import configuration
from tests.supervisor.system import System, Visit
from tests.supervisor.test_cli import ringmaster
from tests.supervisor.test_restart import restart

PLACES = {
    "stt.1": (FIRST,),
    "stt.2": (FIRST,),
    "llm.1": (LAST,),
    "llm.2": (LAST,),
    "tts.1": (FIRST,),
    "tts.2": (FIRST,),
    "conversation.1": (FIRST,),
}
"""Of four cores the first keeps house, the next two are the language model's, of which one is not there; the last is
for recogniser and voice."""


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    config = configuration(tmp_path_factory.mktemp("planned"), models={"directory": "/no/models/here"})
    path = config.path
    path.write_text(path.read_text().replace("active_pipeline: embedded", "active_pipeline: local"))
    with System(config, module=MODULE) as system:
        yield system


async def places(visitor: Visit) -> dict[str, tuple[int, ...]]:
    return {actor.name: actor.cores for actor in (await visitor.status()).actors if actor.name in PLACES}


def test_actors_are_pinned_as_planned(planned: System) -> None:
    async def scene(visitor: Visit) -> None:
        await visitor.warm()
        assert await places(visitor) == PLACES
        audio = [actor for actor in (await visitor.status()).actors if actor.role == "audio"]
        assert {actor.cores for actor in audio} == {(FIRST,)}

    planned.play(scene)


def test_all_actors_see_the_numbers_of_the_plan(planned: System) -> None:
    """Each of them may use one core, and would have planned for that."""
    written = json.loads((planned.run_dir / PLAN).read_text())
    threads = next(tuned["value"] for tuned in written["tuned"] if tuned["key"] == "engines.llama_cpp.threads")
    assert threads == 2
    for name in PLACES:
        told = json.loads((planned.run_dir / f"{name}.told").read_text())
        assert told == {"counts": [2, 2, 2], "threads": 2, "allowed": 1}, name


def test_a_restart_plans_anew(planned: System) -> None:
    async def scene(visitor: Visit) -> None:
        (planned.run_dir / PLAN).unlink()
        await restart(visitor)
        assert await places(visitor) == PLACES
        assert (planned.run_dir / PLAN).exists()

    planned.play(scene)


def test_an_operator_may_move_them_and_their_successors_stay_there(planned: System) -> None:
    run_dir = str(planned.run_dir)
    told = ringmaster("affinity", "llm", str(FIRST), "--json", "--run-dir", run_dir)
    assert told.returncode == 0, told.stderr
    assert ringmaster("recycle", "llm.2", "--run-dir", run_dir).returncode == 0

    async def moved(visitor: Visit) -> None:
        assert await places(visitor) == PLACES | {"llm.1": (FIRST,), "llm.2": (FIRST,)}

    planned.play(moved)
    assert ringmaster("affinity", "llm", "any", "--run-dir", run_dir).returncode == 0

    async def free(visitor: Visit) -> None:
        anywhere = tuple(sorted(os.sched_getaffinity(0)))
        assert await places(visitor) == PLACES | {"llm.1": anywhere, "llm.2": anywhere}

    planned.play(free)


def test_a_tier_that_there_is_not_keeps_the_system_from_starting(tmp_path: Path) -> None:
    config = configuration(tmp_path, models={"tier": "HUGE"})
    for command in (("up",), ("config", "check"), ("tiers",)):
        done = ringmaster(*command, "--config", str(config.path))
        assert (done.returncode, done.stdout) == (2, ""), command
        assert f"{config.path}:" in done.stderr
        assert 'models.tier: there is no tier "HUGE"; there are TINY_CPU, LIGHT_CPU' in done.stderr
