"""`python -m bench.capacity`: the same as `ringmaster bench capacity`."""

import argparse
import sys

from bench.capacity import command
from config.problem import ConfigError


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.capacity", description="How many calls this machine carries, and the settings for that."
    )
    command.add_arguments(parser)
    try:
        return command.run(parser.parse_args())
    except ConfigError as error:
        print(error, file=sys.stderr)
        return command.WRONG_USE


if __name__ == "__main__":
    sys.exit(main())
