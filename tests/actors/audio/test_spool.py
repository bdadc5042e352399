"""The files themselves."""

import os
from pathlib import Path

import pytest

from actors.audio.spool import PREFIX, Spool, Unspoolable, call_part


@pytest.mark.parametrize(("rate", "ending"), [(8000, ".sln"), (16000, ".sln16")])
def test_a_file_holds_the_samples_and_its_ending_says_their_rate(tmp_path: Path, rate: int, ending: str) -> None:
    playback_id = Spool(str(tmp_path), rate, "1795348180.18").write(b"\1\2\3\4", 0)
    assert [path.name for path in tmp_path.iterdir()] == [playback_id + ending]
    assert (tmp_path / (playback_id + ending)).read_bytes() == b"\1\2\3\4"


def test_asterisk_may_read_it_whatever_our_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        playback_id = Spool(str(tmp_path), 8000, "c").write(b"\0\0", 0)
    finally:
        os.umask(before)
    assert (tmp_path / f"{playback_id}.sln").stat().st_mode & 0o777 == 0o644


def test_no_name_comes_twice_also_under_a_successor(tmp_path: Path) -> None:
    first = Spool(str(tmp_path), 8000, "c")
    names = [first.write(b"\0\0", 5_000_000_000) for _ in range(3)]
    names.append(Spool(str(tmp_path), 8000, "c").write(b"\0\0", 5_100_000_000))
    assert len(set(names)) == 4


@pytest.mark.parametrize("call_id", ["1795348180.18", "branch~1795348180.18", "../../etc/passwd", "é" * 300, ""])
def test_whatever_a_call_is_called_its_files_have_plain_names(call_id: str) -> None:
    part = call_part(call_id)
    assert part.isascii() and part.replace("-", "").isalnum() and len(part) <= 60


def test_calls_whose_ids_differ_only_in_odd_characters_have_different_names() -> None:
    assert call_part("1.2") != call_part("1-2")


def test_a_directory_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(Unspoolable, match=r"missing/audio-.*No such file.*streaming.media_directory"):
        Spool(str(tmp_path / "missing"), 8000, "c").write(b"\0\0", 0)


def test_a_link_that_somebody_has_put_there_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f"{PREFIX}{call_part('c')}-7.sln").symlink_to(victim)
    with pytest.raises(Unspoolable):
        Spool(str(tmp_path), 8000, "c").write(b"\0\0", 7_000_000)
    assert victim.read_bytes() == b"precious"


def test_nothing_half_written_stays_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
    with pytest.raises(Unspoolable, match="No space left"):
        Spool(str(tmp_path), 8000, "c").write(bytes(100), 0)
    assert list(tmp_path.iterdir()) == []
