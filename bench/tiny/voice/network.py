"""The network of the tiny voice, and how it learns (JAX): phoneme ids to durations, and to the features of each frame.

    ids [N] -> table [N, 32] -> two convolutions over ids [N, HIDDEN] -> frames of each id
                                              |
    frame's place in its id -> [F, HIDDEN + PLACE] -> two convolutions over frames -> envelope, voicing, pitch

142,000 weights. `graph.py` draws the same in ONNX; its names are the keys of `Weights`.
"""

import functools
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from bench.tiny.voice.aligned import Utterance
from bench.tiny.voice.sound import GRID_SIZE, VOICED_AT, Features

Weights = dict[str, jax.Array]

SYMBOLS = 256
"""As in real voices' `num_symbols`; most are never used."""
TABLE, HIDDEN, PLACE = 32, 96, 5
IDS_KERNEL, IDS_KERNEL_2, FRAMES_KERNEL = 9, 5, 5
OUTPUTS = GRID_SIZE + len(VOICED_AT) + 1
MIDDLE, SPREAD = -7.5, 2.0
"""Of the envelope, which the network gives in units of its spread."""
PITCH_MIDDLE, PITCH_SPREAD = 4.6, 0.2

BATCH, LEARNING_RATE = 16, 2e-3
LONGEST_IDS, LONGEST_FRAMES = 200, 600
"""Longer utterances are left out: 6 s."""


def begin(seed: int) -> Weights:
    """Weights before any learning."""
    keys = iter(jax.random.split(jax.random.key(seed), 16))
    frames_in = HIDDEN + PLACE

    def drawn(*shape: int) -> jax.Array:
        fan_in = int(np.prod(shape[1:]))
        return jnp.asarray(jax.random.normal(next(keys), shape) / np.sqrt(fan_in))

    return {
        "table": jax.random.normal(next(keys), (SYMBOLS, TABLE)) * 0.3,
        "ids_1": drawn(HIDDEN, TABLE, IDS_KERNEL),
        "ids_1_bias": jnp.zeros(HIDDEN),
        "ids_2": drawn(HIDDEN, HIDDEN, IDS_KERNEL_2),
        "ids_2_bias": jnp.zeros(HIDDEN),
        "duration": drawn(1, HIDDEN, 1) * 0.1,
        "duration_bias": jnp.full(1, 2.0),
        "frames_1": drawn(HIDDEN, frames_in, 1),
        "frames_1_bias": jnp.zeros(HIDDEN),
        "frames_2": drawn(HIDDEN, HIDDEN, FRAMES_KERNEL),
        "frames_2_bias": jnp.zeros(HIDDEN),
        "out": drawn(OUTPUTS, HIDDEN, 1),
        "out_bias": jnp.zeros(OUTPUTS),
    }


