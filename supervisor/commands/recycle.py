"""`ringmaster recycle`: fresh processes in a running system, one after the other, without the loss of a call."""

import argparse

from ipc.orders import Recycle
from supervisor.commands import retuning

LONGEST_S = 3600.0
"""A pool of thirty actors that each load a model for two minutes. The supervisor goes on if we are broken off."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help=f'{retuning.TARGET.rpartition(" or ")[0]} or "nursery"')
    retuning.add_arguments(parser, persists=False)


def run(arguments: argparse.Namespace) -> int:
    target: str = arguments.target
    done = f"{target}: recycled"
    return retuning.run(arguments, Recycle(target=target), dict, done, within=LONGEST_S)
