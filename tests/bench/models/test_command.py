"""`ringmaster models bench`: its rows one by one, and what it says when one cannot be measured."""

import argparse
import json
from pathlib import Path

import pytest
import yaml
from msgspec import structs

from bench.models import command, place
from bench.models.bundle import Bundle, bundle
from bench.models.figures import Figure
from bench.system import NotReady, settings
from config.load import SHIPPED, load
from supervisor import cli

BUNDLE = Bundle("pocketsphinx", "", Path("llm.gguf"), Path("voice.onnx"), {"llm": "a model"})


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two rows in place of the real ones, and those that have been measured."""
    measured: list[str] = []

    async def good(folder: Path, models: Bundle, say: command.Say) -> list[Figure]:
        measured.append(folder.name)
        return [Figure(row="good", name="first token", value=60, unit="ms", at_most=120)]

    async def broken(folder: Path, models: Bundle, say: command.Say) -> list[Figure]:
        raise NotReady("the system did not become ready")

    monkeypatch.setattr(command, "ROWS", {"good": good, "broken": broken})
    monkeypatch.setattr(command, "bundle", lambda *_, **__: BUNDLE)
    return measured


def test_only_what_is_wanted_is_measured(rows: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(options("--only", "good", "--out", str(tmp_path), "--json")) == command.FINE

    found = json.loads(capsys.readouterr().out)
    assert rows == ["good"]
    assert [(figure["name"], figure["holds"]) for figure in found["figures"]] == [("first token", True)]
    assert json.loads((tmp_path / "report.json").read_text()) == found


def test_a_row_that_cannot_be_measured_says_why_and_the_others_go_on(
    rows: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(options("--only", "broken,good", "--out", str(tmp_path))) == command.NOT_FINE

    said = capsys.readouterr()
    assert rows == ["good"]
    assert "holds" in said.out
    assert "broken: not measured: the system did not become ready" in said.err


def test_an_unknown_row_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "bench", "--only", "nonsense"]) == command.WRONG_USE

    assert "there is no row nonsense; the rows are first-token, batch" in capsys.readouterr().err


def test_the_agent_that_is_asked_is_the_demo_s_with_more_to_know(tmp_path: Path) -> None:
    agents = place.well_informed(tmp_path)
    sections = settings(8088, 8090, {"agents": {"directory": str(agents)}})
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(sections))

    asked, usual = (load(path).agents[place.AGENT] for path in (tmp_path / "settings.yaml", SHIPPED))

    assert asked == structs.replace(usual, prompt=asked.prompt)
    assert asked.prompt.startswith(usual.prompt.strip()) and len(asked.prompt) > 2 * len(usual.prompt)


def test_models_that_are_there_are_not_made_again(tmp_path: Path) -> None:
    for name in ("qwen2.5-0.5b.gguf", "voice-medium.onnx"):
        (tmp_path / name).write_bytes(b"as it was")

    said: list[str] = []
    found = bundle(tmp_path, said.append, shapes=True, llm_shape="qwen2.5-0.5b", tiny_vosk=tmp_path / "none")

    assert not said
    assert found.llm.read_bytes() == b"as it was"
    assert found.stt == "pocketsphinx" and "no Vosk model" in found.about["stt"]
