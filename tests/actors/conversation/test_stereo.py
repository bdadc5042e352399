"""The WAV file that can be played at any moment. What it holds is read by Python's own `wave`."""

import wave
from pathlib import Path

import pytest

from actors.conversation.stereo import NotOurs, StereoFile


def frames(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        assert file.getnframes() * 4 == path.stat().st_size - 44
        return file.readframes(file.getnframes())


def test_it_can_be_played_after_every_piece(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.wav"
    file = StereoFile.create(path, 8000)
    assert frames(path) == b""
    file.append(b"\1\0\2\0")
    assert frames(path) == b"\1\0\2\0"
    file.append(b"\3\0\4\0")
    assert frames(path) == b"\1\0\2\0\3\0\4\0" and file.samples == 2
    file.close()


@pytest.mark.parametrize("torn", [b"", b"\x09", b"\x09\0\x09\0\x09\0\x09\0"])
def test_a_successor_goes_on_where_the_header_ends_whatever_was_half_written(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "a.wav"
    file = StereoFile.create(path, 8000)
    file.append(b"\1\0\2\0")
    file.close()
    with path.open("ab") as half:
        half.write(torn)
    successor = StereoFile.go_on(path, 8000)
    assert successor.samples == 1
    successor.append(b"\3\0\4\0\5\0\6\0")
    successor.close()
    assert frames(path) == b"\1\0\2\0\3\0\4\0\5\0\6\0"


def test_a_file_that_lost_its_end_is_gone_on_with_from_there(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    file = StereoFile.create(path, 8000)
    file.append(bytes(40))
    file.close()
    with path.open("r+b") as cut:
        cut.truncate(44 + 18)
    successor = StereoFile.go_on(path, 8000)
    assert successor.samples == 4
    successor.close()


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        StereoFile.create(path, 8000)
    with pytest.raises(NotOurs, match="8000 Hz"):
        StereoFile.go_on(path, 8000)
    assert path.read_bytes() == b"precious"


def test_one_at_another_rate_is_not_gone_on_with(tmp_path: Path) -> None:
    StereoFile.create(tmp_path / "a.wav", 16000).close()
    with pytest.raises(NotOurs):
        StereoFile.go_on(tmp_path / "a.wav", 8000)
