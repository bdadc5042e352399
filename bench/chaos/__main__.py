"""`python -m bench.chaos`: what `ringmaster bench chaos` is."""

import argparse
import sys

from bench.chaos import command

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description="What callers hear when things break.")
    command.add_arguments(parser)
    sys.exit(command.run(parser.parse_args()))
