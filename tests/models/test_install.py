"""A model is in its place as a whole, from whatever source, or not at all; what is right is left alone."""

import asyncio
import hashlib
import os
import shutil
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from models import install, records
from models.folders import NotThere
from models.install import CannotInstall, Store, check_room, locked, needed, present
from models.registry import File, Model
from models.transfer import CannotFetch
from tests.models import mirrors
from tests.models.mirrors import HASTY, Mirror, Told, lying, serving

MEMBERS = {"am/final.mdl": os.urandom(40_000), "conf/model.conf": b"--beam=10\n", "graph/Gr.fst": bytes(5000)}


def packed() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name, content in MEMBERS.items():
            opened.writestr(f"ears/{name}", content)
    return out.getvalue()


CONTENTS = {
    "ears.zip": packed(),
    "brain.gguf": os.urandom(90_000),
    "voice.onnx": os.urandom(70_000),
    "voice.onnx.json": b"{}",
}
IN_PLACE = [f"stt/ears/{name}" for name in MEMBERS]


def ears(mirror: Mirror, *, known: bool = True) -> Model:
    file = mirrors.file(mirror, "ears.zip", known=known, role="stt")
    return Model(name="ears", role="stt", engine="vosk", type="zip", files=(file,), licence="MIT", memory_mb=1)


def voice(mirror: Mirror) -> Model:
    files = tuple(mirrors.file(mirror, name, role="tts") for name in ("voice.onnx", "voice.onnx.json"))
    return Model(name="voice", role="tts", engine="piper", type="files", files=files, licence="MIT", memory_mb=1)


def store(tmp_path: Path, **options: object) -> Store:
    return Store(folder=tmp_path / "models", bar=lambda name, length: Told(), patience=HASTY, **options)  # type: ignore[arg-type]


def without_records(folder: Path) -> list[str]:
    return [name for name in lying(folder) if not name.startswith(records.RECORDS)]


def test_an_archive_becomes_a_folder_and_is_gone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            record = await install.install(ears(mirror), store(tmp_path))
            assert record.sources == {"ears.zip": hashlib.sha256(CONTENTS["ears.zip"]).hexdigest()}
            assert present(tmp_path / "models", ears(mirror)) == record

    asyncio.run(scenario())
    assert without_records(tmp_path / "models") == IN_PLACE


