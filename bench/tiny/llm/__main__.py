"""`python -m bench.tiny.llm`: makes the tiny language model that tests and the demo use, and examines it."""

import argparse
import sys
from pathlib import Path

from bench.tiny.llm import examination, making
from config.load import SHIPPED, load

AGENT = "front-desk"
QUESTIONS = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.tiny.llm", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("--out", type=Path, default=Path("models/tiny/llm"), help="folder for the model")
    parser.add_argument("--steps", type=int, default=making.STEPS, help=f"of training ({making.STEPS})")
    parser.add_argument("--seed", type=int, default=making.SEED, help="of everything that is random")
    parser.add_argument("--examine", action="store_true", help="only ask the model that is there")
    options = parser.parse_args()
    agent = load(SHIPPED).agents[AGENT]
    path = options.out / making.FILE
    if not options.examine:
        making.make(agent, path, options.steps, options.seed, lambda text: print(text, flush=True))
    marks = examination.examine(agent, examination.llama(path), QUESTIONS)
    for mark in marks:
        if not mark.right:
            print(f"{mark.question.lines[-1].text!r}: {mark.written!r} instead of {mark.question.answer!r}")
    print(f"{sum(mark.right for mark in marks)} of {len(marks)} answers are right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
