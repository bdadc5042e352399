"""Some of the faults, for real, with few calls: what they do is done, and it is seen."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.chaos import deaths, report, shortages, upheavals
from bench.chaos.command import FAULTS, names
from bench.chaos.fault import Fault, Strike
from bench.chaos.scene import Scene, scene
from bench.chaos.trial import Outcome, trial
from supervisor.cli import main

CALLS = 4
DONE = ("kill-audio", "kill-conversation", "shm-full", "hang-up-all")


async def play(folder: Path, faults: Sequence[Fault]) -> dict[str, Outcome]:
    async with scene(CALLS, folder) as place:
        return {fault.name: await trial(fault, place, 1) for fault in faults}


async def hang_up_secretly(place: Scene, strike: Strike) -> None:
    """A call ends, and nobody has hung up as far as the bench knows: that is what a dropped caller looks like."""
    call = place.calls[0]
    strike.begins([call])
    assert call.phone is not None
    call.phone.hang_up()
    await call.over.wait()


def test_faults_are_done_and_what_callers_heard_is_told(tmp_path: Path) -> None:
    """Not held to times: the machines that run tests are shared."""
    faults = [fault for fault in FAULTS if fault.name in DONE]
    dropped = Fault(name="dropped", holds="Nobody is dropped.", do=hang_up_secretly)
    found = asyncio.run(play(tmp_path, [*faults, dropped]))
    for name, outcome in found.items():
        story = report.line(outcome)
        assert outcome.back, story
        assert outcome.skipped or outcome.strikes == 1, story
        if name != "dropped":
            assert outcome.hit.calls_lost + outcome.others.calls_lost == 0, story
            assert not outcome.broken or all("ms" in sentence for sentence in outcome.broken), story
    audio, conversation = found["kill-audio"], found["kill-conversation"]
    assert (audio.hit.callers, audio.others.callers) == (1, CALLS - 1)
    assert conversation.hit.callers + conversation.others.callers == CALLS
    assert found["hang-up-all"].hit.callers == 0
    assert found["dropped"].broken == ["1 call lost"]


def test_every_line_of_the_design_has_a_fault() -> None:
    assert len(set(names())) == len(names())
    modules = (deaths.FAULTS, shortages.FAULTS, upheavals.FAULTS)
    assert all(fault in FAULTS for faults in modules for fault in faults)
    assert {"kill-stt", "kill-llm", "kill-tts", "kill-audio", "kill-conversation", "kill-call-control"} <= set(names())
    assert {"events-cut", "asterisk-restart", "restart-house"} <= set(names())


def test_a_fault_that_there_is_not_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "chaos", "--only", "kill-everything"]) == 2
    assert "there is no fault kill-everything" in capsys.readouterr().err


def test_a_fault_that_is_not_possible_here_is_skipped_with_the_reason(tmp_path: Path) -> None:
    fault = replace(FAULTS[0], needs=lambda scene: "needs a moon")

    async def scenes() -> Outcome:
        return await trial(fault, None)  # type: ignore[arg-type]

    assert asyncio.run(scenes()).skipped == "needs a moon"
