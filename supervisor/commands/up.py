"""`ringmaster up`: the whole system, in the foreground, until SIGTERM or Ctrl-C."""

import argparse
from pathlib import Path

from supervisor import service
from supervisor.commands import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    common.add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    config = common.loaded(arguments)
    chosen: Path = arguments.run_dir or Path(config.settings.run.directory)
    return service.up(config, chosen.resolve())
