"""Whether a series of measurements grows. Pure: times and values in, a slope and its uncertainty out.

A straight line is fitted by least squares to the last two thirds: in the first third caches fill and every code path is
walked for the first time. The uncertainty is two standard errors of the slope. Neighbouring looks at a process's memory
are nearly the same, so they are not as many independent measurements as there are looks: with a correlation r from one
residual to the next, n of them say as much as n (1 - r) / (1 + r) independent ones (Bayley and Hammersley 1946).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WARMING = 1 / 3
"""Of the time, at its beginning, that is left out."""
FEWEST = 6
"""Looks; with less than that no slope is told."""


@dataclass(frozen=True)
class Slope:
    """Per minute, in the unit of the values. At 0 with no uncertainty where too little was measured."""

    per_minute: float
    uncertainty: float
    minutes: float
    """For how long it was measured."""

    def grows(self, floor: float) -> bool:
        """False where 0 lies within the uncertainty, or the slope is not above `floor`, or it falls."""
        return self.per_minute > floor and self.per_minute - self.uncertainty > 0


def slope(at_s: Sequence[float], values: Sequence[float]) -> Slope:
    """`at_s` rises."""
    if not at_s:
        return Slope(0.0, 0.0, 0.0)
    times, found = np.asarray(at_s, float), np.asarray(values, float)
    kept = times >= times[0] + (times[-1] - times[0]) * WARMING
    times, found = times[kept] / 60.0, found[kept]
    minutes = float(times[-1] - times[0])
    if len(times) < FEWEST or minutes <= 0:
        return Slope(0.0, 0.0, minutes)
    centred = times - times.mean()
    squares = float((centred**2).sum())
    gradient = float((centred * (found - found.mean())).sum()) / squares
    residuals = found - found.mean() - gradient * centred
    spread = float((residuals**2).sum())
    if spread <= 1e-12 * max(1.0, float((found**2).sum())):
        return Slope(gradient, 0.0, minutes)  # all on one line
    follows = min(0.95, max(0.0, float((residuals[1:] * residuals[:-1]).sum()) / spread))
    independent = max(3.0, len(times) * (1 - follows) / (1 + follows))
    error = (spread / (independent - 2) / squares * len(times) / independent) ** 0.5
    return Slope(gradient, 2 * error, minutes)
