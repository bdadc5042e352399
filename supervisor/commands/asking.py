"""How a command gets at the running supervisor, and what it says when there is none."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from ipc.bus import BadMessage, Bus, NoAnswer, Refused
from supervisor.commands import common
from supervisor.instance import holder

ANSWER_S = 3.0
"""For what the supervisor answers at once."""

SUPERVISOR = "supervisor"

NOT_FINE = 1


def run(arguments: argparse.Namespace, errand: Callable[[Bus, Path], Awaitable[int]]) -> int:
    """Does the errand with a place on the bus; gives its exit code, or 1 when nobody answered or the answer was no."""
    run_dir = common.run_dir(arguments)
    try:
        return asyncio.run(_run(run_dir, errand))
    except PermissionError:
        return fail(f"{run_dir} belongs to another user: ask as that user (`sudo -u ...`)")


async def _run(run_dir: Path, errand: Callable[[Bus, Path], Awaitable[int]]) -> int:
    if holder(run_dir) is None:
        return fail(f"Ringmaster is not running in {run_dir}: start it with `ringmaster up`")
    async with Bus(run_dir, f"command.{os.getpid()}") as bus:
        try:
            return await errand(bus, run_dir)
        except (NoAnswer, BadMessage, Refused) as error:
            return fail(f"{error}")


def fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return NOT_FINE