def _convolve(x: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
    """[B, C, T] with zeros at both ends, as ONNX's Conv with half the kernel as padding."""
    padding = [(weight.shape[2] // 2, weight.shape[2] // 2)]
    return jax.lax.conv_general_dilated(x, weight, (1,), padding) + bias[None, :, None]


def read_ids(weights: Weights, ids: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """ids and mask [B, N]: what was understood [B, HIDDEN, N], and the frames of each id [B, N]."""
    x = weights["table"][ids].transpose(0, 2, 1) * mask[:, None]
    x = jax.nn.relu(_convolve(x, weights["ids_1"], weights["ids_1_bias"])) * mask[:, None]
    x = jax.nn.relu(_convolve(x, weights["ids_2"], weights["ids_2_bias"])) * mask[:, None]
    frames = jax.nn.softplus(_convolve(x, weights["duration"], weights["duration_bias"]))[:, 0]
    return x, frames


def say_frames(weights: Weights, understood: jax.Array, place: jax.Array, mask: jax.Array) -> jax.Array:
    """understood [B, HIDDEN, F] of each frame's id, place [B, PLACE, F], mask [B, F]: features [B, OUTPUTS, F]."""
    x = jnp.concatenate((understood, place), 1) * mask[:, None]
    x = jax.nn.relu(_convolve(x, weights["frames_1"], weights["frames_1_bias"])) * mask[:, None]
    x = x + jax.nn.relu(_convolve(x, weights["frames_2"], weights["frames_2_bias"])) * mask[:, None]
    return _convolve(x, weights["out"], weights["out_bias"])


def places(frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of each frame: which id it belongs to [F], and where in it: share, its square, sine, frames from both ends."""
    owner = np.repeat(np.arange(len(frames)), frames)
    first = np.concatenate(([0], np.cumsum(frames)[:-1]))
    since = np.arange(len(owner)) - first[owner]
    length = np.maximum(frames[owner], 1)
    share = (since + 0.5) / length
    left = length - 1 - since
    place = np.stack((share, share**2, np.sin(np.pi * share), np.exp(-since / 3), np.exp(-left / 3)))
    return owner, place.astype(np.float32)


class Lesson:
    """All utterances as arrays of one size, for batches to be drawn from."""

    def __init__(self, spoken: Sequence[tuple[Utterance, Features]]) -> None:
        fitting = [(u, f) for u, f in spoken if len(u.ids) <= LONGEST_IDS and u.frames.sum() <= LONGEST_FRAMES]
        count = len(fitting)
        self.ids = np.zeros((count, LONGEST_IDS), np.int64)
        self.lengths = np.zeros((count, LONGEST_IDS), np.float32)
        self.ids_mask = np.zeros((count, LONGEST_IDS), np.float32)
        self.timed = np.zeros((count, LONGEST_IDS), np.float32)
        self.owner = np.zeros((count, LONGEST_FRAMES), np.int64)
        self.place = np.zeros((count, PLACE, LONGEST_FRAMES), np.float32)
        self.frames_mask = np.zeros((count, LONGEST_FRAMES), np.float32)
        self.envelope = np.zeros((count, GRID_SIZE, LONGEST_FRAMES), np.float32)
        self.voicing = np.zeros((count, len(VOICED_AT), LONGEST_FRAMES), np.float32)
        self.pitch = np.zeros((count, LONGEST_FRAMES), np.float32)
        for row, (said, heard) in enumerate(fitting):
            ids, frames = len(said.ids), int(said.frames.sum())
            self.ids[row, :ids] = said.ids
            self.lengths[row, :ids] = said.frames
            self.ids_mask[row, :ids] = 1
            self.owner[row, :frames], self.place[row, :, :frames] = places(said.frames)
            self.frames_mask[row, :frames] = 1
            self.envelope[row, :, :frames] = heard.envelope[:frames].T
            self.voicing[row, :, :frames] = heard.voicing[:frames].T
            self.pitch[row, :frames] = heard.pitch[:frames]

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32] | NDArray[np.int64], ...]:
        return (
            self.ids[rows],
            self.lengths[rows],
            self.ids_mask[rows],
            self.owner[rows],
            self.place[rows],
            self.frames_mask[rows],
            self.envelope[rows],
            self.voicing[rows],
            self.pitch[rows],
        )


def _loss(weights: Weights, silent: jax.Array, *batch: jax.Array) -> jax.Array:
    ids, lengths, ids_mask, owner, place, frames_mask, envelope, voicing, pitch = batch
    understood, frames = read_ids(weights, ids, ids_mask)
    timed = ids_mask * (1 - silent[ids])
    # Half a frame less than it was, because the voice rounds up. Errors count by their share of the length.
    wanted = jnp.maximum(lengths - 0.5, 0.1)
    duration = jnp.sum(timed * jnp.abs(jnp.log(frames + 1) - jnp.log(wanted + 1))) / jnp.sum(timed)
    spread = jnp.take_along_axis(understood, owner[:, None, :], axis=2)
    said = say_frames(weights, spread, place, frames_mask)
    heard = (envelope - MIDDLE) / SPREAD
    # Loud parts are heard, soft ones hardly: the weight halves with each 10 dB.
    weight = frames_mask[:, None] * 2.0 ** jnp.maximum(envelope + 4.0, -5.0)
    body = jnp.sum(weight * jnp.abs(said[:, :GRID_SIZE] - heard)) / jnp.sum(weight)
    voices = said[:, GRID_SIZE : GRID_SIZE + 4]
    voiced = jnp.mean(frames_mask[:, None] * (jnp.logaddexp(0, voices) - voicing * voices))
    tone = frames_mask * (pitch > 0)
    sung = jnp.sum(tone * jnp.abs(said[:, -1] - (pitch - PITCH_MIDDLE) / PITCH_SPREAD)) / jnp.sum(tone)
    return duration * 2 + body * 2 + voiced * 2 + sung


@functools.partial(jax.jit, donate_argnums=(0, 1, 2))
def _step(
    weights: Weights,
    mean: Weights,
    square: Weights,
    silent: jax.Array,
    rate: jax.Array,
    count: jax.Array,
    *batch: jax.Array,
) -> tuple[Weights, Weights, Weights, jax.Array]:
    """One step of Adam (Kingma and Ba, 2015)."""
    loss, slope = jax.value_and_grad(_loss)(weights, silent, *batch)
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slope)
    square = jax.tree.map(lambda s, g: 0.99 * s + 0.01 * g * g, square, slope)
    now, then = 1 - 0.9**count, 1 - 0.99**count
    weights = jax.tree.map(lambda w, m, s: w - rate * (m / now) / (jnp.sqrt(s / then) + 1e-8), weights, mean, square)
    return weights, mean, square, loss


def learn(
    lesson: Lesson, silent: NDArray[np.float32], steps: int, seed: int, tell: Callable[[str], None]
) -> dict[str, NDArray[np.float32]]:
    """The weights after so many steps. `silent` [SYMBOLS] is 1 for ids that take no time."""
    drawn = np.random.default_rng(seed)
    weights = begin(seed)
    mean = jax.tree.map(jnp.zeros_like, weights)
    square = jax.tree.map(jnp.zeros_like, weights)
    begun, total = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / steps)) + 1e-5
        batch = lesson.batch(drawn.integers(0, len(lesson), BATCH))
        weights, mean, square, loss = _step(weights, mean, square, silent, rate, float(step), *batch)
        total += float(loss)
        if step % 200 == 0 or step == steps:
            tell(f"step {step} of {steps}: loss {total / 200:.3f}, {time.monotonic() - begun:.0f} s")
            total = 0.0
    return {name: np.asarray(weight, np.float32) for name, weight in weights.items()}
