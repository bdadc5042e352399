"""`ringmaster tiers` as an operator meets it: this machine and others, every value with its reason."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from models.machine import Machine
from tests.models import recorded
from tests.supervisor.stage import configuration
from tests.supervisor.test_cli import ringmaster


def file(folder: Path, machine: Machine) -> str:
    path = folder / "machine.json"
    path.write_bytes(msgspec.json.encode(machine))
    return str(path)


def config(folder: Path, **sections: dict[str, object]) -> str:
    return str(configuration(folder, models={"directory": str(folder / "models")}, **sections).path)


def test_it_says_what_this_machine_is_without_a_running_system_and_without_models(tmp_path: Path) -> None:
    done = ringmaster("tiers", "--json", "--config", config(tmp_path))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    cpus = [thread for core in told["machine"]["cores"] for thread in core["threads"]]
    assert sorted(cpus) == sorted(os.sched_getaffinity(0))
    assert told["tier"] in [tier["name"] for tier in told["tiers"]]
    assert told["pipeline"] == "embedded"
    assert {tuned["key"]: tuned["value"] for tuned in told["settings"]}["actors.llm.count"] == 2
    assert (told["measured"], told["answer_ms"]) == (False, 0)


def test_the_pipeline_that_is_not_yet_active_can_be_asked_for(tmp_path: Path) -> None:
    done = ringmaster("tiers", "--pipeline", "local", "--config", config(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "with the pipeline local (vosk, llama_cpp, piper):" in done.stdout
    assert "engines.llama_cpp.threads" in done.stdout
    assert "`ringmaster models setup` does that" in done.stdout
    wrong = ringmaster("tiers", "--pipeline", "cloudy", "--config", config(tmp_path))
    assert (wrong.returncode, wrong.stderr) == (2, "there is no pipeline 'cloudy'; there are embedded, local\n")


def test_another_machine_is_told_from_its_description(tmp_path: Path) -> None:
    machine = file(tmp_path, recorded.SERVER.detect(tmp_path / "tree"))
    words = ("tiers", "--pipeline", "local", "--machine", machine, "--config", config(tmp_path))
    text = ringmaster(*words).stdout
    assert "32 physical cores, 64 threads on 2 NUMA nodes\n" in text
    assert "tier HEAVY_CPU: the strongest that fits\n" in text
    assert "  llm.1     16-25\n  llm.2     1-9\n" in text
    told = json.loads(ringmaster(*words, "--json").stdout)
    assert told["places"]["llm.2"] == list(range(1, 10))
    assert all(tuned["why"] for tuned in told["settings"])
    # Its own description is read as well as a part of it.
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(told))
    again = ringmaster("tiers", "--pipeline", "local", "--machine", str(whole), "--config", config(tmp_path), "--json")
    assert json.loads(again.stdout) == told


def test_no_line_is_wider_than_a_terminal(tmp_path: Path) -> None:
    machine = file(tmp_path, recorded.CONTAINER.detect(tmp_path / "tree"))
    done = ringmaster("tiers", "--pipeline", "local", "--machine", machine, "--config", config(tmp_path))
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert "of which a quota leaves 1.5 CPUs' worth of time" in done.stdout


def test_what_the_settings_say_is_told_from_what_is_planned(tmp_path: Path) -> None:
    own = config(tmp_path, actors={"stt": {"count": 5, "cores": "auto"}}, audio={"calls_per_process": 7})
    told = json.loads(ringmaster("tiers", "--json", "--pipeline", "local", "--config", own).stdout)
    by_key = {tuned["key"]: tuned for tuned in told["settings"]}
    assert (by_key["actors.stt.count"]["value"], by_key["actors.stt.count"]["source"]) == (5, "settings")
    assert by_key["actors.tts.count"]["source"] == "plan"
    assert (by_key["audio.calls_per_process"]["value"], by_key["audio.calls_per_process"]["own"]) == (1, 7)
    text = ringmaster("tiers", "--pipeline", "local", "--config", own).stdout
    assert "set in ringmaster.yaml" in text
    assert "recommended, and ringmaster.yaml has 7: isolation" in text


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"cores": []}', '{"cores": [], "memory_mb": 1, "available_mb": 1}']
)
def test_a_file_that_describes_no_machine_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(content)
    done = ringmaster("tiers", "--machine", str(tmp_path / "machine.json"), "--config", config(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{tmp_path / 'machine.json'} describes no machine: ")
    assert done.stderr.count("\n") == 1
