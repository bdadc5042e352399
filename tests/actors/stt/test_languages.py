"""Which language a model is known to understand, and what becomes of agents that speak another."""

from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from actors.stt import languages
from actors.stt.engine import Hints, UnusableHints
from actors.stt.vosk import Vosk
from config.load import SHIPPED, Config
from config.load import load as load_config
from models.shelf import CHOSEN, Choice, Chosen
from tests.actors.stt.hearing import TINY_VOSK


def chosen(folder: Path, language: str) -> Config:
    """A configuration that leaves the choice to `ringmaster models setup`, which has chosen the tiny model."""
    (folder / "tiny").symlink_to(TINY_VOSK, target_is_directory=True)
    model = Chosen(name="tiny", engine="vosk", path="tiny", language=language)
    (folder / CHOSEN).write_bytes(msgspec.json.encode(Choice(tier="LIGHT_CPU", models={"stt": model})))
    config = load_config(SHIPPED)
    models = structs.replace(config.settings.models, directory=str(folder))
    return structs.replace(config, settings=structs.replace(config.settings, models=models))


def test_what_was_chosen_understands_what_it_was_chosen_for(tmp_path: Path) -> None:
    engine = Vosk.of(chosen(tmp_path, "de"))
    engine.open(Hints("de-at")).close()
    with pytest.raises(UnusableHints, match='understands "de", not "en-us"'):
        engine.open(Hints("en-us"))


def test_a_model_that_was_given_by_its_path_may_understand_anything(tmp_path: Path) -> None:
    config = chosen(tmp_path, "de")
    assert languages.of_model(config.settings.models, tmp_path / "another") == ""
    languages.check(Hints("xx"), "", tmp_path / "another")


@pytest.mark.parametrize(
    ("wanted", "has", "fits"),
    [
        ("en-us", "en-us", True), ("en-gb", "en-in", True), ("en", "en-us", True), ("de", "en-us", False),
        ("zh", "cn", True), ("zh-cn", "cn", True), ("vi", "vn", True), ("ko", "cn", False),
    ],
)  # fmt: skip
def test_accents_of_a_language_fit_each_other(wanted: str, has: str, fits: bool) -> None:
    if fits:
        languages.check(Hints(wanted), has, Path("model"))
    else:
        with pytest.raises(UnusableHints, match=f'understands "{has}", not "{wanted}"'):
            languages.check(Hints(wanted), has, Path("model"))
