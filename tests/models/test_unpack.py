"""An archive becomes the model's folder, or nothing does."""

import errno
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from models import unpack as unpacking
from models.unpack import CannotUnpack, unpack
from tests.models.mirrors import lying

MODEL = {"am/final.mdl": b"model" * 50, "conf/model.conf": b"--beam=10"}


def archive(folder: Path, members: Mapping[str, bytes], name: str = "model.zip") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for member, content in members.items():
            opened.writestr(member, content)
    return path


def below(top: str) -> dict[str, bytes]:
    return {f"{top}{name}": content for name, content in MODEL.items()}


@pytest.mark.parametrize("top", ["", "model/", "model/model/", "another name/"])
def test_the_model_is_found_however_deep_it_lies(tmp_path: Path, top: str) -> None:
    unpack(archive(tmp_path, below(top)), tmp_path / "stt" / "model", "vosk")
    assert lying(tmp_path / "stt") == ["model/am/final.mdl", "model/conf/model.conf"]
    assert stat.S_IMODE((tmp_path / "stt" / "model").stat().st_mode) == 0o755


def test_it_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    old = tmp_path / "stt" / "model"
    (old / "am").mkdir(parents=True)
    (old / "am" / "old").write_text("old")
    unpack(archive(tmp_path, below("x/")), old, "vosk")
    assert lying(tmp_path / "stt") == ["model/am/final.mdl", "model/conf/model.conf"]


def refused(tmp_path: Path, path: Path) -> str:
    """Why. Nothing is left of it, and what was there before is there still."""
    before = tmp_path / "stt" / "model" / "am" / "final.mdl"
    before.parent.mkdir(parents=True)
    before.write_text("before")
    with pytest.raises(CannotUnpack) as refusal:
        unpack(path, tmp_path / "stt" / "model", "vosk")
    assert lying(tmp_path / "stt") == ["model/am/final.mdl"]
    assert before.read_text() == "before"
    return str(refusal.value)


@pytest.mark.parametrize("name", ["../out", "model/../../out", "/tmp/p5-out", "model\\..\\out", "C:/out"])
def test_no_member_leads_out(tmp_path: Path, name: str) -> None:
    assert "leads out" in refused(tmp_path, archive(tmp_path, {**below("model/"), name: b"x"}))


def test_no_member_is_a_link(tmp_path: Path) -> None:
    path = archive(tmp_path, below("model/"))
    link = zipfile.ZipInfo("model/am/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(link, "/etc/passwd")
    assert "is a link" in refused(tmp_path, path)


def test_a_bomb_does_not_go_off(tmp_path: Path) -> None:
    assert "times as large" in refused(tmp_path, archive(tmp_path, {**below("model/"), "model/big": bytes(30_000_000)}))


def test_an_archive_of_something_else_is_no_model(tmp_path: Path) -> None:
    assert "holds no model for vosk" in refused(tmp_path, archive(tmp_path, {"model/readme": b"x", "model/b": b"y"}))


@pytest.mark.parametrize("at", [-1, 0, 35, 48, 50, 52, 54])
def test_a_damaged_archive_says_so(tmp_path: Path, at: int) -> None:
    """Cut in the middle, or a byte changed: in the head of a member or in what was packed."""
    path = archive(tmp_path, below("model/"))
    content = bytearray(path.read_bytes())
    if at < 0:
        content = content[: len(content) // 2]
    else:
        content[at] ^= 0xFF
    path.write_bytes(content)
    assert "damaged" in refused(tmp_path, path)


def test_a_bad_archive_is_not_met_again_and_a_good_one_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = archive(tmp_path, {"model/readme": b"x"}, "bad.zip")
    with pytest.raises(CannotUnpack):
        unpack(bad, tmp_path / "stt" / "model", "vosk")
    assert not bad.exists()
    good = archive(tmp_path, below("model/"))
    usage = unpacking.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda folder: usage._replace(free=10))
    with pytest.raises(CannotUnpack):
        unpack(good, tmp_path / "stt" / "model", "vosk")
    assert good.exists()


def test_a_disk_without_room_says_how_much_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, below("model/"))
    usage = unpacking.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda folder: usage._replace(free=10))
    assert "make room" in refused(tmp_path, path)


def test_a_disk_that_fills_up_meanwhile_is_given_its_space_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fills(self: zipfile.ZipFile, folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = archive(tmp_path, below("model/"))
    monkeypatch.setattr(unpacking.zipfile.ZipFile, "extractall", fills)
    assert "the disk was filled" in refused(tmp_path, path)
