"""`ringmaster bench KIND`: how it holds under load, under attack and over time.

Each kind is a module of the folder bench with `add_arguments(parser)` and `run(arguments) -> int`, named here and
imported only when it is wanted: nothing of the system depends on its benches.
"""

import argparse
import importlib
import signal
import sys
from typing import Protocol, cast

KINDS = {
    "load": ("bench.load.command", "synthetic callers: pacing, latency, loss, CPU and memory as calls grow in number"),
    "chaos": ("bench.chaos.command", "kills and stalls processes during calls: what callers notice"),
    "capacity": ("bench.capacity.command", "how many calls this machine carries"),
    "soak": ("bench.soak.command", "calls for hours: what leaks or drifts"),
}
"""Name of the kind: its module, and its line in the help."""

NOT_FINE = 1


class Kind(Protocol):
    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Gives the exit code."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "kinds:\n" + "\n".join(f"  {name:10}{line}" for name, (_, line) in KINDS.items())
    parser.add_argument("kind", choices=KINDS, metavar="kind", help=f"one of {', '.join(KINDS)}")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="its options; `--help` lists them")


def run(arguments: argparse.Namespace) -> int:
    name, line = KINDS[arguments.kind]
    try:
        kind = cast(Kind, importlib.import_module(name))
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        print(f"the bench {arguments.kind} is not part of this installation: there is no {error.name}", file=sys.stderr)
        return NOT_FINE
    parser = argparse.ArgumentParser(
        prog=f"ringmaster bench {arguments.kind}", description=f"{line[0].upper()}{line[1:]}."
    )
    kind.add_arguments(parser)
    # The command line ends at a broken pipe; a bench has sockets, which break at every hangup.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    return kind.run(parser.parse_args(arguments.words))
