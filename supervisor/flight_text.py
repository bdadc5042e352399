"""What a person reads of a flight recording."""

import time
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from ipc.flight import MessageRecord, Record, Recording, SecondRecord, Way

CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS")

YIELD_EVERY = 64
"""Lines. This runs beside the supervisor's loop, which would otherwise wait up to 5 ms for its turn."""

_WAYS = {
    Way.COMMAND_OUT: ("->", "command"),
    Way.COMMAND_IN: ("<-", "command"),
    Way.REPLY_OUT: ("->", "reply"),
    Way.REPLY_IN: ("<-", "reply"),
    Way.NOTE_OUT: ("->", "note"),
    Way.NOTE_IN: ("<-", "note"),
    Way.EVENT_OUT: ("->", "event"),
    Way.EVENT_IN: ("<-", "event"),
    Way.EXPIRED_IN: ("<-", "came too late"),
}

LEGEND = """\
Last records, the newest last. At the left: ms before the end. Messages: way, kind, peer, size, request number.
Seconds: CPU used, time that the main thread waited for a CPU, context switches (wanted + forced), major page faults,
and how late the process itself was: its timer, or its latest frame.
"""


@dataclass(frozen=True)
class Subject:
    """A process that is written down."""

    name: str
    role: str
    pid: int
    segment: str
    """Of its recorder; "" when it has none."""
    how: str
    """How it ended, or that it lives."""


def why(how: str, stacks: str, *, stalled: bool) -> str:
    """One word for the name of the file: stalled, crashed, killed, raised or ended."""
    if stalled:
        return "stalled"
    if "Fatal Python error" in stacks or how.removeprefix("killed by ") in CRASHES:
        return "crashed"
    if "Traceback (most recent call last)" in stacks:
        return "raised"
    return "killed" if how.startswith("killed") else "ended"


def render(subject: Subject, recording: Recording, end_ns: int, end: datetime) -> str:
    """The whole text of one process. `end_ns` (CLOCK_MONOTONIC) and `end` are the same instant."""
    head = (
        f"{subject.name}: role {subject.role}, process {subject.pid}, Ringmaster {version('ringmaster')}\n"
        f"{end:%Y-%m-%d %H:%M:%S}.{end.microsecond // 1000:03d} UTC: {subject.how}\n"
    )
    if recording.pid != subject.pid:
        return f"{head}\nIt had no recorder: /dev/shm had no room for one, or it had not come that far.\n\n"
    stacks = recording.stacks.rstrip() or "None: it did not run, or nobody asked."
    lines = []
    for number, record in enumerate(recording.records):
        lines.append(f"{(record.time_ns - end_ns) / 1e6:12.1f}  {_words(record)}\n")
        if not number % YIELD_EVERY:
            time.sleep(0)
    return f"{head}\nStacks and tracebacks\n\n{stacks}\n\n{LEGEND}\n{''.join(lines)}\n"


def _words(record: Record) -> str:
    if isinstance(record, MessageRecord):
        arrow, what = _WAYS[record.way]
        number = f" #{record.request}" if record.request else ""
        return f"{arrow} {what} {record.kind:<18} {record.peer or 'everybody':<16} {record.size} bytes{number}"
    if isinstance(record, SecondRecord):
        audio = f", {record.frames} frames on {record.calls} calls" if record.frames or record.calls else ""
        return (
            f"   second: {record.cpu_us / 1000:.1f} ms CPU, {record.waited_us / 1000:.1f} ms waited,"
            f" {record.voluntary}+{record.involuntary} switches, {record.major_faults} major faults,"
            f" {record.late_us / 1000:.1f} ms late{audio}"
        )
    return f"   {record.text}"
