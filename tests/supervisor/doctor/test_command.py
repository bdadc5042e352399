"""`ringmaster doctor` as a script and as an operator use it: exit codes, JSON, and what is said of wrong settings."""

import json
from pathlib import Path

import pytest

from bench.asterisk import Asterisk
from tests.supervisor.doctor.ward import DIALPLAN, PASSWORD, USER, console, patient, play
from tests.supervisor.stage import free_port
from tests.supervisor.test_cli import ringmaster


@pytest.mark.parametrize("words", [("--seconds", "0"), ("--seconds", "soon"), ("--fly",), ("--cli",)])
def test_wrong_usage_is_2(words: tuple[str, ...]) -> None:
    done = ringmaster("doctor", *words)
    assert done.returncode == 2
    assert "usage: ringmaster" in done.stderr


def test_wrong_settings_are_a_finding_and_2(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("audio: {max_calls: many}\n")
    done = ringmaster("doctor", "--json", "--config", str(path))
    assert done.returncode == 2
    (found,) = json.loads(done.stdout)["findings"]
    assert (found["check"], found["level"]) == ("system.configuration", "error")
    assert "audio.max_calls" in found["evidence"]


def test_an_error_is_1_and_stands_in_the_last_line(tmp_path: Path) -> None:
    config = patient(tmp_path, free_port())
    done = ringmaster("doctor", "--config", str(config.path), "--no-call")
    assert done.returncode == 1
    assert "First of all: Asterisk's HTTP server cannot be reached" in done.stdout.splitlines()[-1]
    assert PASSWORD not in done.stdout + done.stderr


def test_a_good_asterisk_is_0(tmp_path: Path) -> None:
    """In another process, so that the stand-in goes on meanwhile."""
    import asyncio

    async def scene() -> None:
        shown = """[ Context 'in' created by 'pbx_config' ]
  '1' =>            1. Stasis(asterisk-ai-voice-agent)            [extensions.conf:1]
                    2. Dial(PJSIP/100)                            [extensions.conf:2]
[ Context 'people' created by 'pbx_config' ]
  '100' =>          1. Hangup()                                   [extensions.conf:3]
"""
        async with Asterisk(DIALPLAN, user=USER, password=PASSWORD) as asterisk:
            config = patient(tmp_path, asterisk)
            words = ("doctor", "--json", "--no-call", "--config", str(config.path), "--cli", console(tmp_path, shown))
            done = await asyncio.to_thread(ringmaster, *words)
        told = json.loads(done.stdout)
        # What depends on the machine on which the tests run is not looked at here.
        bad = [one for one in told["findings"] if one["level"] in ("warning", "error") and one["subject"] != "Machine"]
        assert bad == []
        assert done.returncode == (0 if told["fine"] else 1)

    play(scene)
