"""What a record of a line comes to: gaps, losses, round trip, and whether they are good enough."""

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from supervisor.doctor.findings import Finding, Subject
from supervisor.doctor.line import Heard, Record

GAP_P99_MS = 40.0
"""Between frames. Phones' jitter buffers begin with 40 to 60 ms; with more the caller hears holes."""
LOST = 0.005
"""Of the frames: one in two seconds is heard."""
ROUND_TRIP_MS = 150.0
"""Of the median, through the agent's loopback. ITU-T G.114 wants 150 ms one way at most for the whole connection."""
BRIDGE_ROUND_TRIP_MS = 60.0
"""Of the median, through Asterisk twice, with nothing between."""
OWN_LATE_MS = 10.0
"""Of the doctor's own clock at the 99th percentile: with more, the figures tell of this machine, not of the line."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds, but for `frames`, `lost` and `sent`."""

    sent: int
    frames: int
    lost: int
    """Marks that were sent and not heard again."""
    gap_p50: float
    gap_p99: float
    gap_max: float
    trip_p50: float
    trip_p99: float
    trip_max: float
    own_late_p99: float
    first: float
    """From the first mark sent to the first that came back; -1 where none did."""

    def __str__(self) -> str:
        return (
            f"gaps p50/p99/max {self.gap_p50:.1f}/{self.gap_p99:.1f}/{self.gap_max:.1f} ms, round trip"
            f" {self.trip_p50:.1f}/{self.trip_p99:.1f}/{self.trip_max:.1f} ms, {self.lost} of {self.sent} lost;"
            f" doctor's own clock p99 {self.own_late_p99:.1f} ms late"
        )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def figures(record: Record, end: Heard) -> Figures:
    """end: where gaps and losses are counted; the round trip is always that of what came back.

    What was sent before the first mark came back is not lost: the agent had not answered yet.
    """
    trips = {number: when - record.sent[number] for number, when in record.back.marks.items() if number in record.sent}
    begun = min(trips, default=0)
    counted = [number for number in record.sent if number >= begun]
    since = record.sent.get(begun, 0)
    arrivals = [when for when in end.arrivals if when >= since]
    gaps = [(later - sooner) / 1e6 for sooner, later in pairwise(arrivals)]
    times = [trip / 1e6 for trip in trips.values()]
    first = (record.back.marks[begun] - min(record.sent.values())) / 1e6 if trips else -1.0
    return Figures(
        sent=len(counted),
        frames=len(arrivals),
        lost=sum(number not in trips for number in counted),
        gap_p50=percentile(gaps, 0.5),
        gap_p99=percentile(gaps, 0.99),
        gap_max=max(gaps, default=0.0),
        trip_p50=percentile(times, 0.5),
        trip_p99=percentile(times, 0.99),
        trip_max=max(times, default=0.0),
        own_late_p99=percentile([late / 1e6 for late in record.late], 0.99),
        first=first,
    )


def judge(measured: Figures, name: str, trip_ms: float, remedy: str, subject: Subject, check: str) -> list[Finding]:
    """name: of the line, as in "through Asterisk"."""
    seen = str(measured)
    bad = []
    if measured.lost > LOST * measured.sent:
        bad.append(f"{100 * measured.lost / measured.sent:.1f} % of the frames are lost")
    if measured.gap_p99 > GAP_P99_MS:
        bad.append(f"frames come up to {measured.gap_p99:.0f} ms apart (p99; limit {GAP_P99_MS:.0f})")
    if measured.trip_p50 > trip_ms:
        bad.append(f"the way there and back takes {measured.trip_p50:.0f} ms (limit {trip_ms:.0f})")
    if not bad:
        return [subject.ok(check, f"audio {name} is even", seen)]
    if measured.own_late_p99 > OWN_LATE_MS:
        what = f"audio {name} could not be judged: this machine is too busy ({'; '.join(bad)})"
        why = "the doctor's own clock was late, and so may be the audio of calls"
        cure = "try again when it is idle; give the audio real-time priority and cores of its own (ringmaster priority)"
        return [subject.advice(check, what, why, cure, seen)]
    what = f"audio {name} is uneven: {'; '.join(bad)}"
    return [subject.warning(check, what, "callers and agent hear holes, or talk across each other", remedy, seen)]
