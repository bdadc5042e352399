"""What was measured at one number of calls."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figures:
    """calls:           wanted
    up:              of these, in a call when the measuring began
    ended:           calls that ended while it went on
    lost:            frames of the agent that did not come, or marks that did not come back
    talkers:         callers who talk with the agent
    turns:           sentences that the callers spoke to their end, with an answer or without
    unanswered:      of these, without one within 10 s
    understood:      share of the turns in which the agent understood anything; None without a pipeline
    turn_p50_ms:     from the last sample spoken to the first heard; None where callers do not talk
    age_p95_ms:      see `limits.Limits`; None for a provider that neither returns marks nor writes turns down
    memory_free:     percent of the machine's memory
    memory_mb:       private memory of all of the system's processes, and their shared segments
    cpu_busy:        percent of all cores, stolen time included
    cpu_ours:        percent of all cores that the system's own processes took
    cpu:             percent of one core, by role
    busiest:         percent of one core, of the busiest process of each role
    callers_cpu:     percent of all cores that the generators and the stand-in took
    start_p95_ms:    from the fork of an audio actor to ready
    refused:         why calls did not come up
    """

    calls: int
    up: int
    ended: int = 0
    lost: int = 0
    talkers: int = 0
    turns: int = 0
    unanswered: int = 0
    understood: float | None = None
    pacing_p99_ms: float = 0.0
    turn_p50_ms: float | None = None
    turn_p95_ms: float | None = None
    age_p95_ms: float | None = None
    memory_free: float = 100.0
    memory_mb: float = 0.0
    cpu_busy: float = 0.0
    cpu_ours: float = 0.0
    cpu: Mapping[str, float] = field(default_factory=dict)
    busiest: Mapping[str, float] = field(default_factory=dict)
    callers_cpu: float = 0.0
    generator_fit: bool = True
    generator_late_ms: float = 0.0
    start_p95_ms: float = 0.0
    refused: tuple[str, ...] = ()

    @property
    def others_cpu(self) -> float:
        """Percent of all cores that nobody of ours took: other programs, and other machines on the same hardware."""
        return max(0.0, self.cpu_busy - self.cpu_ours - self.callers_cpu)

    def json(self) -> dict[str, Any]:
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()}
