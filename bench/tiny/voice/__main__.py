"""`python -m bench.tiny.voice --out models/tiny/voice`: makes the tiny voice, in about ten minutes on one core.

It writes `en_US-tiny.onnx`, a second file with two speakers, and the JSON of each. The same seed gives the same voice
where the same libraries compute it.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

from bench.tiny.voice import aligned, graph, network, sound

SPEAKERS = {"low": (1.0, 1.0), "high": (1.75, 1.16)}
"""What pitch and formants of the voice that was learned are multiplied by: the second one is a smaller throat."""
FILES = {"en_US-tiny": ("low",), "en_US-tiny-pair": ("low", "high")}


def card(speakers: tuple[str, ...]) -> dict[str, Any]:
    """The JSON beside the model, as Piper's exporter writes it."""
    return {
        "audio": {"sample_rate": sound.RATE, "quality": "x_low"},
        "espeak": {"voice": aligned.VOICE},
        "language": {"code": "en_US"},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_map": {},
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
        "num_symbols": network.SYMBOLS,
        "num_speakers": len(speakers),
        "speaker_id_map": {name: number for number, name in enumerate(speakers)} if len(speakers) > 1 else {},
        "hop_length": sound.FRAME,
        "dataset": "tiny",
    }


def make(out: Path, sentences: int, steps: int, seed: int) -> None:
    begun = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {text}", flush=True)

    spoken = [
        (said, sound.measure(said.pcm))
        for said in aligned.utterances(sentences, seed, sound.RATE, sound.FRAME)
        if len(said.pcm)
    ]
    tell(f"{len(spoken)} sentences, {sum(len(said.pcm) for said, _ in spoken) / sound.RATE:.0f} s of speech")
    silent = np.zeros(network.SYMBOLS, np.float32)
    for symbol in aligned.SILENT_IDS:
        silent[DEFAULT_PHONEME_ID_MAP[symbol]] = 1
    weights = network.learn(network.Lesson(spoken), silent, steps, seed, tell)
    _fill_unlearned(weights, spoken)
    out.mkdir(parents=True, exist_ok=True)
    for name, speakers in FILES.items():
        model = graph.draw(weights, silent, [SPEAKERS[speaker] for speaker in speakers])
        file = out / f"{name}.onnx"
        for path, content in (
            (file, model.SerializeToString()),
            (file.with_name(f"{file.name}.json"), json.dumps(card(speakers), ensure_ascii=False, indent=1).encode()),
        ):
            partial = path.with_name(f".{path.name}.partial")
            partial.write_bytes(content)
            partial.replace(path)
        tell(f"{file}: {file.stat().st_size} bytes")


def _fill_unlearned(weights: dict[str, Any], spoken: list[Any]) -> None:
    """Phonemes that English does not have sound like the mean of those that it has, and not like anything."""
    seen = np.zeros(network.SYMBOLS, bool)
    for said, _ in spoken:
        seen[said.ids] = True
    weights["table"] = np.where(seen[:, None], weights["table"], weights["table"][seen].mean(axis=0)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tiny.voice", description="Makes the tiny voice.")
    parser.add_argument("--out", type=Path, default=Path("models/tiny/voice"), help="folder (default: %(default)s)")
    parser.add_argument("--sentences", type=int, default=1200, help="of espeak's, to learn from (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=4000, help="of learning (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn by chance (default: %(default)s)")
    options = parser.parse_args()
    make(options.out, options.sentences, options.steps, options.seed)


if __name__ == "__main__":
    # One thread of arithmetic: more of them add up in an order that changes from run to run.
    flag = "--xla_cpu_multi_thread_eigen=false"
    if flag not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
        os.execv(sys.executable, [sys.executable, "-m", "bench.tiny.voice", *sys.argv[1:]])
    main()
