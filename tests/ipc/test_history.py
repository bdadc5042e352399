"""The file of the call history: made, brought up to date, swept, forgotten from, and replaced when it is no good."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ipc import history, past_calls
from ipc.history import FILE, Damaged, History, HistoryError, NotThere, plain, set_aside
from ipc.past_calls import Question, listed, named

CALL = """
INSERT INTO calls (call_id, boot, arrived_ns, control, arrived, ended, direction) VALUES (?, 'b', ?, 'c', ?, ?, 'in')
"""
DAY = 86_400.0


def add(file: History, call_id: str, arrived: float = 0.0, ended: float | None = 1.0) -> int:
    with file.transaction() as connection:
        number = connection.execute(CALL, (call_id, int(arrived), arrived, ended)).lastrowid
        connection.execute("INSERT INTO transitions VALUES (?, 1, 0, 'arrived', 'admitting', '')", (number,))
        connection.execute("INSERT INTO errors VALUES (?, 1, 0, 'somebody', 'secret words')", (number,))
    assert number is not None
    return number


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with History(folder) as file:
        add(file, "1.1")
        assert file.path.stat().st_mode & 0o077 == 0
        assert (folder / f"{FILE}-wal").stat().st_mode & 0o077 == 0
        assert folder.stat().st_mode & 0o077 == 0


def test_whoever_only_reads_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="no call has been written down"):
        History(tmp_path, new=False)
    assert list(tmp_path.iterdir()) == []


def test_what_was_committed_is_read_by_another_connection_at_once(tmp_path: Path) -> None:
    with History(tmp_path) as writer, History(tmp_path, new=False) as reader:
        add(writer, "1.1")
        assert [call.call_id for call in listed(reader, Question())] == ["1.1"]


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with History(tmp_path) as file:
        with pytest.raises(ZeroDivisionError), file.transaction() as connection:
            connection.execute(CALL, ("1.1", 1, 1.0, None))
            raise ZeroDivisionError
        assert listed(file, Question()) == []


def test_several_processes_write_at_the_same_time(tmp_path: Path) -> None:
    def write(who: int) -> None:
        with History(tmp_path) as file:
            for number in range(50):
                add(file, f"{who}.{number}")

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with History(tmp_path) as file:
        assert len(listed(file, Question(last=1000))) == 200


def test_a_second_connection_of_a_process_may_come_and_go_without_the_first_losing_its_hold(tmp_path: Path) -> None:
    """Closing any descriptor of a file drops the process's locks on it: then another process, closing the history,
    would remove the log under this one."""
    with History(tmp_path) as file:
        add(file, "1.1")
        History(tmp_path).close()
        visit = (
            "import sys; from pathlib import Path; from ipc.history import History; History(Path(sys.argv[1])).close()"
        )
        subprocess.run([sys.executable, "-c", visit, str(tmp_path)], check=True)
        add(file, "1.2")
        with History(tmp_path) as other:
            assert [call.call_id for call in listed(other, Question())] == ["1.1", "1.2"]
        script = f"{visit.rsplit(';', 1)[0]}; from ipc.past_calls import *; "
        count = "print(len(listed(History(Path(sys.argv[1])), Question())))"
        ran = subprocess.run([sys.executable, "-c", script + count, str(tmp_path)], check=True, capture_output=True)
        assert ran.stdout == b"2\n"


def test_an_older_file_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with History(tmp_path) as file:
        add(file, "1.1")
    newer = (*history._MIGRATIONS, "ALTER TABLE calls ADD COLUMN mood TEXT NOT NULL DEFAULT 'good'")
    monkeypatch.setattr(history, "_MIGRATIONS", newer)
    with History(tmp_path) as file:
        assert [row["mood"] for row in file.read("SELECT mood FROM calls")] == ["good"]
    monkeypatch.undo()
    with pytest.raises(HistoryError, match="written by a newer Ringmaster"):
        History(tmp_path)
    assert (tmp_path / FILE).exists(), "a newer file is not a damaged one"


# -- forgetting --------------------------------------------------------------------------------------------------------


def test_old_calls_are_swept_in_bites_and_those_that_go_on_are_kept(tmp_path: Path) -> None:
    with History(tmp_path) as file:
        for number in range(history.BITE + 5):
            add(file, f"old.{number}")
        add(file, "new", arrived=100 * DAY, ended=100 * DAY)
        add(file, "long", ended=None)
        add(file, "late", ended=100 * DAY)
        assert file.sweep(50 * DAY) == history.BITE
        assert file.sweep(50 * DAY) == 5
        assert file.sweep(50 * DAY) == 0
        assert {call.call_id for call in listed(file, Question())} == {"new", "long", "late"}
        assert len(file.read("SELECT * FROM transitions")) == 3


def test_a_forgotten_call_is_gone_from_the_disk(tmp_path: Path) -> None:
    with History(tmp_path) as file:
        number = add(file, "1.1")
        file.checkpoint()
        assert b"secret words" in file.path.read_bytes()
        file.forget(number)
        file.erase_log()
        assert named(file, "1.1") == []
        assert b"secret words" not in file.path.read_bytes()
        assert file.log_bytes == 0


# -- what is wrong with it ---------------------------------------------------------------------------------------------


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database" * 1000)
    with pytest.raises(Damaged, match="is damaged"):
        History(tmp_path)
    aside = set_aside(tmp_path)
    assert aside is not None
    assert aside.read_bytes().startswith(b"this is no database")
    with History(tmp_path) as file:
        add(file, "1.1")
    assert set_aside(tmp_path) is None, "a sound file stays where it is"
    with History(tmp_path) as file:
        assert len(listed(file, Question())) == 1


def test_a_file_is_not_set_aside_under_somebody_who_has_it_open(tmp_path: Path) -> None:
    with History(tmp_path) as other:
        add(other, "1.1")
        other.path.write_bytes(b"damaged")
        assert set_aside(tmp_path) is None
    (tmp_path / FILE).write_bytes(b"damaged")  # closing has mended it: all of it was in the log yet
    assert set_aside(tmp_path) is not None


@pytest.mark.parametrize("what", ["the folder is a file", "the file is a folder"])
def test_a_file_that_cannot_be_made_says_where_and_what_to_do(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "history"
    if what == "the folder is a file":
        folder.write_text("")
    else:
        (folder / FILE).mkdir(parents=True)
    with pytest.raises(HistoryError, match=r"calls.sqlite cannot be used .*history.directory") as caught:
        History(folder)
    assert not isinstance(caught.value, Damaged)


# -- text from outside -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ann", "Ann"),
        ("Zoë نگار‌ها 山", "Zoë نگار‌ها 山"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("one\ntwo\x00", "one\\ntwo\\x00"),
        ("\ud800half", "\\ud800half"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("Robert'); DROP TABLE calls;--", "Robert'); DROP TABLE calls;--"),
    ],
)
def test_text_from_outside_is_printable(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_text_from_outside_is_cut() -> None:
    assert plain("x" * 10_000, 20) == "x" * 19 + "…"


def test_a_question_is_never_part_of_a_statement(tmp_path: Path) -> None:
    with History(tmp_path) as file:
        add(file, "1.1")
        evil = "' OR 1=1; DROP TABLE calls;--"
        assert listed(file, Question(caller=evil, agent=evil)) == []
        assert named(file, evil) == []
        assert len(listed(file, Question())) == 1


def test_every_table_of_a_call_is_forgotten_with_it(tmp_path: Path) -> None:
    """A table that is added and not named in PARTS would keep what was forgotten."""
    with History(tmp_path) as file:
        rows = file.read("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert {row["name"] for row in rows} == {"calls", "live", *history.PARTS}


def test_the_columns_are_those_of_the_structs(tmp_path: Path) -> None:
    with History(tmp_path) as file:
        number = add(file, "1.1", arrived=5.0, ended=65.5)
        with file.transaction() as connection:
            turn = (number, 1, 5.0, "caller", "said", 1, "hello", "", 0, 0.9, 1.0, 2.0, 3.0, 4.0, 5.0, 480.0)
            connection.execute(f"INSERT INTO turns VALUES ({', '.join('?' * 16)})", turn)
            connection.execute("INSERT INTO tools VALUES (?, 1, 2.0, 1, 'transfer', '{}', 'done')", (number,))
            connection.execute("INSERT INTO barge_ins VALUES (?, 1, 2.0, 1, 80.0)", (number,))
            connection.execute("INSERT INTO legs VALUES (?, 'media-1', 'media', 'rtp', 1.0, NULL)", (number,))
            connection.execute("INSERT INTO quality VALUES (?, 1, 2, 3, 4, 5, 6, 7, 0.1, 0.2, 0.3)", (number,))
        [call] = named(file, "1.1")
    assert (call.seconds, call.turns, call.barge_ins, call.answer_ms) == (60.5, 1, 1, 480.0)
    assert call.transcript[0].interrupted is False
    assert call.quality == past_calls.Quality(
        frames_sent=1,
        frames_received=2,
        lost=3,
        underruns=4,
        skipped=5,
        corrupt=6,
        takeovers=7,
        late_p50_ms=0.1,
        late_p99_ms=0.2,
        late_max_ms=0.3,
    )
    assert [len(part) for part in (call.timeline, call.legs, call.tools, call.barges, call.errors)] == [1] * 5


def test_sqlite_is_new_enough() -> None:
    """RETURNING came with 3.35, `iif` with 3.32."""
    assert sqlite3.sqlite_version_info >= (3, 35)
