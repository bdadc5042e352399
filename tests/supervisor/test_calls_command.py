"""`ringmaster calls`: what an operator sees of past calls, and what is left when one is forgotten."""

import time
from pathlib import Path

import msgspec
import pytest
import yaml

from config.load import SHIPPED
from ipc import journal
from ipc.history import History
from ipc.past_calls import Call
from supervisor import call_page
from supervisor.cli import main
from supervisor.commands.calls import since

NOW = time.time()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "settings.yaml"
    sections = {
        "history": {"directory": str(tmp_path / "history")},
        "run": {"directory": str(tmp_path / "run")},
        "agents": {"directory": str(SHIPPED.parent / "agents")},
        "transfers": {"destinations": {"person": {"context": "people", "extension": "100"}}},
    }
    file.write_text(yaml.safe_dump(sections))
    return file


def add(folder: Path, call_id: str, **columns: object) -> None:
    row: dict[str, object] = {
        "call_id": call_id,
        "boot": "b",
        "arrived_ns": time.monotonic_ns(),
        "control": "call-control",
        "arrived": NOW - 60,
        "answered": NOW - 59,
        "ended": NOW,
        "direction": "in",
        "caller_number": "5551234",
        "caller_name": "Ann",
        "agent": "desk",
        "outcome": "caller hung up",
        "cause": "the caller hung up (Normal Clearing)",
        **columns,
    }
    with History(folder / "history") as file, file.transaction() as connection:
        places = ", ".join("?" * len(row))
        cursor = connection.execute(f"INSERT INTO calls ({', '.join(row)}) VALUES ({places})", tuple(row.values()))
        number = cursor.lastrowid
        connection.execute("INSERT INTO transitions VALUES (?, 1, 0, 'arrived', 'admitting', '')", (number,))
        connection.execute("INSERT INTO transitions VALUES (?, 2, 12.5, 'Join', 'talking', '')", (number,))
        connection.execute("INSERT INTO errors VALUES (?, 1, 9.0, 'Originate failed', 'unknown: no answer')", (number,))
        turn = (number, 1, 5000.0, "caller", "said", 1, "opening hours", "", 0, 0.9, 10, 20, 30, 40, 50, 480.0)
        connection.execute(f"INSERT INTO turns VALUES ({', '.join('?' * 16)})", turn)


def asked(settings: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["calls", "--config", str(settings), *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def ids(out: str) -> list[str]:
    return [call["call_id"] for call in msgspec.json.decode(out)["calls"]]


def test_the_list_has_the_newest_last(settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(tmp_path, "1.2", arrived=NOW - 50)
    add(tmp_path, "1.1", arrived=NOW - 5000, outcome="busy", agent="night", caller_name="Bob")
    add(tmp_path, "1.3", ended=None, outcome="")
    code, out, _ = asked(settings, capsys)
    assert code == 0
    assert [line.split()[2] for line in out.splitlines()[1:]] == ["1.1", "1.3", "1.2"]
    assert "goes on" in out
    assert ids(asked(settings, capsys, "--json", "--last", "1")[1]) == ["1.2"]
    assert ids(asked(settings, capsys, "--json", "--outcome", "busy")[1]) == ["1.1"]
    assert ids(asked(settings, capsys, "--json", "--since", "1h")[1]) == ["1.3", "1.2"]
    assert ids(asked(settings, capsys, "--json", "--agent", "night")[1]) == ["1.1"]
    assert ids(asked(settings, capsys, "--json", "--caller", "BOB")[1]) == ["1.1"]
    assert ids(asked(settings, capsys, "--json", "--caller", "' OR ''='")[1]) == []
    code, out, _ = asked(settings, capsys, "--caller", "nobody")
    assert (code, out) == (0, "no call fits\n")


def test_a_call_is_shown_with_its_time_line_its_words_and_its_errors(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path, "1.1")
    code, out, _ = asked(settings, capsys, "1.1")
    assert code == 0
    for words in (
        "call 1.1 from 5551234 Ann",
        "ended      after 1:00: caller hung up (the caller hung up (Normal Clearing))",
        "0.013 s  Join -> talking",
        "5.000 s  caller: opening hours",
        "answer, ms after their last sample: turn over 10, understood 20, first word 30",
        "Originate failed: unknown: no answer",
    ):
        assert words in out


def test_an_export_is_one_whole_call_a_line(settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(30):
        add(tmp_path, f"1.{number}")
    code, out, _ = asked(settings, capsys, "--export")
    assert code == 0
    lines = [msgspec.json.decode(line) for line in out.splitlines()]
    assert len(lines) == 30, "all, not the last twenty"
    assert lines[0]["transcript"][0]["text"] == "opening hours"


def test_a_forgotten_call_takes_its_recording_and_its_journal_with_it(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "1.1.wav"
    recording.write_bytes(b"RIFF")
    written = journal.path(tmp_path / "run", "1.1")
    written.parent.mkdir(parents=True)
    written.write_text("{}")
    add(tmp_path, "1.1", recording=str(recording))
    add(tmp_path, "1.2")
    assert asked(settings, capsys, "--forget", "1.1")[0] == 0
    assert not recording.exists()
    assert not written.exists()
    assert asked(settings, capsys, "1.1")[0] == 1
    assert asked(settings, capsys, "1.2")[0] == 0


def test_a_recording_that_cannot_be_deleted_is_said_and_is_not_fine(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recording").mkdir()
    add(tmp_path, "1.1", recording=str(tmp_path / "recording"))
    code, _, err = asked(settings, capsys, "--forget", "1.1")
    assert code == 1
    assert str(tmp_path / "recording") in err


def test_what_is_not_there_is_not_fine(settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = asked(settings, capsys)
    assert code == 1
    assert "no call has been written down there yet" in err
    add(tmp_path, "1.1")
    for words in (["9.9"], ["--forget", "9.9"]):
        code, _, err = asked(settings, capsys, *words)
        assert code == 1
        assert "has no call 9.9" in err
    (tmp_path / "history" / "calls.sqlite").write_bytes(b"damaged" * 1000)
    code, _, err = asked(settings, capsys)
    assert code == 1
    assert "is damaged" in err


@pytest.mark.parametrize("words", [["--since", "soon"], ["--last", "0"], ["--outcome", "good"], ["--json", "--export"]])
def test_wrong_usage(settings: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["calls", "--config", str(settings), *words])
    assert ended.value.code == 2


def test_since_is_a_span_or_a_date() -> None:
    assert since("2h") == pytest.approx(time.time() - 7200, abs=5)
    assert since("2026-01-31") < since("2026-01-31T12:00") < since("2026-02-01")


def test_a_table_of_long_words_stays_a_table() -> None:
    call = Call(
        number=1,
        call_id="branch~1795376624.123",
        control="call-control.branch",
        arrived=NOW,
        answered=None,
        ended=NOW + 3725,
        direction="in",
        caller_number="1" * 200,
        caller_name="x" * 200,
        agent="a" * 200,
        provider="",
        pipeline="",
        transports="",
        outcome="transferred",
        cause="",
        recording="",
        remark="",
        turns=12,
        barge_ins=0,
        answer_ms=480.4,
    )
    head, row = call_page.table([call]).splitlines()
    assert len(row) < 160
    assert "branch~1795376624.123" in row
    assert "1:02:05" in row
    assert head.index("outcome") == row.index("transferred")
