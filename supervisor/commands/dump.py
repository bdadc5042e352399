"""`ringmaster dump`: writes down what the processes did in the last minute, and where each of their threads stands."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import msgspec

from ipc.bus import BadMessage, Bus, NoAnswer, Refused
from ipc.messages import CallList, ListCalls
from ipc.orders import Dump, Dumped
from supervisor.commands import common
from supervisor.instance import holder

ANSWER_S = 180.0
"""Some milliseconds for each process that works, and 0.3 s for each that hangs: of these there may be hundreds."""

ALIVE_S = 3.0
"""For a question that takes the supervisor no time at all."""

NOT_FINE = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help='processes, as in `ringmaster status`: "stt.1" (default: all of them)'
    )
    common.add_config(parser)
    common.add_run_dir(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--show", action="store_true", help="print the whole dump, instead of the file's name")
    output.add_argument("--json", action="store_true", help="the file, who is in it, and who did not show its stacks")


def run(arguments: argparse.Namespace) -> int:
    """1 when the system does not run or does not answer, and when a process did not show its stacks."""
    run_dir = common.run_dir(arguments)
    try:
        return asyncio.run(_dump(arguments, run_dir))
    except PermissionError:
        print(f"{run_dir} belongs to another user: ask as that user (`sudo -u ...`)", file=sys.stderr)
        return NOT_FINE


async def _dump(arguments: argparse.Namespace, run_dir: Path) -> int:
    pid = holder(run_dir)
    if pid is None:
        print(f"Ringmaster is not running in {run_dir}: start it with `ringmaster up`", file=sys.stderr)
        return NOT_FINE
    async with Bus(run_dir, f"dump.{os.getpid()}") as bus:
        try:
            await bus.expect("supervisor", ListCalls(), CallList, within=ALIVE_S)
        except (NoAnswer, BadMessage):
            print(
                f"the supervisor (process {pid}) does not answer. `kill -ABRT {pid}` ends the system, and when it is"
                f" started again it writes to {run_dir}/dumps what its supervisor was doing",
                file=sys.stderr,
            )
            return NOT_FINE
        try:
            order = Dump(names=tuple(arguments.names))
            dumped = await bus.expect("supervisor", order, Dumped, within=ANSWER_S)
        except (NoAnswer, BadMessage, Refused) as error:
            print(error, file=sys.stderr)
            return NOT_FINE
    if arguments.json:
        print(msgspec.json.encode(dumped).decode())
    elif arguments.show:
        print(Path(dumped.path).read_text(), end="")
    else:
        print(dumped.path)
    for name in dumped.silent:
        print(
            f"{name} did not show its stacks: it is stopped, hangs in the kernel, or has just started", file=sys.stderr
        )
    return NOT_FINE if dumped.silent else 0
