"""What a check says of models that are not in use. Those that are: test_models_command.py."""

import asyncio
import shutil
from pathlib import Path

from msgspec import structs

from config.load import SHIPPED, load
from models import checking, install, shelf
from models.checking import Finding
from models.install import Store
from models.registry import Model
from tests.models import mirrors
from tests.models.mirrors import Told, serving


def brought(folder: Path) -> None:
    async def scenario() -> None:
        async with serving({"old.gguf": b"x" * 5000}) as mirror:
            files = (mirrors.file(mirror, "old.gguf"),)
            model = Model(
                name="old", role="llm", engine="llama_cpp", type="file", files=files, licence="MIT", memory_mb=1
            )
            await install.install(model, Store(folder=folder, bar=lambda name, length: Told()))

    asyncio.run(scenario())


def unused(folder: Path) -> list[Finding]:
    settings = load(SHIPPED).settings
    settings = structs.replace(settings, models=structs.replace(settings.models, directory=str(folder)))
    return [found for found in checking.check(settings) if found.role is None]


def test_a_model_that_nothing_uses_is_checked_and_not_loaded(tmp_path: Path) -> None:
    brought(tmp_path)
    assert [(found.name, found.problem) for found in unused(tmp_path)] == [("old", "")]
    path = tmp_path / "llm" / "old.gguf"
    path.write_bytes(b"y" * 5000)
    (found,) = unused(tmp_path)
    assert found.problem.startswith(f"{path} is damaged")
    assert found.problem.endswith(f"delete {path}")


def test_what_somebody_deleted_is_not_missed(tmp_path: Path) -> None:
    brought(tmp_path)
    shutil.rmtree(tmp_path / "llm")
    assert unused(tmp_path) == []


def test_a_choice_that_cannot_be_read_is_the_finding(tmp_path: Path) -> None:
    (tmp_path / shelf.CHOSEN).write_text("{")
    (found,) = unused(tmp_path)
    assert "cannot be read" in found.problem
    assert "ringmaster models setup" in found.problem
