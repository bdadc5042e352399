"""What the callers heard of a fault, and which limits that breaks. Pure: accounts in, figures and sentences out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.load.figures import Floats, Heard

FRAME_S = 0.02
"""Of a caller's words that a lost mark stands for."""

PACE_ALLOWANCE_MS = 2.0
"""More than this on top of p99 before the fault is a change. It is a tenth of a frame, which no jitter buffer notices,
and 20 times the p99 of 50 undisturbed calls."""


@dataclass(frozen=True, eq=False)
class Account:
    """One caller's account of one strike, from the strike until the system was at full strength again.

    hit:          served by what was struck
    call_lost:    the call ended, and the caller had not hung up; the rest then says nothing
    gap_ms:       longest time without a frame on the wire
    recovery_ms:  longest time without a frame of their own voice
    marks_lost:   frames of theirs that never came back
    before, during: pacing error of each frame in ms, in the second before the strike and from then on
    """

    hit: bool
    call_lost: bool
    gap_ms: float
    recovery_ms: float
    marks_lost: int = 0
    before: Floats = field(default_factory=lambda: np.empty(0))
    during: Floats = field(default_factory=lambda: np.empty(0))


def account(before: Heard, during: Heard, *, hit: bool, call_lost: bool) -> Account:
    return Account(
        hit=hit,
        call_lost=call_lost,
        gap_ms=during.longest_gap_ms,
        recovery_ms=during.longest_without_mark_ms,
        marks_lost=during.lost,
        before=before.pace_ms,
        during=during.pace_ms,
    )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a fault is held to. ms; None is not limited.

    call_stays:  no caller is dropped
    gap_ms:      p95 of `Account.gap_ms` of those that were hit
    recovery_ms: p95 of `Account.recovery_ms` of those that were hit
    others_pace: the pacing of everybody else does not change
    """

    call_stays: bool = True
    gap_ms: float | None = None
    recovery_ms: float | None = None
    others_pace: bool = True


@dataclass(frozen=True)
class Spread:
    """p50, p95 and max of something, each a value that occurred."""

    p50: float
    p95: float
    max: float


@dataclass(frozen=True)
class Toll:
    """All accounts of those who were hit, or of those who were not, over all strikes of a fault.

    callers:         accounts; one caller may be in several strikes
    words_lost_s:    seconds of each caller's speech that the agent never heard
    pace_before_ms, pace_during_ms: p99 of the pacing error's size, of all frames of all callers together
    """

    callers: int
    calls_lost: int
    gap_ms: Spread | None
    recovery_ms: Spread | None
    words_lost_s: Spread | None
    pace_before_ms: float | None
    pace_during_ms: float | None

    def json(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: _short(value) for name, value in found.items()}


def _short(value: Any) -> Any:
    if isinstance(value, Spread):
        return {name: round(number, 3) for name, number in vars(value).items()}
    return round(value, 3) if isinstance(value, float) else value


def spread(values: Sequence[float]) -> Spread | None:
    """None of no values."""
    if not values:
        return None
    p50, p95, most = np.quantile(np.asarray(values), (0.5, 0.95, 1.0), method="higher")
    return Spread(float(p50), float(p95), float(most))


def toll(accounts: Sequence[Account]) -> Toll:
    stayed = [account for account in accounts if not account.call_lost]
    return Toll(
        callers=len(accounts),
        calls_lost=len(accounts) - len(stayed),
        gap_ms=spread([account.gap_ms for account in stayed]),
        recovery_ms=spread([account.recovery_ms for account in stayed]),
        words_lost_s=spread([account.marks_lost * FRAME_S for account in stayed]),
        pace_before_ms=_p99([account.before for account in stayed]),
        pace_during_ms=_p99([account.during for account in stayed]),
    )


def _p99(errors: Sequence[Floats]) -> float | None:
    together = np.abs(np.concatenate(errors)) if errors else np.empty(0)
    return float(np.quantile(together, 0.99, method="higher")) if len(together) else None


def broken(hit: Toll, others: Toll, limits: Limits) -> list[str]:
    """The limits that did not hold, one sentence each."""
    found = []
    lost = hit.calls_lost + others.calls_lost
    if limits.call_stays and lost:
        found.append(f"{lost} call{'s' if lost > 1 else ''} lost")
    for what, measured, limit in (
        ("the gap", hit.gap_ms, limits.gap_ms),
        ("the recovery", hit.recovery_ms, limits.recovery_ms),
    ):
        if limit is not None and measured is not None and measured.p95 > limit:
            found.append(f"{what} is {measured.p95:.0f} ms (p95), and {limit:.0f} ms are allowed")
    before, during = others.pace_before_ms, others.pace_during_ms
    if limits.others_pace and before is not None and during is not None and during > before + PACE_ALLOWANCE_MS:
        found.append(f"the pacing of the others went from {before:.2f} to {during:.2f} ms (p99)")
    return found
