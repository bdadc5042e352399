"""What is done beside the calls: the log stays short, and old calls are forgotten with their journals."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.call_control import ledger
from actors.call_control.ledger import Entry, Ledger
from ipc.history import History
from ipc.past_calls import Question, listed

DAY = 86_400.0
PATIENCE_S = 20.0


def entry(call_id: str, arrived: float) -> Entry:
    return Entry(call_id=call_id, boot="b", arrived_ns=int(arrived), control="call-control", arrived=arrived)


def kept_until(book: Ledger, keep_s: float, journals: Path, done: Callable[[], bool]) -> None:
    async def run() -> None:
        keeping = asyncio.create_task(book.keep(keep_s, journals))
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                await asyncio.sleep(0.005)
        keeping.cancel()

    asyncio.run(run())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "TRY_S", 0.005)
    monkeypatch.setattr(ledger, "SWEEP_PAUSE_S", 0.0)


@pytest.mark.parametrize("full", [False, True])
def test_the_log_is_moved_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool) -> None:
    """Then the next transaction begins it anew; where it has become large it is cut."""
    monkeypatch.setattr(ledger, "FULL_LOG_BYTES", 1 << (20 if full else 40))
    book = Ledger(tmp_path)
    book.open()
    call = entry("1.1", time.time())
    for number in range(400):
        book.write(call, [(ledger.LIVE, ("house", "call-control", str(number), b"x" * 4000))])
    log = tmp_path / "calls.sqlite-wal"
    size = log.stat().st_size
    assert size > ledger.LOG_BYTES
    before = (tmp_path / "calls.sqlite").stat().st_size
    if full:
        kept_until(book, 0.0, tmp_path, lambda: log.stat().st_size < size)
    else:
        kept_until(book, 0.0, tmp_path, lambda: (tmp_path / "calls.sqlite").stat().st_size > before + 1_000_000)
    book.write(call, [(ledger.LIVE, ("house", "call-control", "last", b"x"))])
    book.close()
    with History(tmp_path) as history:
        assert len(history.read("SELECT * FROM live")) == 401


def test_old_calls_are_forgotten_with_their_journals(tmp_path: Path) -> None:
    now = time.time()
    journals = tmp_path / "journal"
    journals.mkdir()
    for name, age in (("old", 10 * DAY), ("new", 1 * DAY)):
        (journals / f"{name}.jsonl").write_text("{}")
        os.utime(journals / f"{name}.jsonl", (now - age, now - age))
    book = Ledger(tmp_path)
    book.open()
    for number in range(50):
        arrived = now - 10 * DAY + number
        book.write(entry(f"old.{number}", arrived), [("UPDATE calls SET ended = ?2 WHERE number = ?1", (arrived + 1,))])
    book.write(entry("new", now - DAY), [("UPDATE calls SET ended = ?2 WHERE number = ?1", (now - DAY,))])
    kept_until(book, 5 * DAY, journals, lambda: not (journals / "old.jsonl").exists())
    book.close()
    assert [file.name for file in journals.iterdir()] == ["new.jsonl"]
    with History(tmp_path) as history:
        assert [call.call_id for call in listed(history, Question(last=100))] == ["new"]


def test_nothing_is_forgotten_where_all_is_to_be_kept(tmp_path: Path) -> None:
    book = Ledger(tmp_path)
    book.open()
    book.write(entry("old", 1.0), [("UPDATE calls SET ended = ?2 WHERE number = ?1", (2.0,))])
    rounds = iter(range(10))
    kept_until(book, 0.0, tmp_path, lambda: next(rounds) == 9)
    book.close()
    with History(tmp_path) as history:
        assert len(listed(history, Question())) == 1
