"""`python -m bench.soak`: what `ringmaster bench soak` is."""

import argparse
import sys

from bench.soak import command

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description="Calls that come and go for long, and whether anything grows."
    )
    command.add_arguments(parser)
    sys.exit(command.run(parser.parse_args()))
