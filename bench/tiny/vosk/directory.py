"""A model's directory as Vosk reads it (version 2): `am/`, `conf/`, `graph/`.

The layout and the settings are those of https://github.com/alphacep/vosk-api, `src/model.cc`.
"""

from pathlib import Path

import numpy as np

from bench.tiny.vosk import features, graph, kaldi_file, network
from bench.tiny.vosk.kaldi_file import Network, Vector
from bench.tiny.vosk.language import Bigrams
from bench.tiny.vosk.phones import SILENCE, all_phones, pdfs, phone

STAY = 0.5
"""See `graph._with_loops`."""
ACOUSTIC_SCALE = 0.4
"""What a frame says counts that much beside the language model: neighbouring frames say nearly the same."""
UNKNOWN_COST = -3.0
"""In nats: `[unk]` is helped. At -2, 88 % of what is heard in speech of unknown words is `[unk]`, at -3, 97 %, and at
neither is a word that the model knows; after a training on half as much, 1.5 % of those were at -4."""

CONF = f"""\
--min-active=200
--max-active=3000
--beam=12.0
--lattice-beam=5.0
--acoustic-scale={ACOUSTIC_SCALE}
--frame-subsampling-factor={network.SUBSAMPLING}
--frames-per-chunk=30
--endpoint.silence-phones={phone(SILENCE)}
--endpoint.rule2.min-trailing-silence=0.5
--endpoint.rule3.min-trailing-silence=1.0
--endpoint.rule4.min-trailing-silence=2.0
"""
"""`conf/model.conf`."""


def write(folder: Path, made: Network, output: str, priors: Vector, lexicon: graph.Lexicon, bigrams: Bigrams) -> None:
    """The whole directory. `priors` are the pdfs' shares of all frames."""
    tuples = [(number, *pdfs(name)) for number, (name, _) in enumerate(all_phones(), 1)]
    for part in ("am", "conf", "graph"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "am" / "final.mdl").write_bytes(kaldi_file.model(tuples, STAY, made, output, priors.astype(np.float32)))
    (folder / "conf" / "model.conf").write_text(CONF)
    (folder / "conf" / "mfcc.conf").write_text(features.CONF)
    graph.write(folder / "graph", lexicon, bigrams, UNKNOWN_COST)
