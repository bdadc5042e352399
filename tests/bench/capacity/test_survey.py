"""The real system, on real callers: one call, then two."""

import argparse
import json
import shutil
from pathlib import Path

import pytest
import yaml

from bench.capacity import command
from bench.capacity.attempts import Attempt
from bench.capacity.stage import setting
from config.load import SHIPPED, load

LENIENT = ["--pacing-ms", "2000", "--turn-ms", "20000", "--age-ms", "20000", "--cpu-busy", "101", "--memory-free", "0"]
"""The machine that runs this may be as busy as it likes."""


def words(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(given)


def copied(folder: Path, **changes: object) -> Path:
    """The settings that ship, as an operator has them."""
    shutil.copytree(SHIPPED.parent / "agents", folder / "agents")
    sections = yaml.safe_load(SHIPPED.read_text())
    sections.update(changes)
    path = folder / "ai-agent.yaml"
    path.write_text("# mine\n" + yaml.safe_dump(sections))
    return path


def test_the_operators_settings_are_what_is_measured(tmp_path: Path) -> None:
    path = copied(tmp_path, engines={"pocketsphinx": {"threshold": 0.25}}, turns={"end_silence_ms": 333})
    attempt = Attempt(25, {"stt": 3, "llm": 1, "tts": 1, "conversation": 2}, {"audio": (0,), "stt": ()})
    sections = dict(setting(load(path), attempt, 40, "ari").sections(1111, 2222))
    (tmp_path / "measured.yaml").write_text(yaml.safe_dump({**sections, "agents": {"directory": "agents"}}))
    settings = load(tmp_path / "measured.yaml").settings
    assert settings.engines.pocketsphinx.threshold == 0.25
    assert settings.turns.end_silence_ms == 333
    assert settings.audio.calls_per_process == 25
    assert settings.audio.max_calls >= 40
    assert settings.audio.cores == (0,)
    assert (settings.actors.stt.count, settings.actors.conversation.count) == (3, 2)
    assert (settings.asterisk.port, settings.audiosocket.port) == (1111, 2222)


def test_one_call_and_then_two_hold_and_are_written_into_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied(tmp_path)
    given = ["--config", str(path), "--seconds", "2", "--most", "2", "--dense", "1", "--calls", "2"]
    code = command.run(words(*given, "--json", "--persist", *LENIENT))
    told = capsys.readouterr()
    made = json.loads(told.out)
    assert [rung["calls"] for rung in made["rungs"][:1]] == [1], told.err
    assert made["rungs"][-1]["calls"] == 2, told.err
    assert code == command.NOT_FINE, "1 call is recommended, and 2 are wanted"
    assert made["ok"], told.err
    assert "not enough" in told.err
    assert made["recommendation"]["settings"]["audio.max_calls"] == 1
    assert "the limit lies above" in made["recommendation"]["why"]
    assert made["check"]["held"]
    assert all(rung["turns"] >= rung["calls"] and rung["turn_p95_ms"] > 0 for rung in made["rungs"])
    assert made["recommendation"]["settings"]["turns.refuse_above_ms"] == 20_000
    assert sum(rung["cpu"]["audio"] for rung in made["rungs"]) > 0
    assert load(path).settings.audio.max_calls == 1
    assert path.read_text().startswith("# mine\n")


def test_a_sentence_that_cannot_be_spoken_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(words("--config", str(copied(tmp_path)), "--say", "...")) == command.WRONG_USE
    assert "nothing to hear" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--most", "1001"), ("--calls", "-1"), ("--dense", "501"), ("--tries", "0"), ("--seconds", "300")],
)
def test_what_cannot_be_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert command.run(words("--config", str(copied(tmp_path)), option, value)) == command.WRONG_USE
    assert f"{option} is {value}" in capsys.readouterr().err
