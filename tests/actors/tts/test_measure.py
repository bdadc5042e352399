import json
from pathlib import Path

import msgspec
import pytest

from actors.tts import measure
from models.measured import Tts

TINY = Path(__file__).parents[3] / "models" / "tiny" / "voice" / "en_US-tiny.onnx"


def test_a_voice_is_measured_with_each_number_of_threads(capfd: pytest.CaptureFixture[str]) -> None:
    assert measure.main([str(TINY), "--json", "--threads", "1", "--threads", "2"]) == 0
    told = capfd.readouterr().out
    found = msgspec.json.decode(told, type=Tts)
    assert found.engine == "piper" and found.model == str(TINY)
    assert found.real_time_factor > 0 and found.first_audio_ms > 0 and found.load_s > 0 and found.memory_mb > 30
    tried = json.loads(told)["threads_tried"]
    assert [trial["threads"] for trial in tried] == [1, 2]
    assert found.first_audio_ms == min(trial["first_audio_ms"] for trial in tried)


def test_calls_that_ask_at_once_are_measured_together(capfd: pytest.CaptureFixture[str]) -> None:
    assert measure.main([str(TINY), "--threads", "1", "--calls", "3"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert len(told["first_audio_ms"]) == 3 and told["first_audio_ms"] == sorted(told["first_audio_ms"])


def test_the_embedded_engine_is_measured_too(capfd: pytest.CaptureFixture[str]) -> None:
    assert measure.main(["--engine", "espeak"]) == 0
    assert capfd.readouterr().out.splitlines()[1].split()[0] == "1"


def test_what_cannot_be_loaded_is_said_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert measure.main([str(TINY), "--check"]) == 0
    assert capfd.readouterr().out == "fine\n"
    broken = tmp_path / "voice.onnx"
    broken.write_bytes(b"")
    for options in (["--check"], ["--json"], ["--threads", "1"]):
        assert measure.main([str(broken), *options]) == 1
        told = capfd.readouterr()
        assert told.out == "" and "lacks its description" in told.err.splitlines()[0]
