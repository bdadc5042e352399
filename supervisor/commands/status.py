"""`ringmaster status`: asks the running supervisor how it is."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import msgspec

from ipc.bus import BadMessage, Bus, NoAnswer
from ipc.orders import Status, SystemStatus
from supervisor import status_table
from supervisor.commands import common
from supervisor.instance import holder

ANSWER_S = 3.0

NOT_FINE = 1

CLEAR = "\x1b[H\x1b[2J"
"""Cursor to the top left, screen cleared."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    common.add_run_dir(parser)
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object (with --watch: one a line)")
    parser.add_argument(
        "--watch", type=float, nargs="?", const=1.0, metavar="SECONDS", help="again and again, once a second by default"
    )


def run(arguments: argparse.Namespace) -> int:
    run_dir = common.run_dir(arguments)
    try:
        return asyncio.run(_show(arguments, run_dir))
    except PermissionError:
        print(f"{run_dir} belongs to another user: ask as that user (`sudo -u ...`)", file=sys.stderr)
        return NOT_FINE


async def _show(arguments: argparse.Namespace, run_dir: Path) -> int:
    if holder(run_dir) is None:
        print(f"Ringmaster is not running in {run_dir}: start it with `ringmaster up`", file=sys.stderr)
        return NOT_FINE
    async with Bus(run_dir, f"status.{os.getpid()}") as bus:
        while True:
            try:
                status = await bus.expect("supervisor", Status(), SystemStatus, within=ANSWER_S)
            except (NoAnswer, BadMessage) as error:
                print(f"Ringmaster in {run_dir} does not say how it is: {error}", file=sys.stderr)
                return NOT_FINE
            _print(status, arguments)
            if arguments.watch is None:
                return 0 if status.ready else NOT_FINE
            await asyncio.sleep(arguments.watch)


def _print(status: SystemStatus, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(msgspec.json.encode(status).decode(), flush=True)
        return
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    clear = CLEAR if arguments.watch is not None and sys.stdout.isatty() else ""
    print(clear + status_table.render(status, colours=colours), flush=True)
