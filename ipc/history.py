"""The call history: one SQLite file, `calls.sqlite`, with every call and what became of it. Who reads it: `past_calls`.

    calls ---+-- transitions   what happened to it, in the order in which it happened (`at_ms` since it arrived)
             +-- legs          the channels that it had in Asterisk
             +-- turns         what was said, and how long the answer took
             +-- tools, barge_ins, errors, quality
             +-- live          of a call that is going on: its whole session, to go on from after a death

A call's key is its `number`; the same channel may come back, so call id, boot and arrival together name a call, too. A
running system is named by its run directory (`house`): of two that share a history neither goes on with the other's
calls.

Several processes have the file open: each call-control writes its own calls, the command line reads and forgets. In WAL
mode readers wait for nobody; a writer waits for another one's transaction, which is short. What has been committed
survives the death of the process at any instant, for it is with the kernel then. It need not survive a power cut: with
`synchronous=NORMAL` the log is forced to the disk only when it is moved into the file, so the last seconds may be
missing then; what is there is whole. Sources: sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous.

A file that is no database any more is set aside under another name, and a new one is begun. For that nobody else may
have it open: whoever closes a database last removes its log by name, and would take away the new one's. So everybody
who has it open holds a shared lock on `calls.lock`, and setting aside needs it exclusively.

Nothing that comes from outside is ever part of a statement: values are parameters, and `plain` has made them readable.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

FILE, LOCK = "calls.sqlite", "calls.lock"

BUSY_S = 1.0
"""A writer waits so long for another one: a step of a call takes 0.1 ms, a bite of `sweep` 3 ms."""

BITE = 20
"""Calls that `sweep` forgets in one transaction, so that no call waits for it."""

LONGEST = 2000
"""Characters of any text that comes from outside; longer ones are cut. A reply of the agent is shorter."""

_JOINERS = "\u200c\u200d"
"""Not printable by themselves, and part of names in Persian and in the scripts of India."""

_SCHEMA = """
CREATE TABLE calls (
    number INTEGER PRIMARY KEY,
    call_id TEXT NOT NULL,
    boot TEXT NOT NULL,
    arrived_ns INTEGER NOT NULL,
    control TEXT NOT NULL,
    arrived REAL NOT NULL,
    answered REAL,
    ended REAL,
    direction TEXT NOT NULL,
    caller_number TEXT NOT NULL DEFAULT '',
    caller_name TEXT NOT NULL DEFAULT '',
    agent TEXT NOT NULL DEFAULT '',
    provider TEXT NOT NULL DEFAULT '',
    pipeline TEXT NOT NULL DEFAULT '',
    transports TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL DEFAULT '',
    cause TEXT NOT NULL DEFAULT '',
    recording TEXT NOT NULL DEFAULT '',
    remark TEXT NOT NULL DEFAULT '',
    UNIQUE (call_id, boot, arrived_ns)
);
CREATE INDEX calls_by_arrival ON calls (arrived);
CREATE TABLE live (
    house TEXT NOT NULL, control TEXT NOT NULL, call_id TEXT NOT NULL,
    number INTEGER NOT NULL, session BLOB NOT NULL,
    PRIMARY KEY (house, control, call_id)
) WITHOUT ROWID;
CREATE TABLE transitions (
    number INTEGER NOT NULL, place INTEGER NOT NULL, at_ms REAL NOT NULL,
    event TEXT NOT NULL, stage TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (number, place)
) WITHOUT ROWID;
CREATE TABLE legs (
    number INTEGER NOT NULL, channel_id TEXT NOT NULL, kind TEXT NOT NULL, transport TEXT NOT NULL,
    from_ms REAL NOT NULL, until_ms REAL,
    PRIMARY KEY (number, channel_id)
) WITHOUT ROWID;
CREATE TABLE turns (
    number INTEGER NOT NULL, place INTEGER NOT NULL, at_ms REAL NOT NULL,
    who TEXT NOT NULL, kind TEXT NOT NULL, turn INTEGER NOT NULL, text TEXT NOT NULL, heard TEXT NOT NULL,
    interrupted INTEGER NOT NULL, confidence REAL,
    decided_ms REAL, understood_ms REAL, token_ms REAL, clause_ms REAL, audio_ms REAL, answer_ms REAL,
    PRIMARY KEY (number, place)
) WITHOUT ROWID;
CREATE TABLE tools (
    number INTEGER NOT NULL, place INTEGER NOT NULL, at_ms REAL NOT NULL,
    turn INTEGER NOT NULL, name TEXT NOT NULL, arguments TEXT NOT NULL, outcome TEXT NOT NULL,
    PRIMARY KEY (number, place)
) WITHOUT ROWID;
CREATE TABLE barge_ins (
    number INTEGER NOT NULL, place INTEGER NOT NULL, at_ms REAL NOT NULL,
    turn INTEGER NOT NULL, silent_ms REAL,
    PRIMARY KEY (number, place)
) WITHOUT ROWID;
CREATE TABLE errors (
    number INTEGER NOT NULL, place INTEGER NOT NULL, at_ms REAL NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (number, place)
) WITHOUT ROWID;
CREATE TABLE quality (
    number INTEGER PRIMARY KEY,
    frames_sent INTEGER NOT NULL, frames_received INTEGER NOT NULL, lost INTEGER NOT NULL,
    underruns INTEGER NOT NULL, skipped INTEGER NOT NULL, corrupt INTEGER NOT NULL, takeovers INTEGER NOT NULL,
    late_p50_ms REAL, late_p99_ms REAL, late_max_ms REAL
);
"""

_MIGRATIONS = (_SCHEMA,)
"""What leads from version 0, the empty file, to 1, from 1 to 2 and so on (`PRAGMA user_version`). Never changed once
it was released: a newer schema is one more entry."""

PARTS = ("transitions", "legs", "turns", "tools", "barge_ins", "errors", "quality")
"""The tables that belong to a call, by its `number`."""


class HistoryError(Exception):
    """The history cannot be used. The text is for the operator: what, where, what to do."""


class NotThere(HistoryError):
    """No call has been written down here yet."""


class Damaged(HistoryError):
    """The file is no database (any more)."""


class History:
    """The open file. Used in one thread; a context manager, too."""

    def __init__(self, directory: Path, *, new: bool = True) -> None:
        """Opens the file, makes it where it is not there and `new` allows it, and brings an older one up to date.

        Raises `HistoryError`; `NotThere` only without `new`.
        """
        self.path = directory / FILE
        with _told(self.path), contextlib.ExitStack() as opening:
            if new:
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            elif not self.path.exists():
                raise NotThere(f"there is no call history at {self.path}: no call has been written down there yet")
            self._lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            opening.callback(os.close, self._lock)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            _make_private(self.path)
            self.connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
            opening.callback(self.connection.close)
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=NORMAL")
            # Forgotten is forgotten: the bytes are overwritten, too.
            self.connection.execute("PRAGMA secure_delete=ON")
            # Moving the log into the file waits for the disk (7 ms and more): nobody who has a call to serve does it.
            self.connection.execute("PRAGMA wal_autocheckpoint=0")
            self._migrate()
            opening.pop_all()

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        os.close(self._lock)

    def _migrate(self) -> None:
        version = self._version()
        if version == len(_MIGRATIONS):
            return
        if version > len(_MIGRATIONS):
            raise HistoryError(
                f"the call history {self.path} was written by a newer Ringmaster (version {version}, this one knows "
                f"{len(_MIGRATIONS)}): install that one again, or name another `history.directory`"
            )
        with self.transaction():
            for number in range(self._version(), len(_MIGRATIONS)):  # asked again: another process may have been faster
                for statement in _MIGRATIONS[number].split(";"):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version={number + 1}")

    def _version(self) -> int:
        version: int = self.connection.execute("PRAGMA user_version").fetchone()[0]
        return version

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing. Raises `HistoryError`, `Damaged` where the file is no good."""
        with _told(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    def read(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a SELECT, by column names. Raises `HistoryError`."""
        with _told(self.path):
            cursor = self.connection.cursor()
            cursor.row_factory = sqlite3.Row
            rows: list[sqlite3.Row] = cursor.execute(statement, values).fetchall()
            return rows

    def checkpoint(self) -> None:
        """Moves the log into the file, as far as nobody reads it. Raises `HistoryError`."""
        with _told(self.path):
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @property
    def log_bytes(self) -> int:
        try:
            return self.path.with_name(f"{FILE}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def forget(self, number: int) -> None:
        """Everything about one call. A call that is going on keeps its `live` row, and is written down again."""
        with self.transaction() as connection:
            _forget(connection, number)

    def erase_log(self) -> None:
        """What was forgotten is gone from the log, too, unless somebody reads it just now."""
        with _told(self.path):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def sweep(self, before: float) -> int:
        """Forgets up to `BITE` calls that ended before (Unix seconds); gives how many: to be called until it is 0."""
        with self.transaction() as connection:
            statement = "SELECT number FROM calls WHERE arrived < ? AND ended < ? ORDER BY arrived LIMIT ?"
            numbers = connection.execute(statement, (before, before, BITE)).fetchall()
            for (number,) in numbers:
                _forget(connection, number)
        return len(numbers)


def _make_private(path: Path) -> None:
    """Makes the file where there is none, so that nobody else may read it.

    One that is there is not touched: whoever closes any descriptor of a file drops the locks that this process has on
    it, also those of SQLite's other connections (sqlite.org/howtocorrupt.html, 2.2). Then the command line, closing the
    history, would take itself for the last and remove the log under a call-control that writes to it.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _forget(connection: sqlite3.Connection, number: int) -> None:
    for table in PARTS:
        connection.execute(f"DELETE FROM {table} WHERE number = ?", (number,))
    connection.execute("DELETE FROM calls WHERE number = ?", (number,))


def set_aside(directory: Path) -> Path | None:
    """Gives the damaged file another name, with its log; None while another process has it open, or it is gone.

    Raises `HistoryError`.
    """
    path = directory / FILE
    with _told(path):
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not path.exists() or _sound(path):
                return None  # another process has done it already
            aside = path.with_name(f"{path.stem}.damaged-{time.strftime('%Y%m%dT%H%M%S')}.sqlite")
            path.rename(aside)
            for tail in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    path.with_name(FILE + tail).rename(f"{aside}{tail}")
            return aside
        except BlockingIOError:
            return None
        finally:
            os.close(lock)


def _sound(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error:
        return False


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What goes wrong inside, as a sentence for the operator."""
    try:
        yield
    except sqlite3.OperationalError as error:  # disk full, no permission, locked for too long
        raise HistoryError(
            f"the call history {path} cannot be used ({error}): look at the free space and the permissions of its "
            "folder (`history.directory`)"
        ) from error
    except sqlite3.DatabaseError as error:
        raise Damaged(f"the call history {path} is damaged ({error})") from error
    except OSError as error:
        raise HistoryError(
            f"the call history {path} cannot be used ({error.strerror or error}): let this user write in its folder, "
            "or name another `history.directory`"
        ) from error


def boot_id() -> str:
    """Names this run of the machine, for which CLOCK_MONOTONIC counts; "" where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def plain(text: str, most: int = LONGEST) -> str:
    """Text from outside as it can be stored and shown: cut, and what is not printable made visible (`\\x1b`)."""
    if len(text) > most:
        text = f"{text[: most - 1]}…"
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in _JOINERS else repr(character)[1:-1] for character in text
    )
