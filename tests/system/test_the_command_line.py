"""What `ringmaster` says when it cannot start, and how the running system is: one clear sentence, honest exit codes."""

import asyncio
import tempfile
from pathlib import Path

import msgspec

from ipc.orders import SystemStatus
from tests.system.command import ringmaster
from tests.system.guest import calls
from tests.system.house import House, lacks

MISTAKEN = """\
audiosocket:
  prot: 8090
turns:
  end_silence_ms: long
"""


async def test_mistakes_in_the_configuration_are_told_with_line_key_and_remedy(tmp_path: Path) -> None:
    file = tmp_path / "mistaken.yaml"
    file.write_text(MISTAKEN)
    wrong, missing, misused = await asyncio.gather(
        ringmaster("up", "--config", file),
        ringmaster("up", "--config", tmp_path / "nowhere.yaml"),
        ringmaster("upp"),
    )
    assert (wrong.code, missing.code, misused.code) == (2, 2, 2)
    unknown, mistyped = wrong.err.splitlines()
    assert unknown.startswith(f"{file}:2")
    assert "audiosocket.prot" in unknown
    assert "did you mean `port`?" in unknown
    assert mistyped.startswith(f"{file}:4")
    assert "turns.end_silence_ms" in mistyped
    assert "'long'" in mistyped
    (nowhere,) = missing.err.splitlines()
    assert str(tmp_path / "nowhere.yaml") in nowhere
    assert "usage:" in misused.err


async def test_a_port_that_is_taken_is_told_in_one_sentence(house: House) -> None:
    with tempfile.TemporaryDirectory(prefix="ringmaster-") as run_dir:
        ran = await ringmaster("up", "--config", house.system.settings, "--run-dir", run_dir)
    assert ran.code == 1
    (sentence,) = ran.err.splitlines()
    assert f"port {house.audio_port} on 127.0.0.1 is taken by ringmaster" in sentence
    assert "set `audiosocket.port`" in sentence


async def test_status_tells_the_truth(house: House) -> None:
    guest = await calls(house)
    asked = await ringmaster("status", "--run-dir", house.system.run_dir, "--json")
    assert (asked.code, asked.err) == (0, "")
    said, true = msgspec.json.decode(asked.out, type=SystemStatus), await house.status()
    assert said.pid == house.system.process.pid
    assert said.ready
    assert lacks(said) == []
    assert said.calls == true.calls
    assert [call.call_id for call in said.calls] == [guest.call_id]
    assert [(actor.name, actor.pid) for actor in said.actors] == [(actor.name, actor.pid) for actor in true.actors]
    at_work = {actor.role for actor in said.actors if actor.calls}
    assert at_work == {"audio", "conversation", "stt", "tts", "call-control"}
    await guest.hangs_up()


async def test_status_of_a_system_that_does_not_run_is_not_fine(tmp_path: Path) -> None:
    asked = await ringmaster("status", "--run-dir", tmp_path, "--json")
    assert asked.code == 1
    assert asked.out == ""
    assert "is not running" in asked.err
    assert "ringmaster up" in asked.err
