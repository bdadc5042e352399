"""Past calls as a person reads them: the list, and everything about one."""

import time
from collections.abc import Sequence

from ipc.past_calls import Call, Leg, Quality, Turn, WholeCall

HEAD = ("arrived", "call", "caller", "agent", "length", "turns", "answer", "outcome")
WIDEST = 32
"""Characters of a column; what is cut is whole in the page of the call."""
RIGHT = ("length", "turns", "answer")


def table(calls: Sequence[Call]) -> str:
    rows = [HEAD, *(_row(call) for call in calls)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = []
    for row in rows:
        cells = zip(HEAD, row, widths, strict=True)
        lines.append("  ".join(cell.rjust(w) if name in RIGHT else cell.ljust(w) for name, cell, w in cells).rstrip())
    return "\n".join(lines)


def _row(call: Call) -> tuple[str, ...]:
    caller = f"{call.caller_number} {call.caller_name}".strip()
    answer = "" if call.answer_ms is None else f"{call.answer_ms:.0f} ms"
    # A cause is a sentence; the id must be whole, for it names the call.
    cells = (caller, call.agent, _length(call), str(call.turns), answer)
    return (_moment(call.arrived), call.call_id, *map(_cut, cells), call.outcome or "goes on")


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _moment(seconds: float) -> str:
    """By the clock of this machine."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _length(call: Call) -> str:
    if call.seconds is None:
        return ""
    whole = round(call.seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def page(call: WholeCall) -> str:
    """Everything about one call."""
    parts = [_facts(call), _timeline(call)]
    if call.legs:
        parts.append(_section("legs", [_leg(leg) for leg in call.legs]))
    if call.transcript:
        parts.append(_section("transcript", [line for turn in call.transcript for line in _turn(turn)]))
    if call.tools:
        tools = [f"{_at(tool.at_ms)}  {tool.name} {tool.arguments}: {tool.outcome}" for tool in call.tools]
        parts.append(_section("tools", tools))
    if call.barges:
        parts.append(_section("barge-ins", [f"{_at(each.at_ms)}  {_silence(each.silent_ms)}" for each in call.barges]))
    if call.errors:
        parts.append(_section("errors", [f"{_at(error.at_ms)}  {error.who}: {error.text}" for error in call.errors]))
    if call.quality is not None:
        parts.append(_section("audio", _quality(call.quality)))
    return "\n\n".join(parts)


def _facts(call: WholeCall) -> str:
    names = {"in": "from", "out": "to", "direct": "from"}
    caller = f"{call.caller_number} {call.caller_name}".strip() or "nobody knows whom"
    served = call.provider or call.pipeline
    lines = [
        f"call {call.call_id} {names.get(call.direction, 'from')} {caller}",
        f"arrived    {_moment(call.arrived)} at {call.control}" + (", directly" if call.direction == "direct" else ""),
    ]
    if call.answered is not None:
        lines.append(f"answered   after {call.answered - call.arrived:.1f} s")
    lines.append(f"agent      {call.agent or 'none yet'}" + (f", by {served}" if served else ""))
    if call.transports:
        lines.append(f"transport  {call.transports}")
    ended = "not yet" if call.ended is None else f"after {_length(call)}: {call.outcome} ({call.cause})"
    lines.append(f"ended      {ended}")
    if call.recording:
        lines.append(f"recording  {call.recording}")
    if call.remark:
        lines.append(f"missing    {call.remark}")
    return "\n".join(lines)


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _at(ms: float) -> str:
    return f"{ms / 1000:9.3f} s"


def _timeline(call: WholeCall) -> str:
    lines, stage = [], ""
    for moment in call.timeline:
        detail = f": {moment.detail}" if moment.detail else ""
        now = f" -> {moment.stage}" if moment.stage != stage else ""
        stage = moment.stage
        lines.append(f"{_at(moment.at_ms)}  {moment.event}{detail}{now}")
    return _section("time line", lines)


def _leg(leg: Leg) -> str:
    until = "still there" if leg.until_ms is None else f"{leg.until_ms / 1000:.3f} s"
    kind = f"{leg.kind} ({leg.transport})" if leg.transport else leg.kind
    return f"{_at(leg.from_ms)} to {until}  {kind}  {leg.channel_id}"


def _turn(turn: Turn) -> list[str]:
    lines = [f"{_at(turn.at_ms)}  {turn.who}: {turn.text or '(nothing understood)'}"]
    if turn.kind in ("consult", "keys"):
        lines[0] = f"{_at(turn.at_ms)}  {turn.who} ({turn.kind}): {turn.text}"
    if turn.interrupted:
        lines.append(f"{'':13}interrupted; heard: {turn.heard or 'nothing'}")
    if turn.answer_ms is not None:
        steps = (
            ("turn over", turn.decided_ms),
            ("understood", turn.understood_ms),
            ("first word", turn.token_ms),
            ("first clause", turn.clause_ms),
            ("first sound", turn.audio_ms),
            ("heard", turn.answer_ms),
        )
        told = ", ".join(f"{name} {ms:.0f}" for name, ms in steps if ms is not None)
        lines.append(f"{'':13}answer, ms after their last sample: {told}")
    return lines


def _silence(ms: float | None) -> str:
    if ms is None:
        return "the agent went on"
    if ms < 0:  # it had nothing to say in the middle of its answer: its engine was slow
        return "the agent was silent when the caller began"
    return f"the agent was silent {ms:.0f} ms after the caller began"


def _quality(quality: Quality) -> list[str]:
    late = ", ".join(
        f"{name} {ms:.1f}"
        for name, ms in (("p50", quality.late_p50_ms), ("p99", quality.late_p99_ms), ("max", quality.late_max_ms))
        if ms is not None
    )
    return [
        f"frames of 20 ms: {quality.frames_sent} sent, {quality.frames_received} received, {quality.lost} lost to the"
        " recogniser",
        f"late, ms: {late or 'not measured'}",
        f"holes in the agent's speech: {quality.underruns}; skipped {quality.skipped}, corrupt {quality.corrupt};"
        f" taken up again by an audio actor: {quality.takeovers}",
    ]
