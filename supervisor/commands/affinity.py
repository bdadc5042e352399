"""`ringmaster affinity`: on which CPU cores the processes of a running system run."""

import argparse

from ipc.orders import SetCores
from supervisor import cores
from supervisor.commands import retuning
from supervisor.commands.retuning import Values


def _cores(text: str) -> tuple[int, ...]:
    try:
        return cores.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help=retuning.TARGET)
    parser.add_argument(
        "cores", metavar="CORES", type=_cores, help=f'such as 0-3,6; "{cores.ANY}" is all that the system started with'
    )
    retuning.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    target: str = arguments.target
    wanted: tuple[int, ...] = arguments.cores
    where = f"cores {cores.text(wanted)}" if wanted else "any core"
    order = SetCores(target=target, cores=wanted)
    return retuning.run(arguments, order, lambda: values(target, wanted), f"{target}: on {where}, now and from now on")


def values(target: str, wanted: tuple[int, ...]) -> Values:
    """Raises `NoKey`."""
    return {(*retuning.section(target, "cores"), "cores"): wanted or cores.ANY}
