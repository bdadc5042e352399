"""Makes the tiny Vosk model, or a heavy one that hears the same, for measuring speed.

    python -m bench.tiny.vosk --out models/tiny/vosk
    python -m bench.tiny.vosk --ballast small --out DIR

The second copies the model in `models/tiny/vosk` and puts the computing of a production model into it.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.tiny.vosk import ballast

EXAMPLES = 9000
EPOCHS = 8
LANGUAGE_SENTENCES = 100_000
SEED = 5
TINY = Path("models/tiny/vosk")


def make(out: Path, examples: int, epochs: int, tell: Callable[[str], None]) -> None:
    """Speaks, trains and writes the model."""
    # kaldifst brings an OpenFst of its own: a process that loads Vosk beside it dies of a corrupt heap. And training
    # needs JAX. So neither is loaded by those who only want the ballast.
    from bench.tiny.vosk import corpus, directory, language, network, sentences, training
    from bench.tiny.vosk.lexicon import lexicon

    spoken = corpus.examples(examples, SEED)
    tell(f"{len(spoken)} utterances, {sum(len(example.frames) for example in spoken) / 6000:.0f} minutes")
    mean, deviation, priors = training.statistics(spoken)
    ways = lexicon(spoken)
    pieces = training.chunks(spoken)
    del spoken
    weights = training.train(pieces, mean, deviation, epochs, SEED, tell)
    random = np.random.default_rng(SEED)
    drawn = (sentences.draw(random) for _ in range(LANGUAGE_SENTENCES))
    bigrams = language.estimate(drawn, (*sentences.words(), sentences.UNKNOWN))
    made, output = network.network(weights, mean, deviation)
    directory.write(out, made, output, priors, ways, bigrams)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.tiny.vosk", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument("--ballast", choices=sorted(ballast.SHAPES), help="do not train: add this shape's computing")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="utterances to learn from")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="how often each is learnt from")
    options = parser.parse_args()
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    if options.ballast:
        parameters = ballast.load(TINY, options.out, ballast.SHAPES[options.ballast])
        tell(f"{parameters / 1e6:.1f} million parameters of ballast")
    else:
        make(options.out, options.examples, options.epochs, tell)
    tell(f"{options.out}: {sum(file.stat().st_size for file in options.out.rglob('*') if file.is_file())} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
