"""Why callers hear gaps: decided from what was seen in each second, with time as data.

    a `Second` each second  --->  nothing, or a `Verdict`: who takes the CPU from the audio, and what to do about it

Audio is **late** when of the frames of the last 10 seconds more than 1 % were more than 20 ms late, in at least three
of these seconds. It is well again when 20 seconds on end were good: what comes and goes every few seconds is one.

Then somebody is to blame, in this order: a quota that stops us whatever else happens; the hypervisor, whose steal is
time that no process here could have used; and when no CPU is idle, whoever uses more of it, others or we ourselves.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

LATE_NS = 20_000_000
"""A frame that is later than it is long: the next one was already due, and who plays them as they come has had nothing
to play. Beside 4 busy processes on 2 cores, without real-time priority, 99 % of all frames are at most 7.4 ms late."""

LATE_SHARE = 0.01
"""Of the frames: for one caller a hole every two seconds. 99 % in time is what all our figures speak of."""

WINDOW = 10
"""Seconds that are looked at together."""
BAD_SECONDS = 3
"""Of them, before anything is said: one hiccup, as of a disk or a backup that starts, is nobody's trouble."""
GOOD_SECONDS = 20
"""On end, before it is over."""

NOTABLE_STEAL = 0.05
"""Of all CPU time. The hypervisor takes a CPU for several ms at a time: less than this makes fewer than 1 % of the
frames late by more than 20 ms."""
NOTABLE_THROTTLING = 0.05
"""Of the quota's periods, which are 100 ms long: who is stopped in one is stopped for up to the rest of it."""
SCARCE_IDLE = 0.15
"""Of all CPU time. With more than this idle, a frame that is due finds a core, unless it may use only some of them."""

HIGH_PRESSURE = 0.2
"""With idle time at hand: whoever waits then may use only some of the cores."""

NAMED = 3
"""Programs, at most."""
WORTH_NAMING = 0.02
"""Of all CPU time."""


@dataclass(frozen=True)
class Second:
    """What was seen in one second. Shares are of the machine's whole CPU time: 0.5 is one core of two."""

    frames: int
    """That were due on all calls."""
    late: int
    """Of these, how many went out more than `LATE_NS` late, or never."""
    calls: int
    steal: float = 0.0
    idle: float | None = None
    """None where the kernel does not tell."""
    own: float = 0.0
    """Used by our processes."""
    throttled: float = 0.0
    """Share of the quota's periods in which we were stopped."""
    pressure: float | None = None
    """Share of the time in which anybody on the machine waited for a CPU; None where the kernel does not tell."""
    programs: tuple[tuple[str, float], ...] = ()
    """Other programs and what they use, the greatest first; () while nobody asks."""

    @property
    def bad(self) -> bool:
        return self.late > self.frames * LATE_SHARE


class Culprit(Enum):
    QUOTA = "the CPU quota"
    HYPERVISOR = "the hypervisor"
    OTHERS = "other programs"
    OURSELVES = "ourselves"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    culprit: Culprit
    text: str
    """One sentence of what callers notice, one of who is to blame, and the remedy."""


class Judge:
    """Looks at second after second."""

    def __init__(self) -> None:
        self._window: deque[Second] = deque(maxlen=WINDOW)
        self._good = GOOD_SECONDS
        self.verdict: Verdict | None = None
        """While audio is late, and for a while after."""

    @property
    def worried(self) -> bool:
        """True from the first bad second on: it may become of use to know who else uses the CPU."""
        return self._good < GOOD_SECONDS

    def look(self, second: Second) -> None:
        self._window.append(second)
        self._good = 0 if second.bad else self._good + 1
        if self._good >= GOOD_SECONDS:
            self.verdict = None
        elif second.bad and _late(self._window):
            # Nothing new is said of good seconds: their figures are those of a machine that copes.
            self.verdict = _judge(self._window)


def _late(window: Sequence[Second]) -> bool:
    frames, late = sum(second.frames for second in window), sum(second.late for second in window)
    return late > frames * LATE_SHARE and sum(second.bad for second in window) >= BAD_SECONDS


def _judge(window: Sequence[Second]) -> Verdict:
    bad = [second for second in window if second.bad]
    steal, own, throttled = (
        sum(getattr(second, share) for second in bad) / len(bad) for share in ("steal", "own", "throttled")
    )
    known = [second.idle for second in bad if second.idle is not None]
    idle = sum(known) / len(known) if known else None
    others = max(0.0, 1 - steal - own - idle) if idle is not None else 0.0
    culprit = _culprit(steal, own, others, idle, throttled)
    frames, late = sum(second.frames for second in window), sum(second.late for second in window)
    what = f"callers hear gaps: {_percent(late / frames)} of the frames of the last {len(window)} s were late"
    match culprit:
        case Culprit.QUOTA:
            why = (
                f"the CPU quota of this container or service is to blame, which stopped it in {_percent(throttled)} of"
                " its periods. Raise it or take it away (Docker `--cpus`, Kubernetes `limits.cpu`, systemd `CPUQuota=`)"
            )
        case Culprit.HYPERVISOR:
            why = (
                f"the hypervisor is to blame, which gave {_percent(steal)} of this machine's CPU time to others (steal)"
                ". Reserve CPUs for this virtual machine, or move it to a host with fewer neighbours"
            )
        case Culprit.OTHERS:
            why = (
                f"other programs on this machine are to blame, which use {_percent(others)} of its CPU time"
                f"{_named(bad[-1].programs)}. Stop or move them, or limit them (`CPUWeight=`, `CPUQuota=`), and allow"
                " real-time priority for audio (`LimitRTPRIO=`, `audio.priority`)"
            )
        case Culprit.OURSELVES:
            calls = max(second.calls for second in bad)
            why = (
                f"Ringmaster itself is to blame, which uses {_percent(own)} of this machine's CPU time with"
                f" {calls} call{'s' if calls != 1 else ''}. Take fewer calls at once (`audio.max_calls`), use lighter"
                " engines or fewer of them (`actors`), or give it more cores"
            )
        case Culprit.UNKNOWN:
            spare = f", and {_percent(idle)} of the CPU time is idle" if idle is not None else ""
            pressure = max((second.pressure or 0.0 for second in bad), default=0.0)
            queue = (
                f"; yet somebody waits for a CPU {_percent(pressure)} of the time" if pressure >= HIGH_PRESSURE else ""
            )
            why = (
                f"nobody is seen to take the CPU{spare}{queue}. See `ringmaster status` for the cores and the priority"
                " that audio was granted (`audio.cores`, `audio.priority`), and `ringmaster dump` for what it waits for"
            )
    return Verdict(culprit, f"{what}; {why}")


def _culprit(steal: float, own: float, others: float, idle: float | None, throttled: float) -> Culprit:
    if throttled >= NOTABLE_THROTTLING:
        return Culprit.QUOTA
    scarce = idle is not None and idle < SCARCE_IDLE
    if steal >= NOTABLE_STEAL and (not scarce or steal >= others):
        return Culprit.HYPERVISOR
    if not scarce:
        return Culprit.UNKNOWN
    return Culprit.OTHERS if others > own else Culprit.OURSELVES


def _named(programs: Sequence[tuple[str, float]]) -> str:
    worth = [f"{name} {_percent(share)}" for name, share in programs[:NAMED] if share >= WORTH_NAMING]
    return f" (most of all {', '.join(worth)})" if worth else ""


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %" if share >= 0.095 else f"{share * 100:.1f} %"
