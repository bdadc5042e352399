"""`ringmaster doctor`: what stands in the way of calls, and what to do about it."""

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from config.load import Config
from config.problem import ConfigError
from ipc.bus import BadMessage, Bus, NoAnswer, Refused
from ipc.orders import Status, SystemStatus
from supervisor.commands import common
from supervisor.doctor import report
from supervisor.doctor.findings import Finding, Subject
from supervisor.doctor.survey import House, Options, survey
from supervisor.instance import holder

ANSWER_S = 3.0
FINE, NOT_FINE, WRONG_USE = 0, 1, 2
LONGEST_S = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Looks at the configuration, this machine, Asterisk and the dialplan, calls itself through Asterisk, and, while"
        " the system runs, calls the agent. Nobody's telephone rings, and what it makes in Asterisk it removes."
    )
    parser.epilog = "Exit code: 0 fine (advice is), 1 a warning or an error, 2 wrong usage or a wrong configuration."
    common.add_config(parser)
    common.add_run_dir(parser)
    parser.add_argument("--no-call", action="store_true", help="no calls: only what can be seen without")
    parser.add_argument(
        "--seconds", type=_seconds, default=10.0, metavar="S", help="how long each call is measured (default: 10)"
    )
    parser.add_argument(
        "--cli",
        default="",
        metavar="COMMAND",
        help="Asterisk's console, where it is not on this machine, such as 'docker exec pbx asterisk -rx'",
    )
    parser.add_argument("--json", action="store_true", help="the findings as one JSON object")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"from 1 to {LONGEST_S:g}")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    try:
        config = common.loaded(arguments)
    except ConfigError as error:
        subject = Subject("Ringmaster", "system")
        what, remedy = "the configuration is wrong", "ringmaster config check   names every place"
        _print([subject.error("configuration", what, "the system cannot start", remedy, str(error))], arguments)
        return WRONG_USE
    options = Options(call=not arguments.no_call, seconds=arguments.seconds, cli=arguments.cli)
    findings = asyncio.run(_examine(config, arguments, options))
    _print(findings, arguments)
    return FINE if report.is_fine(findings) else NOT_FINE


async def _examine(config: Config, arguments: argparse.Namespace, options: Options) -> list[Finding]:
    run_dir = (arguments.run_dir or Path(config.settings.run.directory)).resolve()
    async with _house(config, run_dir) as house:
        if options.call and not arguments.json and sys.stderr.isatty():
            print(f"this takes about {options.seconds * (2 if house.status else 1) + 5:.0f} s ...", file=sys.stderr)
        return await survey(house, options)


@contextlib.asynccontextmanager
async def _house(config: Config, run_dir: Path) -> AsyncIterator[House]:
    try:
        running = holder(run_dir) is not None
    except PermissionError as error:
        yield House(config=config, trouble=f"{run_dir} belongs to another user: {error.strerror}")
        return
    if not running:
        yield House(config=config)
        return
    async with contextlib.AsyncExitStack() as stack:
        try:
            bus = await stack.enter_async_context(Bus(run_dir, f"doctor.{os.getpid()}"))
            status = await bus.expect("supervisor", Status(), SystemStatus, within=ANSWER_S)
        except (NoAnswer, BadMessage, Refused, PermissionError) as error:
            yield House(config=config, trouble=str(error))
            return
        yield House(config=config, status=status, bus=bus)


def _print(findings: list[Finding], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(report.as_json(findings))
    else:
        print(report.render(findings, colours=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
