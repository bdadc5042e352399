"""The command line as a stranger meets it: help, exit codes, and one clear sentence when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ipc.messages import OpenedCall
from ipc.orders import ActorStatus, SystemStatus
from supervisor.cli import COMMANDS
from supervisor.status_table import render
from tests.supervisor.stage import DEADLINE_S, configuration, environment
from tests.supervisor.system import System


def ringmaster(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "supervisor.cli", *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(),
    )


def test_help_names_every_command() -> None:
    done = ringmaster("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = ringmaster(name, "--help")
    assert done.returncode == 0
    assert f"usage: ringmaster {name}" in done.stdout


@pytest.mark.parametrize("words", [(), ("fly",), ("status", "--fly"), ("config",)], ids=" ".join)
def test_wrong_usage_is_2(words: tuple[str, ...]) -> None:
    done = ringmaster(*words)
    assert done.returncode == 2
    assert "usage: ringmaster" in done.stderr


def test_status_of_nothing_is_one_sentence_and_1(tmp_path: Path) -> None:
    done = ringmaster("status", "--run-dir", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == f"Ringmaster is not running in {tmp_path}: start it with `ringmaster up`\n"


# -- the configuration


def test_a_right_configuration_is_0_and_can_be_shown(tmp_path: Path) -> None:
    path = str(configuration(tmp_path, audio={"max_calls": 7}).path)
    assert ringmaster("config", "check", "--config", path).returncode == 0
    assert "max_calls: 7" in ringmaster("config", "show", "--config", path).stdout
    shown = json.loads(ringmaster("config", "show", "--json", "--config", path).stdout)
    assert shown["settings"]["audio"]["max_calls"] == 7


@pytest.mark.parametrize("words", [("config", "check"), ("up",), ("status",)], ids=" ".join)
def test_a_wrong_configuration_is_2_and_told_with_its_place(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = configuration(tmp_path).path
    path.write_text("audio: {max_calls: many}\n")
    done = ringmaster(*words, "--config", str(path))
    assert done.returncode == 2
    assert f"{path}:1:" in done.stderr
    assert "audio.max_calls" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_reference_explains_the_keys() -> None:
    done = ringmaster("config", "reference")
    assert done.returncode == 0
    assert "max_calls" in done.stdout


# -- the status of a running system


def test_status_shows_every_actor(system: System) -> None:
    done = ringmaster("status", "--run-dir", str(system.run_dir))
    assert done.returncode == 0
    for name in ("supervisor", "nursery", "stt.1", "llm.1", "tts.1", "conversation.1", "call-control"):
        assert f"\n{name} " in done.stdout
    assert "\x1b" not in done.stdout, "no colours where nobody sees them"


def test_status_as_json_has_everything(system: System) -> None:
    done = ringmaster("status", "--json", "--run-dir", str(system.run_dir))
    status = json.loads(done.stdout)
    assert status["ready"] is True
    assert status["pid"] == system.process.pid


def test_status_can_be_watched(system: System) -> None:
    watching = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "supervisor.cli",
            "status",
            "--json",
            "--watch",
            "0.05",
            "--run-dir",
            str(system.run_dir),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert watching.stdout is not None
    seen = [json.loads(watching.stdout.readline()) for _ in range(3)]
    watching.kill()
    watching.wait()
    watching.stdout.close()
    assert seen[2]["uptime_s"] > seen[0]["uptime_s"]


def actor(name: str, state: str = "ready", **more: object) -> ActorStatus:
    usual: dict[str, object] = {
        "name": name,
        "role": name.partition(".")[0],
        "pid": 42,
        "state": state,
        "cores": (0, 1, 2, 5),
        "scheduling": "nice:5",
        "cpu_percent": 12.34,
        "memory_mb": 56.78,
        "restarts": 0,
        "calls": 3,
        "uptime_s": 7200.0,
    }
    return ActorStatus(**{**usual, **more})  # type: ignore[arg-type]


def test_the_table_is_for_reading() -> None:
    status = SystemStatus(
        version="1.2",
        pid=1,
        uptime_s=7260,
        ready=False,
        actors=(actor("stt.1"), actor("tts.1", "degraded", pid=0, cores=(), scheduling="", note="broken", uptime_s=0)),
        calls=tuple(
            OpenedCall(call_id=wire, segment="", rate=8000, media_uuid="", audio_actor="audio.1", wire=wire)
            for wire in ("rtp", "rtp", "audiosocket")
        ),
        warm_audio=1,
        media_refused={"silent": 2, "late": 1},
        problems=("no tts actor is ready",),
    )
    assert render(status, colours=False).splitlines() == [
        "Ringmaster 1.2  not ready  up 2.0 h  3 calls  1 audio actor warm",
        "",
        "actor  pid  state     cores  class   CPU %    MB  restarts  calls     up  note",
        "stt.1   42  ready     0-2,5  nice:5   12.3  56.8         0      3  2.0 h",
        "tts.1    -  degraded  -      -        12.3  56.8         0      3    0 s  broken",
        "",
        "audio of calls by: 1 audiosocket, 2 rtp",
        "",
        "media connections dropped: 1 late, 2 silent",
        "",
        "problem: no tts actor is ready",
    ]
    assert "\x1b[31m" in render(status, colours=True)
