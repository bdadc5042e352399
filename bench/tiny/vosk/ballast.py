"""What a production model computes, beside the tiny one's result: for measuring speed where no production model is.

A factorised TDNN of the true shape looks at the same features, and its result is multiplied by zero and added. What is
heard stays what it was; what it costs is what the shape costs: 0.8 % of a core for the small one, 4.8 % for the large,
beside 0.7 % for the tiny model itself. Not in it: the i-vectors that most published models want besides, and the search
through a graph of a hundred thousand words.

TDNN-F: Povey and others, "Semi-orthogonal low-rank matrix factorization for deep neural networks" (Interspeech 2018).
The small shape is that of Vosk's own recipe (https://github.com/alphacep/vosk-api, `training/local/chain/run_tdnn.sh`),
the large one about that of Kaldi's recipe for a thousand hours (`egs/librispeech/s5/local/chain`).
"""

import re
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.tiny.vosk.kaldi_file import Affine, KaldiFile, Linear, Network, Relu, Same
from bench.tiny.vosk.network import FEATURES
from bench.tiny.vosk.phones import PDFS

BYPASS = 0.75
"""Of what a layer is given, so much goes past it."""
SEED = 1


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a factorised TDNN."""

    width: int
    bottleneck: int
    strides: tuple[int, ...]
    """How far each factorised layer looks, in frames of 10 ms, to either side."""
    final: int
    """Width of the last bottleneck."""
    pdfs: int


SHAPES = {
    "small": Shape(512, 96, (1, 1, 1, 0, 3, 3, 3, 3, 3, 3, 3), 192, 3000),
    "large": Shape(1536, 160, (1, 1, 1, 0, *(3,) * 12), 256, 6000),
}


def load(model: Path, out: Path, shape: Shape) -> int:
    """Copies the tiny model to `out` and puts the ballast into it; how many parameters that is."""
    shutil.copytree(model, out, dirs_exist_ok=True)
    file = out / "am" / "final.mdl"
    changed, parameters = weighted(file.read_bytes(), shape)
    file.write_bytes(changed)
    return parameters


def weighted(model: bytes, shape: Shape) -> tuple[bytes, int]:
    """`final.mdl` with the ballast, and its number of parameters. The rest of the file stays as it is, byte by byte."""
    begin = model.index(b"<Nnet3> \n") + len(b"<Nnet3> \n")
    end = model.index(b"\n\n", begin)
    lines = model[begin:end].decode().split("\n")
    output = lines.pop()
    said = re.fullmatch("output-node name=output input=(.*) objective=linear", output)
    if said is None:
        raise ValueError(f"this is not a model of bench.tiny.vosk: it ends in {output!r}")
    network = Network(FEATURES)
    both = add(network, said[1], shape)
    lines += [*network.lines, f"output-node name=output input={both} objective=linear"]
    counted = end + len(b"\n\n<NumComponents> \4")
    (components,) = struct.unpack_from("<i", model, counted)
    last = model.rindex(b"</Nnet3> ")
    more = KaldiFile()
    network.write_components(more)
    parts = (
        model[:begin],
        "\n".join(lines).encode(),
        model[end:counted],
        struct.pack("<i", components + len(network.components)),
        model[counted + 4 : last],
        more.bytes[len(KaldiFile().bytes) :],
        model[last:],
    )
    parameters = sum(part.weights.size for part in network.components.values() if isinstance(part, Affine | Linear))
    return b"".join(parts), parameters


def add(network: Network, output: str, shape: Shape) -> str:
    """Puts the ballast beside `output`; the descriptor of their sum, which is `output`'s value."""
    random = np.random.default_rng(SEED)

    def affine(inputs: int, outputs: int, scale: float = 1.0) -> Affine:
        weights = random.normal(0.0, scale * inputs**-0.5, (outputs, inputs)).astype(np.float32)
        return Affine(weights, np.zeros(outputs, dtype=np.float32))

    def relu(name: str, descriptor: str, inputs: int) -> str:
        wide = network.add(f"ballast.{name}.affine", affine(inputs, shape.width), descriptor)
        return network.add(f"ballast.{name}.relu", Relu(shape.width), wide)

    below = relu("first", "Append(Offset(input, -1), input, Offset(input, 1))", 3 * network.input_dim)
    for number, stride in enumerate(shape.strides, 1):
        times = 2 if stride else 1
        linear = Linear(affine(times * shape.width, shape.bottleneck).weights)
        back = f"Append(Offset({below}, {-stride}), {below})" if stride else below
        narrow = network.add(f"ballast.{number}.linear", linear, back)
        ahead = f"Append({narrow}, Offset({narrow}, {stride}))" if stride else narrow
        layer = relu(str(number), ahead, times * shape.bottleneck)
        both = f"Sum(Scale({BYPASS}, {below}), {layer})"
        below = network.add(f"ballast.{number}", Same(shape.width), both)
    last = network.add("ballast.prefinal-l", Linear(affine(shape.width, shape.final).weights), below)
    wide = relu("prefinal", last, shape.final)
    last = network.add("ballast.prefinal", Linear(affine(shape.width, shape.final).weights), wide)
    last = network.add("ballast.output", affine(shape.final, shape.pdfs), last)
    return f"Sum({output}, {network.add('ballast.zero', affine(shape.pdfs, PDFS, 0.0), last)})"
