"""`ringmaster restart`: everything but the audio actors in calls is started anew, and the calls go on."""

import argparse
import asyncio
import contextlib
import sys
import time
from pathlib import Path

import msgspec

from ipc.bus import Bus, NoAnswer
from ipc.messages import Done
from ipc.orders import RestartHouse, Status, SystemStatus
from supervisor.commands import asking, common
from supervisor.commands.asking import ANSWER_S, NOT_FINE, SUPERVISOR
from supervisor.instance import holder

FINE = 0

TAKEN_ON_S = 30.0
"""For the rehearsal of the new program (`supervisor.restart.REHEARSAL_S`)."""

READY_S = 240.0
"""From the order until everybody is ready: 40 s for the old ones to stop, 120 s for a model from a slow disk."""

LOOK_S, ASK_S = 0.1, 1.0
"""Between two looks, and for the answer to each."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    ready: bool
    took_s: float
    """From the order until everybody was ready again."""
    calls_before: int
    calls_went_on: int
    problems: tuple[str, ...] = ()


def up_again(status: SystemStatus) -> bool:
    """True when whoever was started anew is ready. One that drains is not ready for callers, and up all the same."""
    return status.warm_audio > 0 and all(actor.state == "ready" for actor in status.actors if actor.role != "audio")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    common.add_run_dir(parser)
    parser.add_argument("--json", action="store_true", help="the outcome as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    async def errand(bus: Bus, run_dir: Path) -> int:
        return await _restart(bus, run_dir, arguments.json)

    return asking.run(arguments, errand)


async def _restart(bus: Bus, run_dir: Path, as_json: bool) -> int:
    before = await bus.expect(SUPERVISOR, Status(), SystemStatus, within=ANSWER_S)
    await bus.expect(SUPERVISOR, RestartHouse(), Done, within=TAKEN_ON_S)
    ordered = time.monotonic()
    after = await _until_up_again(bus, run_dir, ordered)
    took = time.monotonic() - ordered
    if after is None:
        return asking.fail(f"the system has ended {took:.1f} s after the order: its log says why")
    known = {call.call_id for call in before.calls}
    outcome = Outcome(
        ready=up_again(after),
        took_s=round(took, 3),
        calls_before=len(known),
        calls_went_on=len(known & {call.call_id for call in after.calls}),
        problems=after.problems,
    )
    if as_json:
        print(msgspec.json.encode(outcome).decode())
    else:
        _tell(outcome)
    return FINE if outcome.ready else NOT_FINE


async def _until_up_again(bus: Bus, run_dir: Path, ordered: float) -> SystemStatus | None:
    """How the new program is once it is ready, or how it is at the deadline; None when there is none."""
    last: SystemStatus | None = None
    while time.monotonic() - ordered < READY_S:
        with contextlib.suppress(NoAnswer):
            status = await bus.expect(SUPERVISOR, Status(), SystemStatus, within=ASK_S)
            # The process is the same; that its program is another shows in its age.
            if status.uptime_s < time.monotonic() - ordered:
                last = status
                if up_again(status):
                    return status
        if holder(run_dir) is None:
            return None
        await asyncio.sleep(LOOK_S)
    return last


def _tell(outcome: Outcome) -> None:
    calls = f"{outcome.calls_went_on} of {outcome.calls_before} calls went on"
    if outcome.ready:
        print(f"ready again after {outcome.took_s:.1f} s; {calls}")
        return
    print(f"not ready after {outcome.took_s:.1f} s; {calls}")
    for problem in outcome.problems:
        print(f"problem: {problem}", file=sys.stderr)
