"""`python -m bench.load`: the same as `ringmaster bench load`."""

import argparse
import sys

from bench.load import command

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.load")
    command.add_arguments(parser)
    sys.exit(command.run(parser.parse_args()))
