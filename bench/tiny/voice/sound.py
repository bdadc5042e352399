"""What the voice's network predicts of each 10 ms of speech, and how it is measured: a source and a filter.

The envelope is the power density at `GRID` frequencies. In voiced speech it is read at the harmonics and drawn straight
between them, so that it does not know the pitch. How much of it is harmonics and how much is breath is told for each of
four bands (`VOICED_AT`), from how well the band repeats itself after one period.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RATE = 16_000
FRAME = 160
"""Samples of a frame: 10 ms."""
WINDOW = 640
"""40 ms: three periods of the voice's lowest pitch, so that harmonics stand apart."""
SHORT = 240
"""15 ms: what has no pitch is looked at more closely in time, for a stop's burst is 10 ms long."""
TRANSFORM = 1024
GRID_SIZE = 40
HIGHEST = 7600.0
"""Hz of the last point of the grid."""
WARP = 700.0
"""Hz up to which the grid is about linear; above it is logarithmic, as the mel scale."""
VOICED_AT = (500.0, 1500.0, 3000.0, 5500.0)
"""Hz: middles of the bands, between which the share of harmonics is drawn straight."""
PITCH_LOW, PITCH_HIGH = 65.0, 200.0
FLOOR = -11.0
"""log10 of the power density that counts as silence."""
VOICED_ABOVE = 0.55
"""Least likeness of one period to the next in the lowest band of voiced speech."""


def grid_position(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Where a frequency lies on the grid, in points."""
    top = np.log1p(HIGHEST / WARP)
    return np.asarray(np.log1p(np.asarray(hertz) / WARP) / top * (GRID_SIZE - 1))


def grid_hertz() -> NDArray[np.float64]:
    """The grid's frequencies."""
    return np.asarray(WARP * np.expm1(np.arange(GRID_SIZE) / (GRID_SIZE - 1) * np.log1p(HIGHEST / WARP)))


@dataclass(frozen=True)
class Features:
    """Of F frames."""

    envelope: Floats
    """[F, GRID_SIZE]: log10 of the power density."""
    voicing: Floats
    """[F, 4]: share of harmonics, 0 to 1."""
    pitch: Floats
    """[F]: ln of Hz; 0 where there is none."""


def measure(pcm: Floats) -> Features:
    """The features of whole frames of speech."""
    count = len(pcm) // FRAME
    padded = np.pad(pcm.astype(np.float64), WINDOW)
    middles = WINDOW + np.arange(count) * FRAME + FRAME // 2
    around = padded[middles[:, None] + np.arange(-WINDOW // 2, WINDOW // 2)]
    pitch = _pitch(around)
    voicing = _voicing(around, pitch)
    pitch = np.where(voicing[:, 0] > 0, pitch, 0.0)
    loud = _power(around, WINDOW)
    short = _power(around[:, (WINDOW - SHORT) // 2 : (WINDOW + SHORT) // 2], SHORT)
    envelope = np.empty((count, GRID_SIZE))
    for frame in range(count):
        envelope[frame] = _at_harmonics(loud[frame], pitch[frame]) if pitch[frame] else _smoothed(short[frame])
    return Features(
        np.maximum(envelope, FLOOR).astype(np.float32),
        voicing.astype(np.float32),
        np.where(pitch > 0, np.log(np.maximum(pitch, 1.0)), 0.0).astype(np.float32),
    )


def _power(frames: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Power density of each frame, such that a sine's peak is its power divided by the bandwidth of the window."""
    window = np.hanning(size)
    spectrum = np.fft.rfft(frames * window, TRANSFORM)
    return np.asarray(np.abs(spectrum) ** 2 / (RATE * np.sum(window**2)) * 2)


def _pitch(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hz of each frame's likeliest pitch."""
    spectrum = np.fft.rfft(frames * np.hanning(WINDOW), 2 * WINDOW)
    hertz = np.fft.rfftfreq(2 * WINDOW, 1 / RATE)
    spectrum[:, hertz > 1000] = 0
    likeness = np.fft.irfft(np.abs(spectrum) ** 2)[:, :WINDOW]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(WINDOW), 2 * WINDOW)) ** 2)[:WINDOW]
    shortest, longest = int(RATE / PITCH_HIGH), int(RATE / PITCH_LOW)
    part = likeness[:, shortest : longest + 1] / window[shortest : longest + 1]
    return np.asarray(RATE / (shortest + part.argmax(axis=1)))


def _voicing(frames: NDArray[np.float64], pitch: NDArray[np.float64]) -> NDArray[np.float64]:
    """[F, 4]: 1 where a band repeats itself exactly after one period, 0 where it does not, nor is there pitch."""
    edges = [80.0, *np.sqrt(np.multiply(VOICED_AT[:-1], VOICED_AT[1:])), HIGHEST]
    spectrum = np.fft.rfft(frames, axis=1)
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    lag = np.rint(RATE / pitch).astype(int)
    at = np.arange(WINDOW)[None, :]
    inside = at < (WINDOW - lag)[:, None]
    shares = np.zeros((len(frames), len(VOICED_AT)))
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        part = np.fft.irfft(np.where((hertz >= low) & (hertz < high), spectrum, 0), WINDOW, axis=1)
        later = np.take_along_axis(part, np.minimum(at + lag[:, None], WINDOW - 1), 1) * inside
        part = part * inside
        norm = np.sqrt(np.sum(part**2, 1) * np.sum(later**2, 1)) + 1e-9
        shares[:, band] = np.sum(part * later, 1) / norm
    voiced = (shares[:, :1] > VOICED_ABOVE) & (np.mean(frames**2, 1, keepdims=True) > 1e-6)
    return np.asarray(np.clip((shares - 0.2) / 0.6, 0, 1) * voiced)


def _at_harmonics(power: NDArray[np.float64], pitch: float) -> NDArray[np.float64]:
    """log10 power density on the grid, from the highest value near each harmonic."""
    bins = TRANSFORM / RATE
    harmonics = np.arange(1, int(HIGHEST / pitch) + 1) * pitch
    low = np.maximum((harmonics - pitch / 4) * bins, 0).astype(int)
    width = max(int(pitch / 2 * bins) + 1, 1)
    peaks = power[np.minimum(low[:, None] + np.arange(width), TRANSFORM // 2)].max(axis=1)
    # A harmonic's power lies spread over the window's bandwidth, 1.5 bins of the untransformed window; as a density it
    # is the power that it has for the distance to the next.
    density = peaks * (1.5 * RATE / WINDOW) / pitch
    return np.asarray(np.interp(grid_hertz(), harmonics, np.log10(density + 1e-14)))


def _smoothed(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """log10 power density on the grid: means between the points."""
    hertz = np.arange(TRANSFORM // 2 + 1) * RATE / TRANSFORM
    weights = np.maximum(0, 1 - np.abs(grid_position(hertz)[None, :] - np.arange(GRID_SIZE)[:, None]))
    return np.asarray(np.log10(weights @ power / weights.sum(1) + 1e-14))
