"""A call's journal on disk: what is written is read again, whatever the call is called and however it ended."""

from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipc import journal
from ipc.journal import CallerSaid, DigitsPressed, Journal, Noted, Record

KINDS = [kind for kind in vars(journal).values() if isinstance(kind, type) and issubclass(kind, Record)]
KINDS.remove(Record)

SAMPLES: dict[Any, Any] = {
    int: 2**62,
    str: 'Zoë said: "yes"\n— and \\ left \u2028',
    float: 0.25,
    bool: True,
    dict[str, str]: {"day": "monday", "": '"'},
    dict[str, float]: {"p50": 0.1, "max": 12.5},
    dict[str, int]: {"frames": 500, "dropped": 0},
}


def sample(kind: type[Record]) -> Record:
    """A record of this kind with something in every field."""
    types = get_type_hints(kind)
    return kind(**{name: SAMPLES[types[name]] for name in kind.__struct_fields__})


def pressed(digits: str) -> DigitsPressed:
    return DigitsPressed(at_ns=1, digits=digits)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_record_is_read_as_it_was_written(tmp_path: Path, kind: type[Record]) -> None:
    file = tmp_path / "c1.jsonl"
    written = sample(kind)
    book = Journal(file)
    line = book.append(written)
    book.close()
    assert list(journal.read(file)) == [written]
    assert journal.decode(line) == written
    assert file.read_text() == line + "\n", "one record is one line"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_line_says_what_happened_by_name(kind: type[Record]) -> None:
    assert msgspec.json.decode(msgspec.json.encode(sample(kind)))["event"] == kind.__name__


def test_records_are_in_the_order_in_which_they_were_written_and_can_be_read_meanwhile(tmp_path: Path) -> None:
    file = journal.path(tmp_path, "c1")
    book = Journal(file)
    for number in range(5):
        book.append(pressed(str(number)))
        assert list(journal.read(file)) == [pressed(str(known)) for known in range(number + 1)]
    book.close()


def test_who_opens_it_again_goes_on_with_it(tmp_path: Path) -> None:
    file = journal.path(tmp_path, "c1")
    for number in range(3):
        book = Journal(file)
        book.append(pressed(str(number)))
        book.close()
    assert list(journal.read(file)) == [pressed("0"), pressed("1"), pressed("2")]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 400))
def test_a_last_line_that_was_cut_off_is_left_out_and_not_in_the_successors_way(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "c1.jsonl"
    file.unlink(missing_ok=True)
    book = Journal(file)
    for _ in range(3):
        book.append(sample(CallerSaid))
    book.close()
    whole = file.read_bytes()
    kept = whole[: max(0, len(whole) - cut)]
    file.write_bytes(kept)
    left = kept.count(b"\n")
    assert len(list(journal.read(file))) == left
    book = Journal(file)
    book.append(pressed("1"))
    book.close()
    assert list(journal.read(file)) == [sample(CallerSaid)] * left + [pressed("1")]


def test_a_line_of_another_version_is_an_error_that_names_the_field(tmp_path: Path) -> None:
    with pytest.raises(msgspec.DecodeError, match="colour"):
        journal.decode('{"event": "DigitsPressed", "at_ns": 1, "digits": "1", "colour": "red"}')
    with pytest.raises(msgspec.DecodeError, match="Danced"):
        journal.decode('{"event": "Danced", "at_ns": 1}')


def test_only_the_owner_may_read_what_callers_said(tmp_path: Path) -> None:
    file = journal.path(tmp_path, "c1")
    Journal(file).close()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("call_id", ["1795348105.2", "direct-40325ec2-5efd-4bd3-805f-53576e581d13", "pbx_1-99.7"])
def test_an_ordinary_call_gives_its_journal_its_name(tmp_path: Path, call_id: str) -> None:
    assert journal.path(tmp_path, call_id) == tmp_path / "journal" / f"{call_id}.jsonl"


HOSTILE = (
    *("../../etc/passwd", "/etc/passwd", "..", ".", "", "...", "a/b\\c", "\0", "a\nb", "~root", ".hidden", "con%00/.."),
    *("x" * 5000, "é" * 200, "\U0001f600" * 200),
)


@pytest.mark.parametrize("call_id", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_call_id_stays_in_the_folder_and_can_be_written(tmp_path: Path, call_id: str) -> None:
    file = journal.path(tmp_path, call_id)
    book = Journal(file)
    book.append(Noted(at_ns=1, what="here", detail={}))
    book.close()
    assert [found.resolve() for found in (tmp_path / "journal").iterdir()] == [file.resolve()]
    assert file.parent.resolve() == (tmp_path / "journal").resolve()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_call_id_makes_one_plain_file_name(call_id: str) -> None:
    file = journal.path(Path("/run"), call_id)
    assert file.parent == Path("/run/journal")
    assert file.suffix == ".jsonl" or file.name == ".jsonl"
    assert len(file.name.encode()) <= 255 and file.name.isprintable() and "/" not in file.name
