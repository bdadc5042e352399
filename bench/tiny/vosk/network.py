"""The shape of the acoustic network: a small TDNN, whose every layer looks at a few instants of the one below.

The first layer looks at 9 frames of 10 ms, and all others work on every third frame only, which is what Vosk reads the
result at. In all it sees 130 ms ahead and 190 ms back.
"""

from dataclasses import dataclass

import numpy as np

from bench.tiny.vosk.kaldi_file import Affine, LogSoftmax, Matrix, Network, Relu, Vector
from bench.tiny.vosk.phones import PDFS

FEATURES = 40
SUBSAMPLING = 3
"""Vosk counts on it: its words' times are in steps of 30 ms."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer looks at, in frames of 10 ms from its own, and how many values it gives."""

    offsets: tuple[int, ...]
    width: int


LAYERS = (
    Layer(tuple(range(-4, 5)), 192),
    Layer((-3, 0, 3), 128),
    Layer((-3, 0, 3), 128),
    Layer((-6, -3, 0, 3), 128),
)
BACK = -sum(layer.offsets[0] for layer in LAYERS)
AHEAD = sum(layer.offsets[-1] for layer in LAYERS)
"""Frames that one result depends on, before and after its own."""

Weights = list[tuple[Matrix, Vector]]
"""Of each layer, and of the last, which gives the pdfs."""


def untrained(seed: int) -> Weights:
    """He's initialisation: https://arxiv.org/abs/1502.01852, formula 10."""
    draw = np.random.default_rng(seed)
    weights: Weights = []
    below = FEATURES
    for width, offsets in (*((layer.width, len(layer.offsets)) for layer in LAYERS), (PDFS, 1)):
        inputs = below * offsets
        matrix = draw.normal(0.0, (2.0 / inputs) ** 0.5, (width, inputs)).astype(np.float32)
        weights.append((matrix, np.zeros(width, dtype=np.float32)))
        below = width
    return weights


def network(weights: Weights, mean: Vector, deviation: Vector) -> tuple[Network, str]:
    """The network for Kaldi, and its output. `mean` and `deviation` of the features become part of the first layer."""
    made = Network(FEATURES)
    below = "input"
    for number, (layer, (matrix, bias)) in enumerate(zip(LAYERS, weights, strict=False), 1):
        if number == 1:
            scaled = (matrix / np.tile(deviation, len(layer.offsets))).astype(np.float32)
            matrix, bias = scaled, (bias - scaled @ np.tile(mean, len(layer.offsets))).astype(np.float32)
        spliced = ", ".join(f"Offset({below}, {offset})" if offset else below for offset in layer.offsets)
        affine = made.add(f"tdnn{number}.affine", Affine(matrix, bias), f"Append({spliced})")
        below = made.add(f"tdnn{number}.relu", Relu(layer.width), affine)
    last = made.add("output.affine", Affine(*weights[-1]), below)
    return made, made.add("output.log-softmax", LogSoftmax(PDFS), last)
