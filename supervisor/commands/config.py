"""`ringmaster config`: what the configuration says, and whether it is right."""

import argparse
import json

from config.reference import reference
from config.show import shown, shown_as_yaml
from models import planned
from supervisor.commands import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    check = actions.add_parser("check", help="exit code 2, and every mistake with its file and line, if it is wrong")
    common.add_config(check)
    show = actions.add_parser("show", help="all settings as they hold, defaults included; secrets stay hidden")
    common.add_config(show)
    show.add_argument("--json", action="store_true", help="as one JSON object")
    actions.add_parser("reference", help="what every key means, in Markdown")


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "reference":
        print(reference(), end="")
        return 0
    config = common.loaded(arguments)
    if arguments.action == "check":
        planned.make(config)  # a tier that there is not
    if arguments.action == "show":
        print(json.dumps(shown(config)) if arguments.json else shown_as_yaml(config).rstrip())
    else:
        print(f"{config.path}: fine ({len(config.agents)} agent{'s' if len(config.agents) != 1 else ''})")
    return 0
