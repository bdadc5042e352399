"""Teaches the tiny model: Muon for the matrices, Adam for the rest.

Muon (K. Jordan and others, 2024) replaces the momentum of a matrix by the nearest orthogonal one, found by five steps
of a Newton-Schulz iteration. With it the model needs about half the steps.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from bench.tiny.llm import net
from bench.tiny.llm.lessons import Batch

MUON_RATE, ADAM_RATE = 0.02, 3e-3
WARM_UP = 20
"""Steps in which the rates rise."""
MOMENTUM = 0.95
DECAYS = (0.9, 0.98)

_TOLD_EVERY = 25

Tree = dict[str, jax.Array]


def _orthogonal(matrix: jax.Array) -> jax.Array:
    """Roughly the nearest orthogonal matrix. The coefficients are those of Muon's authors."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x: jax.Array = (matrix.T if tall else matrix) / (jnp.linalg.norm(matrix) + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


def _by_muon(name: str) -> bool:
    return name.startswith("blk.") and not name.endswith("norm")


@partial(jax.jit, static_argnums=(0,), donate_argnums=(1, 2, 3))
def _step(
    shape: net.Shape, weights: Tree, first: Tree, second: Tree, at: jax.Array, rate: jax.Array, batch: tuple[Any, ...]
) -> tuple[Tree, Tree, Tree, jax.Array]:
    """One step; `rate` is the share of the full rates. Gives weights, both moments and the loss."""
    loss, slopes = jax.value_and_grad(net.loss)(weights, shape, *batch)
    new, means, squares = {}, {}, {}
    for name, slope in slopes.items():
        if _by_muon(name):
            means[name] = MOMENTUM * first[name] + slope
            squares[name] = second[name]
            # So scaled, every matrix changes by about as much as its size allows.
            size = max(1.0, slope.shape[0] / slope.shape[1]) ** 0.5
            change = MUON_RATE * size * _orthogonal(slope + MOMENTUM * means[name])
        else:
            means[name] = DECAYS[0] * first[name] + (1 - DECAYS[0]) * slope
            squares[name] = DECAYS[1] * second[name] + (1 - DECAYS[1]) * slope**2
            mean, square = means[name] / (1 - DECAYS[0] ** at), squares[name] / (1 - DECAYS[1] ** at)
            change = ADAM_RATE * mean / (jnp.sqrt(square) + 1e-8)
        new[name] = weights[name] - rate * change
    return new, means, squares, loss


def train(
    shape: net.Shape,
    weights: dict[str, jax.Array],
    lessons: Callable[[int], Batch],
    steps: int,
    tell: Callable[[str], None],
    pace: float = 1.0,
) -> dict[str, jax.Array]:
    """The weights after so many steps. `lessons` gives the batch of each; `pace` is a factor of the rates. What is
    given as `weights` is used up."""
    first = {name: jnp.zeros_like(value) for name, value in weights.items()}
    second = {name: jnp.zeros_like(value) for name, value in weights.items()}
    began = time.monotonic()
    for step in range(steps):
        # Up, then down in a straight line to nothing.
        rate = pace * min(1.0, (step + 1) / WARM_UP, (steps - step) / (0.6 * steps))
        batch = lessons(step)
        given = (batch.instructions, batch.unused, batch.dialogues, batch.weights)
        weights, first, second, loss = _step(shape, weights, first, second, step + 1, rate, given)
        if step % _TOLD_EVERY == 0 or step == steps - 1:
            tell(f"step {step} of {steps}: {float(loss):.3f} nats, {time.monotonic() - began:.0f} s")
    return weights
