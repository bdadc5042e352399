"""`ringmaster`: the command line. Each command is a module of its own, imported only when it is wanted.

To add one: write a module with `add_arguments(parser)` and `run(arguments) -> int`, and a line in `COMMANDS`. Modules
of other folders are named, not imported: nothing here depends on them.

Exit codes: 0 fine, 1 not fine, 2 wrong usage or a wrong configuration.
"""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Protocol, cast

from config.problem import ConfigError

COMMANDS = {
    "up": ("supervisor.commands.up", "run the whole system in the foreground"),
    "status": ("supervisor.commands.status", "how the running system is: actors, calls, problems"),
    "calls": ("supervisor.commands.calls", "the calls so far: who called, what was said, how it ended"),
    "call": ("supervisor.commands.call", "have the agent call somebody"),
    "doctor": ("supervisor.commands.doctor", "look for what stands in the way of calls, and what to do about it"),
    "dialplan": ("supervisor.commands.dialplan", "the lines that Asterisk or FreePBX need, for copying"),
    "dump": ("supervisor.commands.dump", "write down the last minute and the stacks of the processes"),
    "tiers": ("supervisor.commands.tiers", "what this machine is good for: tier, actors, cores, threads, and why"),
    "affinity": ("supervisor.commands.affinity", "move running processes to other CPU cores"),
    "priority": ("supervisor.commands.priority", "give running processes another urgency"),
    "density": ("supervisor.commands.density", "let more or fewer calls share an audio actor, from now on"),
    "recycle": ("supervisor.commands.recycle", "replace running processes by fresh ones, without losing a call"),
    "drain": ("supervisor.commands.drain", "take no new calls, and wait until those that are open have ended"),
    "restart": ("supervisor.commands.restart", "start everything anew in the middle of calls, which go on"),
    "models": ("supervisor.commands.models", "the models for this machine: choose and fetch them, check, measure"),
    "bench": ("supervisor.commands.bench", "how it holds under load, under attack and over time"),
    "config": ("supervisor.commands.config", "check or show the configuration, or explain its keys"),
}
"""Name of the command: its module, and its line in the help."""

OK, NOT_FINE, WRONG_USE = 0, 1, 2


class Command(Protocol):
    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Gives the exit code. A `ConfigError` is told for it, with exit code 2."""


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command; `words` are those after the program's name. Gives the exit code."""
    words = sys.argv[1:] if words is None else words
    arguments, command = _parse(words)
    if arguments.command != "up":
        # Whoever reads only the first lines (`| head`) ends us without a word. A service must outlive broken pipes.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        return command.run(arguments)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return WRONG_USE
    except KeyboardInterrupt:
        return NOT_FINE


def _parse(words: Sequence[str]) -> tuple[argparse.Namespace, Command]:
    """Ends the process with 2 and a usage line when the words make no sense, with 0 after --help or --version."""
    parser = argparse.ArgumentParser(prog="ringmaster", description="Puts an AI on the phone, on Asterisk and FreePBX.")
    parser.add_argument("--version", action="version", version=f"ringmaster {version('ringmaster')}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    wanted = next((word for word in words if not word.startswith("-")), "")
    chosen: Command | None = None
    for name, (module, line) in COMMANDS.items():
        subparser = commands.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        if name == wanted:
            chosen = cast(Command, importlib.import_module(module))
            chosen.add_arguments(subparser)
    arguments = parser.parse_args(words)
    assert chosen is not None
    return arguments, chosen


if __name__ == "__main__":
    sys.exit(main())
