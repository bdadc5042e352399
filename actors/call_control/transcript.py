"""What the call history takes from a call's journal (`ipc.journal`), which the conversation has written. Pure.

The journal holds its times as CLOCK_MONOTONIC; here they are milliseconds since the call arrived, and those of a turn
milliseconds since the caller's last sample.
"""

from collections.abc import Iterable

import msgspec

from actors.call_control.chronicle import LONGEST_NAME, LONGEST_TEXT, Redaction
from ipc.history import plain
from ipc.journal import (
    AgentSaid,
    BargedIn,
    CallEnded,
    CallerSaid,
    CallStarted,
    ConsultSaid,
    DigitsPressed,
    EngineLost,
    ProviderLost,
    Record,
    Recorded,
    ToolRun,
    TurnTimed,
)

Row = tuple[object, ...]


class Transcript(msgspec.Struct, kw_only=True):
    """Rows of the tables of these names, without the call's number and their place (but for `quality`)."""

    agent: str = ""
    provider: str = ""
    pipeline: str = ""
    recording: str = ""
    """Path of the last one."""
    turns: list[Row] = []
    tools: list[Row] = []
    barge_ins: list[Row] = []
    errors: list[Row] = []
    quality: Row | None = None
    remark: str = ""
    """What could not be read."""
    ended: bool = False
    """The conversation has closed the journal."""


def transcript(records: Iterable[Record], arrived_ns: int, redaction: Redaction) -> Transcript:
    """records: of the whole journal. The same channel may have come back to us: only what was written of the call that
    arrived at `arrived_ns` counts; where no beginning says so, everything since the last beginning.

    What was said to a person who was asked to take the call is in it, too (`consult`), though the caller did not hear.
    """
    found = Transcript()
    said: dict[int, CallerSaid] = {}
    timed: dict[int, TurnTimed] = {}
    entries: list[tuple[int, CallerSaid | AgentSaid | DigitsPressed | ConsultSaid]] = []
    lost = 0
    for record in _own(list(records), arrived_ns):
        at_ms = _ms(record.at_ns, arrived_ns)
        match record:
            case CallStarted():
                found.agent = plain(record.agent, LONGEST_NAME)
                found.provider, found.pipeline = record.provider, record.pipeline
            case CallerSaid():
                if record.turn not in said:
                    entries.append((record.at_ns, record))
                said[record.turn] = record
                lost += record.lost_frames
            case AgentSaid() | DigitsPressed() | ConsultSaid():
                entries.append((record.at_ns, record))
            case TurnTimed():
                timed[record.turn] = record
            case BargedIn():
                silent = _ms(record.silent_ns, record.onset_ns) if record.silent_ns else None
                found.barge_ins.append((at_ms, record.turn, silent))
            case ToolRun():
                arguments = {plain(key): redaction.argument(value) for key, value in record.arguments.items()}
                text = msgspec.json.encode(arguments).decode()
                found.tools.append((at_ms, record.turn, plain(record.name), text, plain(record.outcome, LONGEST_TEXT)))
            case EngineLost():
                successor = f"; {record.successor} took over" if record.successor else ""
                who = f"{record.role} {record.actor}".strip()
                found.errors.append((at_ms, plain(who), plain(record.reason, LONGEST_TEXT) + successor))
            case ProviderLost():
                reason = f"{plain(record.reason, LONGEST_TEXT)}; the pipeline {record.pipeline} took over"
                found.errors.append((at_ms, plain(f"provider {record.provider}"), reason))
            case Recorded():
                found.recording = plain(record.path)
            case CallEnded():
                found.quality = _quality(record, lost)
                found.ended = True
    for at_ns, entry in entries:
        found.turns.append((_ms(at_ns, arrived_ns), *_turn(entry, said, timed, redaction)))
    return found


def _own(records: list[Record], arrived_ns: int) -> list[Record]:
    beginnings = [place for place, record in enumerate(records) if isinstance(record, CallStarted)]
    for number, place in enumerate(beginnings):
        record = records[place]
        if isinstance(record, CallStarted) and record.arrived_ns == arrived_ns:
            after = beginnings[number + 1 :]
            return records[place : after[0] if after else None]
    return records[beginnings[-1] :] if beginnings else records


def _turn(
    entry: CallerSaid | AgentSaid | DigitsPressed | ConsultSaid,
    said: dict[int, CallerSaid],
    timed: dict[int, TurnTimed],
    redaction: Redaction,
) -> Row:
    """who, kind, turn, text, heard, interrupted, confidence, and the six times."""
    nothing = (None,) * 6
    match entry:
        case CallerSaid(turn=turn):
            # Who goes on talking adds to their turn: its last record counts, at the place of the first.
            last = said[turn]
            text = redaction.text(last.text)
            return ("caller", "said", turn, text, "", False, last.confidence, *_times(timed.get(turn)))
        case AgentSaid():
            heard, text = redaction.text(entry.heard), redaction.text(entry.text)
            return ("agent", plain(entry.kind), entry.turn, text, heard, entry.interrupted, None, *nothing)
        case DigitsPressed(digits=digits):
            return ("caller", "keys", 0, redaction.keys(digits), "", False, None, *nothing)
        case ConsultSaid(who=who):
            return (plain(who, LONGEST_NAME), "consult", 0, redaction.text(entry.text), "", False, None, *nothing)


def _times(timed: TurnTimed | None) -> Row:
    if timed is None:
        return (None,) * 6
    moments = (
        timed.decided_ns,
        timed.heard_ns,
        timed.first_token_ns,
        timed.first_clause_ns,
        timed.first_audio_ns,
        timed.on_wire_ns,
    )
    return tuple(_ms(at, timed.last_speech_ns) if at else None for at in moments)


def _quality(ended: CallEnded, lost: int) -> Row:
    late = ended.late_ms
    return (
        ended.frames_sent,
        ended.frames_received,
        lost,
        ended.underruns,
        ended.skipped,
        ended.corrupt,
        ended.takeovers,
        late.get("p50"),
        late.get("p99"),
        late.get("max"),
    )


def _ms(at_ns: int, from_ns: int) -> float:
    return round((at_ns - from_ns) / 1e6, 3)
