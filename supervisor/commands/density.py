"""`ringmaster density`: how many calls share one audio actor of a running system."""

import argparse

from ipc.orders import SetDensity
from supervisor.commands import retuning
from supervisor.commands.retuning import Values

MOST = 500
"""As in the schema."""


def _calls(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {MOST}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "calls",
        metavar="N",
        type=_calls,
        help=f"most calls that one audio actor serves, 1 to {MOST}; 1 is isolation, more is density",
    )
    retuning.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    calls: int = arguments.calls
    most = "1 call" if calls == 1 else f"up to {calls} calls"
    done = f"an audio actor serves {most}, from the next call on; open calls stay where they are"
    values: Values = {("audio", "calls_per_process"): calls}
    return retuning.run(arguments, SetDensity(calls_per_process=calls), lambda: values, done)
