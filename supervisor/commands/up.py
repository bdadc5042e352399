"""`ringmaster up`: the whole system or one half of it, in the foreground, until SIGTERM or Ctrl-C."""

import argparse
import os
from pathlib import Path

from config import roles
from supervisor import service
from supervisor.commands import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    common.add_run_dir(parser)
    parser.add_argument(
        "--role",
        choices=roles.ROLES,
        help="what runs here: `all`; `ai-server`, engines for others, without Asterisk; `engine`, everything else,"
        f" with the engines of `local.ws_url` (default: {roles.VARIABLE} in the environment, else all)",
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.role:
        os.environ[roles.VARIABLE] = arguments.role  # for every process that comes of this one
    config = common.loaded(arguments)
    chosen: Path = arguments.run_dir or Path(config.settings.run.directory)
    return service.up(config, chosen.resolve())
