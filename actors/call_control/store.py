"""What must outlive this process: every call's session, and what the history tells of the call (`ipc.history`).

    legs.step --> Store.step, one transaction --> only now are the step's commands carried out

So whatever was done for a call, or answered to anybody, follows from what is on disk, and a successor goes on from
there (`load`). Beside the session stand the commands that have not been answered (`kept`).
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from actors.call_control.chronicle import (
    LONGEST_TEXT,
    LOST_AWAY,
    LOST_BOOT,
    Facts,
    Leg,
    Redaction,
    channels,
    facts,
    words,
)
from actors.call_control.commands import Command
from actors.call_control.events import Event, Failed
from actors.call_control.kept import Kept, decoded, encoded, masked
from actors.call_control.ledger import LIVE, Entry, Ledger, Statement
from actors.call_control.sessions import Session, Stage, State
from actors.call_control.transcript import Transcript, transcript
from config import keeping
from ipc import journal
from ipc.history import boot_id, plain

log = logging.getLogger(__name__)

MOST_MOMENTS = 1000
"""Lines of one call's time line: a call has 30. One whose transfers fail again and again must not fill the disk."""

LOAD = """
SELECT live.call_id, live.number, live.session, live.house, live.control, calls.boot, calls.arrived_ns, calls.arrived
FROM live JOIN calls USING (number)
"""
LAST = "SELECT coalesce(max(at_ms), 0) AS at_ms FROM transitions WHERE number = ?"
FACTS = """
UPDATE calls SET caller_number = iif(?2 = '', caller_number, ?2), caller_name = iif(?3 = '', caller_name, ?3),
    agent = iif(?4 = '', agent, ?4), provider = iif(?5 = '', provider, ?5), cause = ?6,
    answered = coalesce(answered, ?7),
    outcome = iif(outcome = 'transferred' AND ?8 IN ('', 'caller hung up'), outcome, ?8),
    transports = CASE WHEN ?9 = '' OR instr(',' || transports || ',', ',' || ?9 || ',') THEN transports
        WHEN transports = '' THEN ?9 ELSE transports || ',' || ?9 END
WHERE number = ?1
"""
MOMENT = """
INSERT INTO transitions (number, place, at_ms, event, stage, detail)
VALUES (?1, (SELECT coalesce(max(place), 0) + 1 FROM transitions WHERE number = ?1), ?2, ?3, ?4, ?5)
"""
LEG = "INSERT OR IGNORE INTO legs (number, channel_id, kind, transport, from_ms) VALUES (?, ?, ?, ?, ?)"
LEG_ENDED = "UPDATE legs SET until_ms = ?3 WHERE number = ?1 AND channel_id = ?2 AND until_ms IS NULL"
LEGS_ENDED = "UPDATE legs SET until_ms = ?2 WHERE number = ?1 AND until_ms IS NULL"
ERROR = """
INSERT INTO errors (number, place, at_ms, who, text)
VALUES (?1, (SELECT coalesce(max(place), 0) + 1 FROM errors WHERE number = ?1), ?2, ?3, ?4)
"""
TURN = f"INSERT OR REPLACE INTO turns VALUES ({', '.join('?' * 16)})"
TOOL = f"INSERT OR REPLACE INTO tools VALUES ({', '.join('?' * 7)})"
BARGE_IN = f"INSERT OR REPLACE INTO barge_ins VALUES ({', '.join('?' * 5)})"
QUALITY = f"INSERT OR REPLACE INTO quality VALUES ({', '.join('?' * 11)})"
CLOSED = """
UPDATE calls SET ended = coalesce(ended, ?2), outcome = iif(outcome = '', ?3, outcome),
    cause = iif(cause = '', ?4, cause), agent = iif(?5 = '', agent, ?5),
    provider = iif(?6 = '' AND ?7 = '', provider, ?6), pipeline = ?7, remark = ?8,
    recording = iif(?9 = '', recording, ?9)
WHERE number = ?1
"""
DEAD = "DELETE FROM live WHERE number = ?"


