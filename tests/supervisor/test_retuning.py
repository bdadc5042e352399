"""`ringmaster affinity`, `priority`, `density`, `recycle`, as an operator uses them, and what they write down."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from ipc.orders import Granted
from supervisor.commands import affinity, priority, retuning
from supervisor.commands.retuning import NoKey
from supervisor.scheduling import AUDIO_NICE
from tests.supervisor.stage import configuration
from tests.supervisor.system import System
from tests.supervisor.test_cli import ringmaster

CORE = max(os.sched_getaffinity(0))

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of its own, whose file is written to."""
    with System(configuration(tmp_path_factory.mktemp("retuning"))) as system:
        yield system


@pytest.fixture
def command(running: System) -> Run:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return ringmaster(*words, "--run-dir", str(running.run_dir))

    return run


def written(system: System) -> dict[str, dict[str, object]]:
    settings: dict[str, dict[str, object]] = yaml.safe_load(system.config.path.read_text())
    return settings


# -- words


@pytest.mark.parametrize(
    "words",
    [
        ("affinity", "stt", "three"),
        ("affinity", "stt"),
        ("priority", "stt", "fifo:0"),
        ("priority", "stt", "fifo:100"),
        ("priority", "stt", "nice:20"),
        ("priority", "stt", "nice:-21"),
        ("priority", "stt", "urgent"),
        ("density", "0"),
        ("density", "501"),
        ("density", "many"),
        ("recycle",),
        ("recycle", "stt", "--persist"),
    ],
    ids=" ".join,
)
def test_wrong_words_are_2(words: tuple[str, ...], tmp_path: Path) -> None:
    done = ringmaster(*words, "--run-dir", str(tmp_path))
    assert done.returncode == 2
    assert "usage: ringmaster" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [("affinity", "stt", "0"), ("priority", "stt", "normal"), ("density", "2"), ("recycle", "stt")]
)
def test_where_nothing_runs_it_is_one_sentence_and_1(words: tuple[str, ...], tmp_path: Path) -> None:
    done = ringmaster(*words, "--run-dir", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == f"Ringmaster is not running in {tmp_path}: start it with `ringmaster up`\n"


# -- what the file can say


def test_what_is_said_of_a_role_has_a_key() -> None:
    assert affinity.values("audio", (0, 2)) == {("audio", "cores"): (0, 2)}
    assert affinity.values("stt", ()) == {("actors", "stt", "cores"): "any"}
    assert priority.values("audio", 30, 0) == {("audio", "priority"): 30}
    assert priority.values("audio", 0, AUDIO_NICE) == {("audio", "priority"): 0}
    assert priority.values("conversation", 0, -3) == {("actors", "conversation", "nice"): -3}


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: affinity.values("stt.1", (0,)), "one value for all stt actors: say `stt` instead of `stt.1`"),
        (lambda: affinity.values("audio.7", (0,)), "one value for all audio actors"),
        (lambda: affinity.values("call-control", (0,)), "no key for the cores of `call-control`"),
        (lambda: priority.values("supervisor", 5, 0), "no key for the priority of `supervisor`"),
        (lambda: priority.values("stt", 5, 0), "no real-time priority for stt actors"),
        (lambda: priority.values("audio", 0, 0), "`audio.priority` above 0 is fifo, and 0 is nice:-10"),
    ],
)
def test_what_has_no_key_is_said(act: Callable[[], object], sentence: str) -> None:
    with pytest.raises(NoKey, match=sentence):
        act()


# -- what is shown


def test_the_table_is_for_reading() -> None:
    actors = (
        Granted(name="stt.1", pid=42, cores=(0, 1, 2, 5), scheduling="nice:5"),
        Granted(name="stt.2", pid=1234, cores=(3,), scheduling="normal", problem="not nice:5 (because)"),
        Granted(name="stt.3", pid=0, cores=(), scheduling=""),
    )
    assert retuning.table(actors) == [
        "",
        "actor   pid  cores  class",
        "stt.1    42  0-2,5  nice:5",
        "stt.2  1234  3      normal  not nice:5 (because)",
        "stt.3     -  -      -       does not run now; holds from its next start on",
    ]
    assert retuning.table(()) == []


# -- on a running system


def test_cores_are_changed_shown_and_kept(command: Run, running: System) -> None:
    done = command("affinity", "stt", str(CORE), "--persist")
    assert done.returncode == 0, done.stderr
    assert f"stt: on cores {CORE}, now and from now on" in done.stdout
    assert f"written to {running.config.path}" in done.stdout
    assert written(running)["actors"]["stt"]["cores"] == [CORE]  # type: ignore[index]
    shown = json.loads(command("affinity", "stt", "any", "--json").stdout)
    assert shown["actors"][0]["cores"] == sorted(os.sched_getaffinity(0))
    assert (shown["persisted"], shown["problem"], shown["config"]) == (False, "", str(running.config.path))
    assert written(running)["actors"]["stt"]["cores"] == [CORE], "was not to be kept"  # type: ignore[index]


def test_what_cannot_be_kept_holds_all_the_same_and_is_1(command: Run, running: System) -> None:
    before = running.config.path.read_bytes()
    done = command("priority", "llm.1", "nice:19", "--persist", "--json")
    assert done.returncode == 1
    assert "it holds, but only until the system is started again: the configuration has one value" in done.stderr
    shown = json.loads(done.stdout)
    assert shown["actors"][0]["scheduling"] == "nice:19"
    assert not shown["persisted"]
    assert running.config.path.read_bytes() == before


def test_density_is_kept(command: Run, running: System) -> None:
    done = command("density", "3", "--persist")
    assert done.returncode == 0, done.stderr
    assert "up to 3 calls" in done.stdout
    assert written(running)["audio"]["calls_per_process"] == 3
    assert command("density", "1").stdout.startswith("an audio actor serves 1 call,")


def test_fresh_processes_are_shown(command: Run) -> None:
    before = json.loads(command("affinity", "tts", "any", "--json").stdout)["actors"][0]["pid"]
    done = command("recycle", "tts", "--json")
    assert done.returncode == 0, done.stderr
    [fresh] = json.loads(done.stdout)["actors"]
    assert (fresh["name"], fresh["problem"]) == ("tts.1", "")
    assert fresh["pid"] not in (0, before)


def test_a_refusal_is_one_sentence_and_1(command: Run) -> None:
    done = command("recycle", "supervisor")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the supervisor cannot be replaced from within: use `ringmaster restart`")
