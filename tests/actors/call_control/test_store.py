"""What is on disk of calls: after a death, a restart of the machine, a change of version, and when the disk fails."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.call_control.events import Begun, DigitPressed
from actors.call_control.store import Store
from config.keeping import History as Settings
from ipc import history as file_of_history
from ipc import journal
from ipc.history import FILE, History
from ipc.journal import AgentSaid, CallEnded, CallerSaid, CallStarted, DigitsPressed, Journal, ToolRun
from ipc.past_calls import Question, WholeCall, listed, whole
from tests.actors.call_control.mortal import MortalWorld, as_if_written_by_another_version
from tests.actors.call_control.world import CALL

SECOND = 1_000_000_000


def world(folder: Path, **options: object) -> MortalWorld:
    call = MortalWorld(folder, lambda: False, **options)
    call.tell(Begun())
    return call


def another(folder: Path, control: str = "call-control", **settings: object) -> Store:
    return Store(Settings(directory=str(folder), **settings), folder, control)  # type: ignore[arg-type]


def over(call: MortalWorld) -> None:
    call.caller_leaves("the caller hung up (Normal Clearing)")
    call.settle()
    asyncio.run(call.store.end(call.session, call.now))
    call.store.close()


def records(folder: Path) -> list[WholeCall]:
    with History(folder, new=False) as file:
        return [whole(file, call) for call in listed(file, Question())]


# -- the life of a call ------------------------------------------------------------------------------------------------


def test_a_call_is_written_down_from_its_first_step(tmp_path: Path) -> None:
    call = world(tmp_path)
    [record] = records(tmp_path)
    assert (record.outcome, record.ended, record.answered) == ("", None, None)
    call.talk()
    call.pass_time(60)
    [record] = records(tmp_path)
    assert record.answered is not None
    assert record.transports == "audiosocket"
    over(call)
    [record] = records(tmp_path)
    assert (record.outcome, record.cause) == ("caller hung up", "the caller hung up (Normal Clearing)")
    assert round(record.seconds or 0) == 60
    assert [leg.kind for leg in record.legs] == ["caller", "media"]
    assert all(leg.until_ms == 60_000 for leg in record.legs)
    assert record.timeline[0].event == "arrived"
    assert record.timeline[-1].stage == "over"


def test_a_step_that_changes_nothing_is_not_written(tmp_path: Path) -> None:
    """Somebody who holds a key down does not fill the disk."""
    call = world(tmp_path).talk()
    assert isinstance(call, MortalWorld)
    before = len(records(tmp_path)[0].timeline)
    for _ in range(100):
        call.tell(DigitPressed("1"))
    assert len(records(tmp_path)[0].timeline) == before


def test_the_same_channel_may_come_back_and_is_another_call(tmp_path: Path) -> None:
    over(world(tmp_path))
    later = MortalWorld(tmp_path, lambda: False, arrived_ns=1_001 * SECOND)
    later.tell(Begun())
    over(later)
    assert [record.call_id for record in records(tmp_path)] == [CALL, CALL]


# -- after a death -----------------------------------------------------------------------------------------------------


def test_after_a_restart_of_the_machine_what_was_going_on_is_closed_with_the_last_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = world(tmp_path)
    call.settle()
    call.pass_time(30)
    call.tell(DigitPressed("1"))
    call.store.close()
    monkeypatch.setattr("actors.call_control.store.boot_id", lambda: "another boot")
    successor = another(tmp_path)
    assert successor.load() == {}
    successor.close()
    [record] = records(tmp_path)
    assert (record.outcome, record.cause) == ("lost", "the machine was restarted")
    assert record.seconds == pytest.approx(record.timeline[-1].at_ms / 1000)
    assert all(leg.until_ms is not None for leg in record.legs)


def test_what_another_version_has_kept_is_remade_and_goes_on_in_the_same_record(tmp_path: Path) -> None:
    call = world(tmp_path).talk()
    assert isinstance(call, MortalWorld)
    call.store.close()
    as_if_written_by_another_version(tmp_path)
    call.store = another(tmp_path)
    assert call.store.load() == {}
    call.store.begin(call.session, (), call.now)
    over(call)
    [record] = records(tmp_path)
    assert record.outcome == "caller hung up"
    assert [moment.event for moment in record.timeline].count("resumed") == 1


def test_what_nobody_finds_again_is_closed(tmp_path: Path) -> None:
    world(tmp_path).store.close()
    as_if_written_by_another_version(tmp_path)
    successor = another(tmp_path)
    successor.load()
    successor.forsake()
    successor.close()
    [record] = records(tmp_path)
    assert (record.outcome, record.cause) == ("lost", "ended while call-control was away")


def test_each_call_control_finds_its_own_calls_and_the_first_closes_those_of_one_that_is_no_more(
    tmp_path: Path,
) -> None:
    world(tmp_path).store.close()
    branch = another(tmp_path, "call-control.branch")
    assert branch.load() == {}
    branch.close()
    main = another(tmp_path)
    assert list(main.load(("call-control", "call-control.branch"))) == [CALL]
    main.close()
    renamed = another(tmp_path, "call-control.main")
    assert renamed.load(("call-control.main",)) == {}
    renamed.close()
    assert records(tmp_path)[0].outcome == "lost"


def test_another_system_that_shares_the_history_leaves_our_calls_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world(tmp_path).store.close()
    elsewhere = tmp_path / "elsewhere"

    def loaded() -> object:
        other = Store(Settings(directory=str(tmp_path)), elsewhere, "call-control")
        found = other.load(("call-control",))
        other.forsake()
        other.close()
        return found

    assert loaded() == {}
    assert records(tmp_path)[0].ended is None
    monkeypatch.setattr("actors.call_control.store.boot_id", lambda: "another boot")
    assert loaded() == {}
    assert records(tmp_path)[0].cause == "the machine was restarted"


# -- the journal -------------------------------------------------------------------------------------------------------


def conversation(folder: Path, call: MortalWorld, *, ended: bool = True) -> None:
    arrived = call.session.arrived_ns
    written = Journal(journal.path(folder, CALL))
    written.append(
        CallStarted(
            at_ns=arrived,
            call_id=CALL,
            holder="conversation.1",
            agent="desk",
            pipeline="embedded",
            engines={},
            caller_number="",
            caller_name="",
            rate=8000,
            arrived_ns=arrived,
            wall="",
        )
    )
    said = CallerSaid(
        at_ns=arrived + 5 * SECOND,
        turn=1,
        text="my card is four seven",
        confidence=0.9,
        onset_ns=0,
        last_speech_ns=0,
        speech_ms=900,
        lost_frames=2,
    )
    written.append(said)
    written.append(DigitsPressed(at_ns=arrived + 6 * SECOND, digits="471199"))
    written.append(
        ToolRun(at_ns=arrived + 7 * SECOND, turn=1, name="book", arguments={"pin": "471199"}, outcome="done")
    )
    agent = AgentSaid(
        at_ns=arrived + 8 * SECOND,
        turn=1,
        kind="answer",
        text="Thank you, Ann.",
        heard="Thank you",
        interrupted=True,
        generation=1,
        samples=2,
        played=1,
        first_ns=1,
        last_ns=2,
    )
    written.append(agent)
    if ended:
        figures = {"frames_sent": 10, "frames_received": 11, "underruns": 0, "skipped": 0, "corrupt": 0, "takeovers": 0}
        written.append(CallEnded(at_ns=arrived + 9 * SECOND, cause="x", late_ms={"p50": 0.1}, **figures))  # type: ignore[arg-type]
    written.close()


def test_the_conversation_is_taken_over_from_the_journal(tmp_path: Path) -> None:
    call = world(tmp_path)
    conversation(tmp_path, call)
    over(call)
    [record] = records(tmp_path)
    assert (record.agent, record.pipeline, record.remark, record.turns) == ("desk", "embedded", "", 1)
    assert [(turn.who, turn.text) for turn in record.transcript] == [
        ("caller", "my card is four seven"),
        ("caller", "471199"),
        ("agent", "Thank you, Ann."),
    ]
    assert record.quality is not None
    assert (record.quality.lost, record.quality.late_p99_ms) == (2, None)


def test_a_call_that_asks_for_a_provider_that_is_not_in_service_was_held_by_the_pipeline_that_it_got(
    tmp_path: Path,
) -> None:
    call = MortalWorld(tmp_path, lambda: False)
    call.said = replace(call.said, provider="gold")
    call.tell(Begun())
    conversation(tmp_path, call)
    call.talk()
    over(call)
    [record] = records(tmp_path)
    assert (record.provider, record.pipeline) == ("", "embedded")


@pytest.mark.parametrize(
    ("what", "breaks", "remark"),
    [
        ("the conversation died", lambda file: None, "was not closed"),
        ("a line is no record", lambda file: file.write_bytes(file.read_bytes() + b"{}\n"), "cannot be read"),
        ("it is gone", lambda file: file.unlink(), "there is no journal"),
    ],
)
def test_what_of_a_journal_cannot_be_read_is_said(
    tmp_path: Path, what: str, breaks: Callable[[Path], object], remark: str
) -> None:
    call = world(tmp_path)
    conversation(tmp_path, call, ended=False)
    breaks(journal.path(tmp_path, CALL))
    over(call)
    [record] = records(tmp_path)
    assert remark in record.remark, what
    assert len(record.transcript) == (0 if what == "it is gone" else 3)


# -- what is never written ---------------------------------------------------------------------------------------------


def test_what_is_to_be_left_out_is_nowhere_on_the_disk_not_even_while_the_call_goes_on(tmp_path: Path) -> None:
    call = MortalWorld(tmp_path, lambda: False, caller_number="0151987654321", caller_name="Ann Bligh")
    call.store.close()
    with History(tmp_path) as file:
        file.forget(1)
        file.connection.execute("DELETE FROM live")
        file.erase_log()
    call.store = another(tmp_path, redact=("numbers", "names", "digits", "texts"))
    call.store.load()
    call.store.begin(call.session, (), call.now)
    call.tell(Begun())
    call.settle()
    call.tell(DigitPressed("4"))
    conversation(tmp_path, call)
    on_disk = [file.read_bytes() for file in tmp_path.glob(f"{FILE}*")]
    over(call)
    on_disk += [file.read_bytes() for file in tmp_path.glob(f"{FILE}*")]
    for secret in (b"0151987654321", b"Bligh", b"471199", b"my card", b"Thank you"):
        assert not any(secret in content for content in on_disk), secret
    [record] = records(tmp_path)
    assert (record.caller_number, record.caller_name) == ("…321", "…")
    assert [turn.text for turn in record.transcript] == ["…"] * 3


@pytest.mark.parametrize(
    "name", ["Robert'); DROP TABLE calls;--", "\x00\x1b]0;owned\x07", "\ud800", "x" * 10_240, "\u202eevil", ""]
)
def test_any_caller_name_is_written_and_read_again(tmp_path: Path, name: str) -> None:
    call = world(tmp_path, caller_name=name)
    call.settle()
    call.rise()
    over(call)
    [record] = records(tmp_path)
    assert record.caller_name.isprintable()
    assert len(record.caller_name) <= 200 * 6
    assert record.outcome == "caller hung up"


# -- when the disk fails -----------------------------------------------------------------------------------------------


def test_a_full_disk_stops_no_call_is_told_once_and_made_up_for(tmp_path: Path) -> None:
    call = world(tmp_path)
    told: list[str] = []
    call.store.ledger.complain = told.append
    connection = call.store.ledger._history.connection  # type: ignore[union-attr]
    connection.execute("PRAGMA max_page_count=1")
    call.talk()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    for number in range(400):
        call.tell(DigitPressed(str(number % 10)))
        for leg in sorted(call.media):
            call.media_leg_ends(leg)
        call.settle()
        call.pass_time(61)
    assert len(told) == 1
    assert "full" in told[0]
    assert "Calls go on" in told[0]
    connection.execute("PRAGMA max_page_count=1000000")
    call.store.ledger.catch_up()
    assert told[1:] == [""]
    over(call)
    assert records(tmp_path)[0].outcome == "caller hung up"


def test_a_file_that_is_damaged_meanwhile_is_replaced_and_the_call_goes_on_in_the_new_one(tmp_path: Path) -> None:
    call = world(tmp_path).talk()
    assert isinstance(call, MortalWorld)
    told: list[str] = []
    call.store.ledger.complain = told.append
    call.store.ledger.close()
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    call.pass_time(5)
    call.store.ledger.catch_up()
    assert len(told) == 1
    assert "is damaged" in told[0]
    assert ".damaged-" in told[0]
    assert len(list(tmp_path.glob("calls.damaged-*.sqlite"))) == 1
    call.rise()  # with nothing but what is in the new file
    assert call.session.stage == "talking"
    over(call)
    assert records(tmp_path)[0].outcome == "caller hung up"


def test_a_folder_that_cannot_be_written_stops_no_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    call = MortalWorld(tmp_path / "file", lambda: False)
    told: list[str] = []
    call.store.ledger.complain = told.append
    call.tell(Begun())
    call.talk()
    call.store.ledger.catch_up()
    assert call.session.stage == "talking"
    over(call)


def test_another_process_that_writes_for_long_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_of_history, "BUSY_S", 0.01)
    call = world(tmp_path)
    with History(tmp_path) as other, other.transaction():
        call.talk()
    call.store.ledger.catch_up()
    over(call)
    [record] = records(tmp_path)
    assert [moment.stage for moment in record.timeline if moment.stage == "talking"]
