"""Training of the network: which pdf is each result? Cross entropy, Adam, a learning rate that falls like a cosine.

Adam: https://arxiv.org/abs/1412.6980, algorithm 1. The cosine: https://arxiv.org/abs/1608.03983, formula 5.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from bench.tiny.vosk.corpus import Example
from bench.tiny.vosk.features import Frames
from bench.tiny.vosk.kaldi_file import Vector
from bench.tiny.vosk.network import AHEAD, BACK, LAYERS, SUBSAMPLING, Weights, untrained
from bench.tiny.vosk.phones import PDFS

RESULTS = 32
"""In one chunk, which is what is learnt from at a time: 0.96 s of speech, and what the network sees around it."""
FRAMES = SUBSAMPLING * (RESULTS - 1) + 1 + BACK + AHEAD
CHUNKS = 64
"""In one step."""
RATE = 2e-3
DECAYS = (0.9, 0.999)
TINY = 1e-8
NOTHING = -1
"""Label of results behind an utterance's end."""

Chunks = tuple[NDArray[np.float32], NDArray[np.int32]]
"""[chunks, FRAMES, FEATURES] and [chunks, RESULTS]."""


def chunks(examples: Sequence[Example]) -> Chunks:
    """All examples in pieces. Beyond its ends an utterance goes on like its first frame or its last, as in Kaldi."""
    frames, labels = [], []
    for example in examples:
        for begin in range(0, len(example.labels), RESULTS):
            at = np.arange(FRAMES) + SUBSAMPLING * begin - BACK
            frames.append(example.frames[np.clip(at, 0, len(example.frames) - 1)])
            piece = example.labels[begin : begin + RESULTS]
            labels.append(np.pad(piece, (0, RESULTS - len(piece)), constant_values=NOTHING))
    return np.stack(frames), np.stack(labels)


def statistics(examples: Sequence[Example]) -> tuple[Vector, Vector, Vector]:
    """Mean and deviation of the features, and the share of each pdf."""
    frames: Frames = np.concatenate([example.frames for example in examples])
    counts = np.bincount(np.concatenate([example.labels for example in examples]), minlength=PDFS) + 1.0
    return frames.mean(axis=0), frames.std(axis=0), (counts / counts.sum()).astype(np.float32)


def forward(weights: Weights, frames: jax.Array) -> jax.Array:
    """Logarithms of the pdfs' probabilities, [chunks, results, PDFS], of features already scaled."""
    values, step = frames, 1
    for number, (layer, (matrix, bias)) in enumerate(zip(LAYERS, weights, strict=False)):
        stride = SUBSAMPLING if number == 0 else 1
        offsets = [(offset - layer.offsets[0]) // step for offset in layer.offsets]
        count = (values.shape[1] - offsets[-1] - 1) // stride + 1
        seen = [values[:, offset : offset + stride * (count - 1) + 1 : stride] for offset in offsets]
        values = jax.nn.relu(jnp.concatenate(seen, axis=2) @ matrix.T + bias)
        step = SUBSAMPLING
    matrix, bias = weights[-1]
    return jax.nn.log_softmax(values @ matrix.T + bias)


def _loss(weights: Weights, frames: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean cross entropy in nats, and the share of results that are right."""
    logs = forward(weights, frames)
    counted = labels != NOTHING
    chosen = jnp.take_along_axis(logs, jnp.maximum(labels, 0)[..., None], axis=2)[..., 0]
    right = (logs.argmax(axis=2) == labels) & counted
    return -(chosen * counted).sum() / counted.sum(), right.sum() / counted.sum()


@partial(jax.jit, donate_argnums=(0, 1))
def _step(weights, moments, step, rate, frames, labels):  # type: ignore[no-untyped-def]
    (loss, right), slope = jax.value_and_grad(_loss, has_aux=True)(weights, frames, labels)
    first = jax.tree.map(lambda m, g: DECAYS[0] * m + (1 - DECAYS[0]) * g, moments[0], slope)
    second = jax.tree.map(lambda m, g: DECAYS[1] * m + (1 - DECAYS[1]) * g * g, moments[1], slope)
    scale = rate * jnp.sqrt(1 - DECAYS[1] ** step) / (1 - DECAYS[0] ** step)
    weights = jax.tree.map(lambda w, m, v: w - scale * m / (jnp.sqrt(v) + TINY), weights, first, second)
    return weights, (first, second), loss, right


def train(
    pieces: Chunks, mean: Vector, deviation: Vector, epochs: int, seed: int, tell: Callable[[str], None]
) -> Weights:
    """Weights for features that have been scaled by mean and deviation."""
    frames, labels = (pieces[0] - mean) / deviation, pieces[1]
    random = np.random.default_rng(seed)
    weights = jax.tree.map(jnp.asarray, untrained(seed))
    moments = tuple(jax.tree.map(jnp.zeros_like, weights) for _ in range(2))
    each = len(frames) // CHUNKS
    done = 0
    for epoch in range(epochs):
        order = random.permutation(len(frames))
        losses = []
        for at in range(each):
            chosen = order[at * CHUNKS : (at + 1) * CHUNKS]
            rate = RATE * 0.5 * (1 + math.cos(math.pi * done / (epochs * each)))
            done += 1
            weights, moments, loss, right = _step(weights, moments, float(done), rate, frames[chosen], labels[chosen])
            losses.append((loss, right))
        loss, right = np.mean(np.array(losses), axis=0)
        tell(f"epoch {epoch + 1} of {epochs}: cross entropy {loss:.3f} nats, {right:.1%} right")
    return [(np.asarray(matrix), np.asarray(bias)) for matrix, bias in weights]
