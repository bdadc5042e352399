"""`python -m bench.tiny.llm`: makes the tiny language model that tests and the demo use, and examines it."""

import argparse
import sys
from pathlib import Path

from bench.tiny.llm import making
from config.load import SHIPPED, load

AGENT = "front-desk"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.tiny.llm", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("--out", type=Path, default=Path("models/tiny/llm"), help="folder for the model")
    parser.add_argument("--steps", type=int, default=making.STEPS, help=f"of training ({making.STEPS})")
    parser.add_argument("--seed", type=int, default=making.SEED, help="of everything that is random")
    options = parser.parse_args()
    agent = load(SHIPPED).agents[AGENT]
    making.make(agent, options.out / making.FILE, options.steps, options.seed, lambda text: print(text, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
