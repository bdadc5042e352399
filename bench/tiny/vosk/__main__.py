"""Makes the tiny Vosk model: `python -m bench.tiny.vosk --out models/tiny/vosk`."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from bench.tiny.vosk import corpus, directory, language, network, sentences, training
from bench.tiny.vosk.lexicon import lexicon

EXAMPLES = 9000
EPOCHS = 8
LANGUAGE_SENTENCES = 100_000
SEED = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.tiny.vosk", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="utterances to learn from")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="how often each is learnt from")
    options = parser.parse_args()
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    examples = corpus.examples(options.examples, SEED)
    tell(f"{len(examples)} utterances, {sum(len(example.frames) for example in examples) / 6000:.0f} minutes")
    mean, deviation, priors = training.statistics(examples)
    ways = lexicon(examples)
    pieces = training.chunks(examples)
    del examples
    weights = training.train(pieces, mean, deviation, options.epochs, SEED, tell)
    random = np.random.default_rng(SEED)
    drawn = (sentences.draw(random) for _ in range(LANGUAGE_SENTENCES))
    bigrams = language.estimate(drawn, (*sentences.words(), sentences.UNKNOWN))
    made, output = network.network(weights, mean, deviation)
    directory.write(options.out, made, output, priors, ways, bigrams)
    tell(f"{options.out}: {sum(file.stat().st_size for file in options.out.rglob('*') if file.is_file())} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
