import json
import subprocess
import sys
import wave
from pathlib import Path

import msgspec
import pytest

from models import measured
from tests.actors.stt.hearing import model, speech


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "actors.stt.measure", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_recording_is_heard_over_and_over_and_measured(tmp_path: Path) -> None:
    wav = tmp_path / "speech.wav"
    with wave.open(str(wav), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(speech("what are your opening hours", rate=16000).tobytes())
    done = run("--engine", "vosk", model("vosk"), "--wav", str(wav), "--json")
    assert done.returncode == 0, done.stderr
    found = msgspec.json.decode(done.stdout, type=measured.Stt)
    assert (found.engine, found.model) == ("vosk", model("vosk"))
    assert found.real_time_factor > 0.0 and found.load_s > 0.0 and found.memory_mb > 0.0
    assert found.calls_per_core == pytest.approx(1.0 / found.real_time_factor, rel=0.05)
    assert json.loads(done.stdout)["source"] == str(wav)
    assert json.loads(done.stdout)["audio_s"] >= 20.0


@pytest.mark.parametrize("name", ["sherpa_onnx", "pocketsphinx"])
def test_without_a_recording_it_says_that_it_was_no_speech(name: str) -> None:
    done = run("--engine", name, *([model(name)] if model(name) else []), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"] == "synthetic"


def test_a_model_can_be_checked_without_being_measured(tmp_path: Path) -> None:
    assert run("--check", "--engine", "vosk", model("vosk")).returncode == 0
    done = run("--check", "--engine", "vosk", str(tmp_path))
    assert done.returncode == 1
    assert "lacks am/final.mdl" in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout


def test_a_recording_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_text("no")
    for wav in ("no.wav", "nowhere.wav"):
        done = run("--engine", "pocketsphinx", "--wav", str(tmp_path / wav))
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1, done.stderr
