"""A `SystemStatus` as text for a terminal."""

from collections import Counter
from collections.abc import Sequence

from ipc.orders import ActorStatus, SystemStatus
from supervisor import cores

_GREEN, _YELLOW, _RED, _DIM, _BOLD, _PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"

_COLOURS = {"ready": _GREEN, "starting": _YELLOW, "stopping": _DIM, "restarting": _YELLOW, "degraded": _RED}

_HEAD = ("actor", "pid", "state", "cores", "class", "CPU %", "MB", "restarts", "calls", "up", "note")
_RIGHT = {"pid", "CPU %", "MB", "restarts", "calls", "up"}


def render(status: SystemStatus, *, colours: bool) -> str:
    """Several lines, without one at the end."""

    def paint(text: str, colour: str) -> str:
        return f"{colour}{text}{_PLAIN}" if colours else text

    verdict = paint("ready", _GREEN) if status.ready else paint("not ready", _RED)
    calls, warm = len(status.calls), status.warm_audio
    if status.draining:
        verdict += f"  {paint('draining', _YELLOW)}"
    part = "" if status.role == "all" else f" as {status.role}"
    line = f"{paint(f'Ringmaster {status.version}{part}', _BOLD)}  {verdict}  up {_duration(status.uptime_s)}"
    if status.role != "ai-server":
        line += f"  {calls} call{'s' if calls != 1 else ''}  {warm} audio actor{'s' if warm != 1 else ''} warm"
    lines = [line, ""]
    rows = [_row(actor) for actor in status.actors]
    widths = [max(len(row[column]) for row in [_HEAD, *rows]) for column in range(len(_HEAD))]
    lines.append(paint(_line(_HEAD, widths), _DIM))
    for row, actor in zip(rows, status.actors, strict=True):
        lines.append(paint(_line(row, widths), _COLOURS[actor.state]) if actor.state != "ready" else _line(row, widths))
    if status.calls:
        wires = Counter(call.wire for call in status.calls)
        lines += ["", f"audio of calls by: {', '.join(f'{count} {wire}' for wire, count in sorted(wires.items()))}"]
    if status.media_refused:
        refused = ", ".join(f"{count} {reason}" for reason, count in sorted(status.media_refused.items()))
        lines += ["", f"media connections dropped: {refused}"]
    if status.calls_refused:
        refused = ", ".join(f"{count} {reason}" for reason, count in sorted(status.calls_refused.items()))
        lines += ["", f"calls refused: {refused}"]
    if status.problems:
        lines += ["", *(paint(f"problem: {problem}", _RED) for problem in status.problems)]
    return "\n".join(lines)


def _row(actor: ActorStatus) -> tuple[str, ...]:
    return (
        actor.name,
        str(actor.pid or "-"),
        actor.state,
        cores.text(actor.cores),
        actor.scheduling or "-",
        f"{actor.cpu_percent:.1f}",
        f"{actor.memory_mb:.1f}",
        str(actor.restarts),
        str(actor.calls),
        _duration(actor.uptime_s),
        actor.note,
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if head in _RIGHT else cell.ljust(width)
        for head, cell, width in zip(_HEAD, cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()


def _duration(seconds: float) -> str:
    """Gives "59 s", "12 min", "5.2 h", "3.1 d"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 86400 else f"{seconds / 86400:.1f} d"
