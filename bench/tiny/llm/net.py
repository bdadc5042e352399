"""The tiny model's arithmetic, in JAX: that of llama.cpp's architecture `llama`, so that it computes the same there.

Per layer: root-mean-square norm, attention with rotary positions on pairs of neighbours, norm, SwiGLU; the output
shares the embedding's weights. Instructions are read once and every dialogue of a batch attends to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

EPSILON = 1e-5

Weights = Mapping[str, jax.Array]
"""By the names that they have in a GGUF file, without `.weight`; [out, in] as there."""


@dataclass(frozen=True)
class Shape:
    vocabulary: int
    width: int = 128
    layers: int = 4
    heads: int = 4
    inner: int = 352
    rope_base: float = 10_000.0


def begin(shape: Shape, seed: int) -> dict[str, jax.Array]:
    """Random weights."""
    chance = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, scale: float = 1.0) -> jax.Array:
        return jnp.asarray(chance.normal(0.0, scale / np.sqrt(columns), (rows, columns)), jnp.float32)

    d, inner = shape.width, shape.inner
    weights = {
        "token_embd": jnp.asarray(chance.normal(0.0, 0.05, (shape.vocabulary, d)), jnp.float32),
        "output_norm": jnp.ones(d),
    }
    for layer in range(shape.layers):
        less = 1 / np.sqrt(2 * shape.layers)
        weights |= {
            f"blk.{layer}.attn_norm": jnp.ones(d),
            f"blk.{layer}.attn_q": matrix(d, d),
            f"blk.{layer}.attn_k": matrix(d, d),
            f"blk.{layer}.attn_v": matrix(d, d),
            f"blk.{layer}.attn_output": matrix(d, d, less),
            f"blk.{layer}.ffn_norm": jnp.ones(d),
            f"blk.{layer}.ffn_gate": matrix(inner, d),
            f"blk.{layer}.ffn_up": matrix(inner, d),
            f"blk.{layer}.ffn_down": matrix(d, inner, less),
        }
    return weights


def loss(
    weights: Weights, shape: Shape, system: jax.Array, unused: jax.Array, dialogues: jax.Array, wanted: jax.Array
) -> jax.Array:
    """Mean cross entropy, in nats, of the tokens that are wanted.

    system: [P], of which the first `unused` are none; dialogues: [B, T]; wanted: [B, T], the weight of each token as
    something to foretell.
    """
    read = logits(weights, shape, system, unused, dialogues)[:, :-1]
    following = dialogues[:, 1:]
    chosen = jnp.take_along_axis(read, following[..., None], -1)[..., 0]
    surprise = jax.nn.logsumexp(read, -1) - chosen
    return jnp.sum(surprise * wanted[:, 1:]) / jnp.maximum(jnp.sum(wanted[:, 1:]), 1.0)


def logits(weights: Weights, shape: Shape, system: jax.Array, unused: jax.Array, dialogues: jax.Array) -> jax.Array:
    """Logits [B, T, V] of the dialogues."""
    head = weights["token_embd"][system][None]
    tail = weights["token_embd"][dialogues]
    before = system.shape[0]
    # Rotary positions count only by their differences: it does not matter that the first used one is not 0.
    seen = jnp.arange(before) >= unused
    angles_head = _angles(shape, 0, before)
    angles_tail = _angles(shape, before, dialogues.shape[1])
    for layer in range(shape.layers):
        part = {name: weights[f"blk.{layer}.{name}"] for name in _PARTS}
        q, k, v = _attended(part, shape, head, angles_head)
        own_q, own_k, own_v = _attended(part, shape, tail, angles_tail)
        head = head + _mixed(q, (k, v), None, seen) @ part["attn_output"].T
        tail = tail + _mixed(own_q, (own_k, own_v), (k[0], v[0]), seen) @ part["attn_output"].T
        head, tail = head + _fed(part, head), tail + _fed(part, tail)
    return _normed(tail, weights["output_norm"]) @ weights["token_embd"].T


_PARTS = (
    "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down",
)  # fmt: skip


def _normed(x: jax.Array, scale: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + EPSILON) * scale


def _fed(part: Weights, x: jax.Array) -> jax.Array:
    x = _normed(x, part["ffn_norm"])
    return (jax.nn.silu(x @ part["ffn_gate"].T) * (x @ part["ffn_up"].T)) @ part["ffn_down"].T


def _angles(shape: Shape, start: int, length: int) -> jax.Array:
    """[length, width of a head / 2]"""
    pairs = shape.width // shape.heads // 2
    speeds = shape.rope_base ** -(jnp.arange(pairs) / pairs)
    return (start + jnp.arange(length))[:, None] * speeds


def _attended(part: Weights, shape: Shape, x: jax.Array, angles: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Queries, keys and values: [B, heads, T, width of a head]."""
    x = _normed(x, part["attn_norm"])

    def split(name: str) -> jax.Array:
        return (x @ part[name].T).reshape(*x.shape[:2], shape.heads, -1).transpose(0, 2, 1, 3)

    def turned(y: jax.Array) -> jax.Array:
        even, odd, cos, sin = y[..., ::2], y[..., 1::2], jnp.cos(angles), jnp.sin(angles)
        return jnp.stack((even * cos - odd * sin, even * sin + odd * cos), -1).reshape(y.shape)

    return turned(split("attn_q")), turned(split("attn_k")), split("attn_v")


def _mixed(
    q: jax.Array, own: tuple[jax.Array, jax.Array], shared: tuple[jax.Array, jax.Array] | None, seen: jax.Array
) -> jax.Array:
    """What attention brings: [B, T, width]. `shared`: keys and values [heads, P, ...] that all rows see as well, where
    `seen`; without them, `seen` is of the own ones."""
    scale = q.shape[-1] ** -0.5
    length = q.shape[2]
    scores = jnp.einsum("bhtc,bhsc->bhts", q, own[0]) * scale
    past = jnp.tril(jnp.ones((length, length), bool))
    if shared is None:
        scores = jnp.where(past & seen, scores, -1e9)
        mixed = jnp.einsum("bhts,bhsc->bhtc", jax.nn.softmax(scores, -1), own[1])
    else:
        scores = jnp.where(past, scores, -1e9)
        common = jnp.where(seen, jnp.einsum("bhtc,hsc->bhts", q, shared[0]) * scale, -1e9)
        both = jnp.concatenate((common, scores), -1)
        shares = jax.nn.softmax(both, -1)
        before = shared[0].shape[1]
        mixed = jnp.einsum("bhts,hsc->bhtc", shares[..., :before], shared[1])
        mixed += jnp.einsum("bhts,bhsc->bhtc", shares[..., before:], own[1])
    return mixed.transpose(0, 2, 1, 3).reshape(q.shape[0], length, -1)
