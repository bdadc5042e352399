"""Writes the rows of calls into the history's file, whatever becomes of that file.

A transaction is made where the call is, without a thread of its own: a step takes 0.08 ms with all that it encodes, of
which 0.03 are the commit (17 steps a call; p99 0.3 ms, two cores, others at work). It waits for no disk: the log is
moved into the file beside it (`keep`), which takes 7 ms and more.

What cannot be written does not stop a call: it is kept in memory, up to `BACKLOG` transactions, and tried again every
second; the operator is told once.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.call_control.kept import printable
from ipc.history import Damaged, History, HistoryError, plain, set_aside

log = logging.getLogger(__name__)

BACKLOG = 2000
"""Transactions kept while the file cannot be written: those of 40 whole calls."""
TRY_S = 1.0
"""Between two tries to write, and two looks at the log."""
LOG_BYTES, FULL_LOG_BYTES = 1 << 20, 16 << 20
"""From here on the log is moved into the file; and, where calls write without a pause, while they wait."""
SWEEP_S = 86_400.0
SWEEP_PAUSE_S = 0.05

Row = tuple[object, ...]
Statement = tuple[str, Row]
"""Its first parameter is the call's number, and is not among these."""

LIVE = """
INSERT INTO live (number, house, control, call_id, session) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (house, control, call_id) DO UPDATE SET number = excluded.number, session = excluded.session
"""
NUMBERED = """
INSERT INTO calls (call_id, boot, arrived_ns, control, arrived, direction) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (call_id, boot, arrived_ns) DO UPDATE SET control = excluded.control RETURNING number
"""


@dataclass(kw_only=True)
class Entry:
    """A call in the history."""

    call_id: str
    boot: str
    arrived_ns: int
    control: str
    arrived: float
    """Unix seconds."""
    direction: str = "in"
    number: int | None = None
    """None until the file has a row for it."""
    live: Row = ()
    """Of its row in `live`, without the number; () for a call that is over."""


class Ledger:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.complain: Callable[[str], None] = lambda problem: None
        """Hears what the operator is to know, and "" when it is over."""
        self.open_entries: dict[str, Entry] = {}
        """Of the calls that go on, by call id."""
        self._history: History | None = None
        self._backlog: deque[tuple[Entry, list[Statement]]] = deque(maxlen=BACKLOG)
        self._problem = ""
        self._damage = ""

    def open(self) -> None:
        try:
            self._history = History(self.directory)
        except Damaged as error:
            self._replace(error)
        except HistoryError as error:
            self._fail(error)

    def close(self) -> None:
        if self._history is not None:
            self._history.close()
            self._history = None

    def read(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """Nothing where the file cannot be read."""
        if self._history is None:
            return []
        try:
            return self._history.read(statement, *values)
        except HistoryError as error:
            self._fail(error)
            return []

    def write(self, entry: Entry, statements: list[Statement]) -> None:
        """In one transaction, at once; or later, where the file cannot be written now."""
        if self._backlog or self._history is None:
            self._backlog.append((entry, statements))
            return
        try:
            self._commit([(entry, statements)])
        except HistoryError as error:
            self._backlog.append((entry, statements))
            self._fail(error)

    def catch_up(self) -> None:
        """Writes what could not be written, if it can be now."""
        if self._history is None:
            self.open()
        while self._backlog and self._history is not None:
            work = list(self._backlog)[:100]
            try:
                self._commit(work)
            except HistoryError as error:
                self._fail(error)
                return
            for _ in work:
                self._backlog.popleft()
        if self._history is not None:
            self._say("")

    def _commit(self, work: Sequence[tuple[Entry, list[Statement]]]) -> None:
        assert self._history is not None
        with self._history.transaction() as connection:
            for entry, statements in work:
                if entry.number is None:
                    entry.number = _numbered(connection, entry)
                for statement, row in statements:
                    try:
                        connection.execute(statement, (entry.number, *row))
                    except UnicodeEncodeError:  # half a surrogate pair, in what came from outside
                        connection.execute(statement, (entry.number, *printable(row)))

    def _fail(self, error: HistoryError) -> None:
        if isinstance(error, Damaged):
            self.close()
        self._say(f"{error}. Calls go on, and are not written down meanwhile.")

    def _say(self, problem: str) -> None:
        """Once for each change. That a file was damaged is told until this process ends."""
        problem = " ".join(filter(None, (self._damage, problem)))
        if problem != self._problem:
            self._problem = problem
            if problem:
                log.error("%s", problem)
            self.complain(problem)

    def _replace(self, damage: Damaged) -> None:
        """Sets the damaged file aside, and begins a new one with the calls that are going on."""
        try:
            aside = set_aside(self.directory)
            self._history = History(self.directory)
        except HistoryError as error:
            self._fail(error)
            return
        if aside is not None:
            self._damage = (
                f"{damage}: it is now {aside}, and a new one was begun. `sqlite3 {aside} .recover` may get calls back; "
                "delete it when you need it no more."
            )
        for entry in self.open_entries.values():
            entry.number = None
            self._backlog.append((entry, [(LIVE, entry.live)]))

    # -- beside the calls ----------------------------------------------------------------------------------------------

    async def keep(self, keep_s: float, journals: Path) -> None:
        """Tries again what could not be written, keeps the log short, and forgets calls that are older than `keep_s`
        seconds (0: none) and their journals in this folder; for ever."""
        swept = -SWEEP_S
        while True:
            self.catch_up()
            if self._history is not None and self._history.log_bytes > LOG_BYTES:
                await asyncio.to_thread(self._shorten_log)
            if self._history is not None and keep_s and time.monotonic() - swept >= SWEEP_S:
                swept = time.monotonic()
                await asyncio.to_thread(self._sweep, time.time() - keep_s, journals)
            await asyncio.sleep(TRY_S)

    def _shorten_log(self) -> None:
        with contextlib.suppress(HistoryError), History(self.directory) as history:  # one of this thread's own
            full = history.log_bytes > FULL_LOG_BYTES
            history.checkpoint()
            if full:
                history.erase_log()

    def _sweep(self, before: float, journals: Path) -> None:
        with contextlib.suppress(HistoryError), History(self.directory) as history:
            while history.sweep(before):
                time.sleep(SWEEP_PAUSE_S)
        for file in journals.glob("*.jsonl"):
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < before:
                    file.unlink()


def _numbered(connection: sqlite3.Connection, entry: Entry) -> int:
    row = (plain(entry.call_id), entry.boot, entry.arrived_ns, entry.control, entry.arrived, entry.direction)
    number: int = connection.execute(NUMBERED, row).fetchone()[0]
    return number