def test_a_voice_has_both_its_files_side_by_side(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            await install.install(voice(mirror), store(tmp_path))
            assert present(tmp_path / "models", voice(mirror))

    asyncio.run(scenario())
    assert without_records(tmp_path / "models") == ["tts/voice.onnx", "tts/voice.onnx.json"]


@pytest.mark.parametrize("how", ["changed", "shorter", "gone"])
@pytest.mark.parametrize("known", [True, False])
def test_what_was_damaged_is_not_present_and_is_fetched_anew(tmp_path: Path, how: str, known: bool) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            await install.install(ears(mirror, known=known), store(tmp_path))
            file = tmp_path / "models/stt/ears/am/final.mdl"
            if how == "gone":
                file.unlink()
            else:
                content = bytearray(file.read_bytes())
                content[7] ^= 1
                file.write_bytes(content if how == "changed" else content[:-1])
            assert present(tmp_path / "models", ears(mirror, known=known)) is None
            await install.install(ears(mirror, known=known), store(tmp_path))
            assert present(tmp_path / "models", ears(mirror, known=known))

    asyncio.run(scenario())
    assert (tmp_path / "models/stt/ears/am/final.mdl").read_bytes() == MEMBERS["am/final.mdl"]


@pytest.mark.parametrize("known", [True, False])
def test_a_damaged_file_is_replaced_whether_or_not_its_checksum_is_published(tmp_path: Path, known: bool) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            file = mirrors.file(mirror, "brain.gguf", known=known)
            model = Model(
                name="brain", role="llm", engine="llama_cpp", type="file", files=(file,), licence="MIT", memory_mb=1
            )
            await install.install(model, store(tmp_path))
            path = tmp_path / "models/llm/brain.gguf"
            path.write_bytes(bytes(len(CONTENTS["brain.gguf"])))
            assert present(tmp_path / "models", model) is None
            await install.install(model, store(tmp_path))
            assert path.read_bytes() == CONTENTS["brain.gguf"]
            assert len(mirror.asked) == 2

    asyncio.run(scenario())


def test_another_edition_in_the_registry_is_another_model(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            await install.install(voice(mirror), store(tmp_path))
            mirror.contents = {**CONTENTS, "voice.onnx": os.urandom(70_000)}
            assert present(tmp_path / "models", voice(mirror)) is None
            await install.install(voice(mirror), store(tmp_path))
            assert present(tmp_path / "models", voice(mirror))

    asyncio.run(scenario())


def test_what_somebody_put_there_by_hand_is_taken_if_it_is_right(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            by_hand = tmp_path / "models/tts"
            by_hand.mkdir(parents=True)
            (by_hand / "voice.onnx").write_bytes(CONTENTS["voice.onnx"])
            (by_hand / "voice.onnx.json").write_bytes(b"[]")
            await install.install(voice(mirror), store(tmp_path))
            assert [path for path, _ in mirror.asked] == ["/voice.onnx.json"]

    asyncio.run(scenario())


def test_half_a_voice_is_not_a_voice(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({**CONTENTS}) as mirror:
            model = voice(mirror)
            del mirror.contents["voice.onnx.json"]
            with pytest.raises(CannotFetch):
                await install.install(model, store(tmp_path))
            assert present(tmp_path / "models", model) is None

    asyncio.run(scenario())


# -- from a folder


def a_folder(tmp_path: Path, layout: str) -> Path:
    folder = tmp_path / "stick"
    if layout == "loose":
        for name, content in CONTENTS.items():
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        return folder
    for name, content in CONTENTS.items():
        role = {"ears": "stt", "brai": "llm", "voic": "tts"}[name[:4]]
        (folder / role).mkdir(parents=True, exist_ok=True)
        if name.endswith(".zip"):
            with zipfile.ZipFile(BytesIO(content)) as opened:
                opened.extractall(folder / role)
        else:
            (folder / role / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("layout", ["loose", "another machine's"])
def test_a_folder_replaces_the_network(tmp_path: Path, layout: str) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            given = store(tmp_path, from_directory=a_folder(tmp_path, layout))
            for model in (ears(mirror), voice(mirror)):
                await install.install(model, given)
                assert present(tmp_path / "models", model)
            assert mirror.asked == []

    asyncio.run(scenario())
    assert without_records(tmp_path / "models") == [*IN_PLACE, "tts/voice.onnx", "tts/voice.onnx.json"]


@pytest.mark.parametrize("content", [bytes(70_000), b"short", None])
def test_a_folder_that_has_something_else_or_nothing_is_named(tmp_path: Path, content: bytes | None) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            folder = a_folder(tmp_path, "loose")
            (folder / "voice.onnx").unlink()
            if content is not None:
                (folder / "voice.onnx").write_bytes(content)
            with pytest.raises((NotThere, CannotInstall), match=str(folder)):
                await install.install(voice(mirror), store(tmp_path, from_directory=folder))
            assert mirror.asked == []

    asyncio.run(scenario())
    assert lying(tmp_path / "models") == []


def test_a_folder_among_the_mirrors_is_looked_into_before_the_network(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            folder = a_folder(tmp_path, "loose")
            (folder / "voice.onnx.json").unlink()
            await install.install(voice(mirror), store(tmp_path, mirrors=(str(folder), f"{mirror.url}/own")))
            assert [path for path, _ in mirror.asked] == ["/own/voice.onnx.json"]

    asyncio.run(scenario())


def test_another_machines_models_are_held_to_its_records(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            theirs = Store(folder=tmp_path / "theirs", bar=lambda name, length: Told(), patience=HASTY)
            await install.install(ears(mirror), theirs)
            given = store(tmp_path, from_directory=theirs.folder)
            await install.install(ears(mirror), given)
            shutil.rmtree(tmp_path / "models")
            (theirs.folder / "stt/ears/conf/model.conf").write_bytes(b"--beam=11\n")
            with pytest.raises(CannotInstall, match="is damaged"):
                await install.install(ears(mirror), given)

    asyncio.run(scenario())
    assert lying(tmp_path / "models") == []


# -- room, and others


def test_room_is_asked_for_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            models = [ears(mirror), voice(mirror)]
            wanted = needed(tmp_path / "models", models)
            assert wanted > sum(model.bytes for model in models)
            usage = shutil.disk_usage(tmp_path)
            enough = wanted + install.MARGIN
            monkeypatch.setattr(install.shutil, "disk_usage", lambda folder: usage._replace(free=enough))
            check_room(tmp_path / "models", models)
            monkeypatch.setattr(install.shutil, "disk_usage", lambda folder: usage._replace(free=enough - 1))
            with pytest.raises(CannotInstall, match="make room"):
                check_room(tmp_path / "models", models)

    asyncio.run(scenario())


def test_what_is_claimed_on_the_disk_already_is_not_counted_twice(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            mirror.faults = {"": [mirrors.cut_after(20_000), mirrors.status(503)]}
            before = needed(tmp_path / "models", [voice(mirror)])
            with pytest.raises(CannotFetch):
                await install.install(voice(mirror), store(tmp_path))
            assert needed(tmp_path / "models", [voice(mirror)]) <= before - 16_384

    asyncio.run(scenario())


def test_two_setups_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(CannotInstall, match="another"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotInstall, match="another folder"), locked(tmp_path / "file" / "models"):
        pass


def test_leftovers_of_a_killed_setup_go(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            await install.install(ears(mirror), store(tmp_path))

    asyncio.run(scenario())
    half = tmp_path / "models/stt/.ears.abc/ears"
    half.mkdir(parents=True)
    (half / "half").write_text("half")
    for name, age in (("old", install.STALE_S + 60), ("new", 60)):
        for suffix in ("part", "part.json"):
            part = tmp_path / "models" / "stt" / f"{name}.zip.{suffix}"
            part.write_text("")
            os.utime(part, (time.time() - age, time.time() - age))
    install.remove_leftovers(tmp_path / "models")
    assert without_records(tmp_path / "models") == sorted([*IN_PLACE, "stt/new.zip.part", "stt/new.zip.part.json"])


def test_an_archive_without_a_checksum_that_a_killed_setup_left_is_used(tmp_path: Path) -> None:
    """It has its name only since it was complete."""

    async def scenario() -> None:
        async with serving(CONTENTS) as mirror:
            known = ears(mirror, known=False)
            left: File = known.files[0]
            (tmp_path / "models/stt").mkdir(parents=True)
            (tmp_path / "models" / left.path).write_bytes(CONTENTS["ears.zip"])
            await install.install(known, store(tmp_path))
            assert mirror.asked == []

    asyncio.run(scenario())
    assert without_records(tmp_path / "models") == IN_PLACE
