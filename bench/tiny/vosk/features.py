"""Mel cepstra as Kaldi computes them, for training: what `conf/mfcc.conf` tells Vosk to compute of the caller's speech.

Kaldi's public sources (https://github.com/kaldi-asr/kaldi, `feat/feature-mfcc.cc`, `feature-window.cc`,
`mel-computations.cc`): windows of 25 ms every 10 ms, mean removed, first differences, a Hann window to the power 0.85,
power spectrum, triangles equally wide in mel, logarithm, cosine transform, "liftered" cepstra.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from bench.tiny.vosk.network import FEATURES

RATE = 8000
WINDOW, SHIFT, TRANSFORM = 200, 80, 256
"""Samples."""
LOW_HZ, HIGH_HZ = 60.0, 3700.0
LIFTER = 22.0
PREEMPHASIS = 0.97

CONF = f"""\
--sample-frequency={RATE}
--use-energy=false
--num-mel-bins={FEATURES}
--num-ceps={FEATURES}
--low-freq={LOW_HZ:.0f}
--high-freq={HIGH_HZ:.0f}
--dither=0
--allow-downsample=true
--allow-upsample=true
"""
"""`conf/mfcc.conf`."""

Frames = NDArray[np.float32]
"""[frames, FEATURES]."""


def mfcc(pcm: NDArray[np.int16]) -> Frames:
    """Of samples at 8000 Hz; one frame for each whole window."""
    count = 1 + (len(pcm) - WINDOW) // SHIFT
    if count < 1:
        return np.zeros((0, FEATURES), dtype=np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(pcm.astype(np.float32), WINDOW)[::SHIFT][:count]
    windows = windows - windows.mean(axis=1, keepdims=True)
    before = np.concatenate((windows[:, :1], windows[:, :-1]), axis=1)
    spectrum = np.fft.rfft((windows - PREEMPHASIS * before) * _window(), TRANSFORM)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    mel = np.log(np.maximum(power[:, : TRANSFORM // 2] @ _triangles().T, np.finfo(np.float32).eps))
    cepstra: Frames = (mel @ _cosines().T).astype(np.float32)
    return cepstra


@cache
def _window() -> NDArray[np.float64]:
    return np.hanning(WINDOW) ** 0.85


@cache
def _triangles() -> NDArray[np.float32]:
    """[bins, half of the transform]."""

    def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1127.0 * np.log(1.0 + hertz / 700.0)

    low, high = mel(np.array([LOW_HZ, HIGH_HZ]))
    edges = np.linspace(low, high, FEATURES + 2)
    at = mel(np.arange(TRANSFORM // 2) * RATE / TRANSFORM)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (at - left) / (centre - left), (right - at) / (right - centre)
    triangles: Frames = np.maximum(np.minimum(rising, falling), 0.0).astype(np.float32)
    return triangles


@cache
def _cosines() -> NDArray[np.float32]:
    """[cepstra, bins], orthonormal, times the lifter."""
    order, bins = np.arange(FEATURES)[:, None], np.arange(FEATURES) + 0.5
    cosines = np.sqrt(2.0 / FEATURES) * np.cos(np.pi / FEATURES * order * bins)
    cosines[0] = np.sqrt(1.0 / FEATURES)
    liftered: Frames = (cosines * (1.0 + 0.5 * LIFTER * np.sin(np.pi * order / LIFTER))).astype(np.float32)
    return liftered
