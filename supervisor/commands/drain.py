"""`ringmaster drain`: no new calls; waits until those that are open have ended."""

import argparse
import asyncio
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ipc.bus import Bus
from ipc.messages import CallList, Done, ListCalls, OpenedCall
from ipc.orders import Drain, Status, SystemStatus
from supervisor.commands import asking, common
from supervisor.commands.asking import ANSWER_S, NOT_FINE, SUPERVISOR

FINE = 0

LOOK_S = 0.5
"""Between two looks at the calls that are left."""

STOP_S = 60.0
"""From SIGTERM to the end of the supervisor: more than it allows itself (`supervisor.service.FINISH_S`)."""

CLEAR = "\x1b[H\x1b[2J"
"""Cursor to the top left, screen cleared."""

STILL = "still draining: `ringmaster drain --off` takes new calls again"


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is still open."""

    call_id: str
    audio_actor: str
    age_s: float
    at_most_s: float
    """How long it may last from now on, by `turns.max_call_s`; the agent's goodbye comes on top."""


def left(calls: Sequence[OpenedCall], max_call_s: float, now_ns: int) -> list[Left]:
    """The oldest first."""
    found = []
    for call in sorted(calls, key=lambda call: call.opened_ns):
        age = (now_ns - call.opened_ns) / 1e9
        most = max(0.0, max_call_s - age)
        found.append(Left(call_id=call.call_id, audio_actor=call.audio_actor, age_s=age, at_most_s=most))
    return found


def table(calls: Sequence[Left]) -> str:
    head = ("call", "age", "at most", "audio actor")
    rows = [(call.call_id, _time(call.age_s), _time(call.at_most_s), call.audio_actor or "waits") for call in calls]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join((row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].rjust(widths[2]), row[3]))
        for row in (head, *rows)
    )


def _time(seconds: float) -> str:
    """Gives "4:05" and "1:02:03"."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    common.add_run_dir(parser)
    parser.add_argument(
        "--within", type=float, metavar="SECONDS", help="wait no longer; exit code 1 when calls are left then"
    )
    parser.add_argument("--stop", action="store_true", help="then end the system (its supervisor gets SIGTERM)")
    parser.add_argument("--off", action="store_true", help="take new calls again, and do nothing else")
    parser.add_argument("--json", action="store_true", help="the outcome as one JSON object, and no list meanwhile")


def run(arguments: argparse.Namespace) -> int:
    async def errand(bus: Bus, run_dir: Path) -> int:
        return await _switch_off(bus, arguments) if arguments.off else await _drain(bus, arguments)

    try:
        return asking.run(arguments, errand)
    except KeyboardInterrupt:
        return NOT_FINE if arguments.off else asking.fail(f"\n{STILL}")


async def _switch_off(bus: Bus, arguments: argparse.Namespace) -> int:
    await bus.expect(SUPERVISOR, Drain(on=False), Done, within=ANSWER_S)
    _tell(arguments, "new calls are taken again", draining=False, calls=[])
    return FINE


async def _drain(bus: Bus, arguments: argparse.Namespace) -> int:
    await bus.expect(SUPERVISOR, Drain(on=True), Done, within=ANSWER_S)
    status = await bus.expect(SUPERVISOR, Status(), SystemStatus, within=ANSWER_S)
    deadline = None if arguments.within is None else time.monotonic() + arguments.within
    shown: object = None
    while calls := await _left(bus, status.max_call_s):
        if deadline is not None and time.monotonic() >= deadline:
            if not arguments.json:
                print(table(calls))
            count = f"{len(calls)} call{'s are' if len(calls) > 1 else ' is'} left"
            _tell(arguments, f"{count} after {arguments.within:g} s; {STILL}", draining=True, calls=calls)
            return NOT_FINE
        if not arguments.json:
            shown = _show(calls, shown)
        remaining = LOOK_S if deadline is None else min(LOOK_S, max(0.0, deadline - time.monotonic()))
        await asyncio.sleep(remaining)
    if not arguments.stop:
        _tell(arguments, f"no calls are left; {STILL}", draining=True, calls=[])
        return FINE
    if not await asyncio.to_thread(_stop, status.pid):
        return asking.fail(f"no calls are left, but process {status.pid} has not ended within {STOP_S:g} s of SIGTERM")
    _tell(arguments, "no calls are left; the system has been stopped", draining=False, calls=[])
    return FINE


async def _left(bus: Bus, max_call_s: float) -> list[Left]:
    listed = await bus.expect(SUPERVISOR, ListCalls(), CallList, within=ANSWER_S)
    return left(listed.calls, max_call_s, time.monotonic_ns())


def _show(calls: Sequence[Left], shown: object) -> object:
    """On a terminal again and again in the same place, elsewhere only when a call has gone."""
    names = [call.call_id for call in calls]
    if sys.stdout.isatty():
        print(f"{CLEAR}draining; Ctrl-C ends the waiting, and not the draining\n\n{table(calls)}", flush=True)
    elif names != shown:
        print(f"{table(calls)}\n", flush=True)
    return names


def _stop(pid: int) -> bool:
    """True when the supervisor has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        return bool(select.select([pidfd], [], [], STOP_S)[0])
    except ProcessLookupError:
        return True
    finally:
        os.close(pidfd)


def _tell(arguments: argparse.Namespace, sentence: str, *, draining: bool, calls: Sequence[Left]) -> None:
    if arguments.json:
        outcome = {"outcome": sentence, "draining": draining, "calls": msgspec.to_builtins(calls)}
        print(msgspec.json.encode(outcome).decode())
    else:
        print(sentence)
