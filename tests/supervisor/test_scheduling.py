"""Cores and urgency: asked for by role, granted by the kernel, and told as the kernel tells it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ipc.lifeline import Placement
from supervisor import scheduling
from tests.supervisor.stage import DEADLINE_S, configuration, environment

CORE = min(os.sched_getaffinity(0))


def taken(placement: str) -> tuple[str, list[object], str]:
    """A process that takes a placement: what it says it was granted, what the kernel says, and its log."""
    program = (
        "import json, os, sys\n"
        "from actors import scheduling\n"
        "from ipc import logs\n"
        "from ipc.lifeline import Placement\n"
        "from supervisor.scheduling import granted\n"
        "logs.set_up('stt.1', 'info')\n"
        f"said = scheduling.take({placement})\n"
        "print(json.dumps([said, granted(os.getpid())]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
        env=environment(),
    )
    said, told = json.loads(done.stdout)
    return said, told, done.stderr


def test_nothing_asked_for_is_normal() -> None:
    said, told, log = taken("Placement()")
    assert (said, told[1]) == ("normal", "normal")
    assert " INFO stt.1 runs as normal on cores " in log


def test_cores_and_niceness_are_granted_and_told_in_one_line() -> None:
    said, told, log = taken(f"Placement(cores=({CORE},), nice=5)")
    assert (said, told) == ("nice:5", [[CORE], "nice:5"])
    assert log.count("\n") == 1
    assert f"runs as nice:5 on cores {CORE}" in log


def test_a_core_that_is_not_there_is_left_out_and_said() -> None:
    said, told, log = taken("Placement(cores=(1023,), nice=5)")
    assert said == "nice:5"
    assert told[0] == sorted(os.sched_getaffinity(0))
    assert "WARNING stt.1" in log
    assert "not cores 1023" in log


def test_real_time_is_granted_or_refused_and_both_are_told_honestly() -> None:
    said, told, log = taken("Placement(realtime=1, nice=3)")
    assert said == told[1]
    if said == "nice:3":
        assert "not fifo:1 (not permitted; allow it with `LimitRTPRIO=`" in log
    else:
        assert said == "fifo:1"


@pytest.mark.parametrize(
    ("role", "placement"),
    [
        ("audio", Placement(realtime=7, nice=scheduling.AUDIO_NICE)),
        ("call-control", Placement(nice=scheduling.CALL_CONTROL_NICE)),
        ("stt", Placement(cores=(CORE,), nice=4)),
        ("nursery", Placement()),
    ],
)
def test_each_role_asks_for_its_place(tmp_path: Path, role: str, placement: Placement) -> None:
    settings = configuration(tmp_path, audio={"priority": 7}, actors={"stt": {"cores": [CORE], "nice": 4}}).settings
    assert scheduling.placement(settings, role) == placement