@dataclass(kw_only=True)
class Run(Entry):
    """A call that goes on, and what has been written of it."""

    facts: tuple[Facts, str] | None = None
    ended: float | None = None
    """Unix seconds: when the caller had gone."""
    legs: dict[str, Leg] = field(default_factory=dict)
    moments: int = 0
    waiting: tuple[Command, ...] = ()


class Store:
    def __init__(self, settings: keeping.History, run_dir: Path, control: str) -> None:
        """control: the name of this call-control; only its own calls are loaded. run_dir: where the journals are."""
        self.ledger = Ledger(settings.folder)
        self._keep_s = settings.keep_days * 86_400.0
        self._redaction = Redaction(settings.redact)
        self._run_dir = run_dir
        self._house = str(run_dir.resolve())
        self._control = control
        self._boot = boot_id()
        self._runs: dict[str, Run] = {}
        self._unclaimed: dict[str, Run] = {}
        """Calls of a predecessor that have not begun again, by their call id."""

    def load(self, controls: Collection[str] = ()) -> dict[str, Kept]:
        """Opens the file; gives the calls that a predecessor of this process was holding, by call id.

        Those from before the machine was restarted are closed. Where `controls` are named, so are the calls of
        call-controls that are none of these any more, and all that another system has left behind in an earlier boot.
        """
        self.ledger.open()
        found: dict[str, Kept] = {}
        for row in self.ledger.read(LOAD):
            run = _run(row)
            here = row["house"] == self._house
            mine = here and row["control"] == self._control
            if row["boot"] != self._boot and (mine or (controls and not here)):
                self._bury(run, LOST_BOOT)
            elif mine:
                self._unclaimed[run.call_id] = run
                try:
                    found[run.call_id] = decoded(row["session"])
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    log.warning("%s: what another version has kept of it cannot be read (%s)", run.call_id, error)
            elif here and controls and row["control"] not in controls:
                self._bury(run, LOST_AWAY)
        return found

    def forsake(self) -> None:
        """Closes the calls that nobody has begun again since `load`: they are nowhere any more."""
        for run in self._unclaimed.values():
            self._bury(run, LOST_AWAY)
        self._unclaimed.clear()

    async def keep(self) -> None:
        """What has to be done beside the calls; for ever."""
        await self.ledger.keep(self._keep_s, journal.folder(self._run_dir))

    def close(self) -> None:
        self.ledger.close()

    # -- the life of a call --------------------------------------------------------------------------------------------

    def begin(self, session: Session, waiting: Sequence[Command], now: int) -> None:
        """A new call, or one of those that were loaded. What is to be written comes before what is to be done."""
        known = self._unclaimed.pop(session.call_id, None)
        run = known or Run(
            call_id=session.call_id,
            boot=self._boot,
            arrived_ns=session.arrived_ns,
            control=self._control,
            arrived=time.time() - (now - session.arrived_ns) / 1e9,
            direction=facts(session, self._redaction).direction,
        )
        self._runs[session.call_id] = self.ledger.open_entries[session.call_id] = run
        self._put(run, session, waiting, now, ("resumed" if known else "arrived", ""))

    def step(self, before: Session, event: Event, session: Session, waiting: Sequence[Command], now: int) -> None:
        """Writes what `legs.step` made of an event; what changes nothing is not written. waiting: the commands that are
        not answered now."""
        run = self._runs.get(session.call_id)
        if run is None or (session == before and tuple(waiting) == run.waiting):
            return
        name, detail = words(event, self._redaction)
        error = [(ERROR, (_at(run, now), name, detail))] if isinstance(event, Failed) else []
        self._put(run, session, waiting, now, (name, detail), error)

    async def end(self, session: Session, now: int) -> None:
        """The call is over, and its journal closed: all goes into the history, and its session is forgotten."""
        run = self._runs.get(session.call_id)
        if run is None:
            return
        found = await asyncio.to_thread(self._journal, run)
        del self._runs[session.call_id]
        what = facts(session, self._redaction)
        ended = run.ended or run.arrived + _at(run, now) / 1000
        self._write_last(run, found, ended, what.outcome, what.cause)

    def _put(
        self,
        run: Run,
        session: Session,
        waiting: Sequence[Command],
        now: int,
        moment: tuple[str, str],
        errors: Sequence[Statement] = (),
    ) -> None:
        at_ms = _at(run, now)
        run.waiting = tuple(waiting)
        run.live = (
            self._house,
            self._control,
            run.call_id,
            encoded(masked(Kept(session, run.waiting), self._redaction)),
        )
        statements: list[Statement] = [(LIVE, run.live)]
        if run.moments < MOST_MOMENTS:
            event, detail = moment
            statements += [(MOMENT, (at_ms, event, session.stage.value, detail)), *errors]
        run.moments += 1
        statements += self._changed_facts(run, session, run.arrived + at_ms / 1000)
        legs = channels(session)
        if legs != run.legs:
            new = [(channel_id, leg) for channel_id, leg in legs.items() if channel_id not in run.legs]
            statements += [(LEG, (plain(each), leg.kind, leg.transport, at_ms)) for each, leg in new]
            statements += [(LEG_ENDED, (plain(each), at_ms)) for each in run.legs if each not in legs]
            run.legs = legs
        self.ledger.write(run, statements)

    def _changed_facts(self, run: Run, session: Session, at: float) -> list[Statement]:
        what, leg = facts(session, self._redaction), session.media
        transport = leg.transport if leg is not None and leg.joined.state is State.THERE else ""
        transport = "audiosocket" if session.direct else transport
        if (what, transport) == run.facts:
            return []
        run.facts = (what, transport)
        if session.stage in (Stage.CLEARING, Stage.OVER) and run.ended is None:
            run.ended = at
        row = (
            *(what.caller_number, what.caller_name, what.agent, what.provider, what.cause),
            at if what.answered else None,
            what.outcome,
            transport,
        )
        return [(FACTS, row)]

    # -- the end of a call ---------------------------------------------------------------------------------------------

    def _bury(self, run: Run, cause: str) -> None:
        """Nobody saw its end: the last that is known of it counts as such."""
        log.info("%s: %s", run.call_id, cause)
        last = self.ledger.read(LAST, run.number)
        ended = run.arrived + (last[0]["at_ms"] if last else 0.0) / 1000
        self._write_last(run, self._journal(run), ended, "lost", cause)

    def _write_last(self, run: Run, found: Transcript, ended: float, outcome: str, cause: str) -> None:
        statements: list[Statement] = []
        for statement, rows in ((TURN, found.turns), (TOOL, found.tools), (BARGE_IN, found.barge_ins)):
            statements += [(statement, (place, *row)) for place, row in enumerate(rows, 1)]
        statements += [(ERROR, row) for row in found.errors]
        statements += [(QUALITY, found.quality)] if found.quality is not None else []
        statements.append((LEGS_ENDED, (round((ended - run.arrived) * 1000, 3),)))
        closing = (ended, outcome, cause, found.agent, found.provider, found.pipeline, found.remark, found.recording)
        self.ledger.write(run, [*statements, (CLOSED, closing), (DEAD, ())])
        self.ledger.open_entries.pop(run.call_id, None)

    def _journal(self, run: Run) -> Transcript:
        """What the conversation has written, as far as it can be read."""
        file = journal.path(self._run_dir, run.call_id)
        records: list[journal.Record] = []
        remark = ""
        try:
            for record in journal.read(file):
                records.append(record)
        except FileNotFoundError:
            remark = "there is no journal: no conversation was held, or it is gone"
        except (OSError, msgspec.DecodeError) as error:
            remark = plain(f"its journal {file} cannot be read to its end: {error}", LONGEST_TEXT)
        found = transcript(records, run.arrived_ns, self._redaction)
        found.remark = remark or ("" if found.ended else "its journal was not closed: the conversation had died")
        return found


def _run(row: sqlite3.Row) -> Run:
    names = ("call_id", "boot", "arrived_ns", "control", "arrived", "number")
    return Run(**{name: row[name] for name in names})


def _at(run: Run, now: int) -> float:
    """Milliseconds since it arrived."""
    return round((now - run.arrived_ns) / 1e6, 3)
