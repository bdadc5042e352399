"""A system whose engines lack their models: it runs, says what is missing, and sends callers on in the dialplan."""

import asyncio
import tempfile
from pathlib import Path

from bench.asterisk import Asterisk, Where
from bench.system import PASSWORD, USER, System, free_port, settings
from ipc.orders import SystemStatus
from tests.system.house import DEADLINE_S, SETTINGS, House, dialplan

ENGINES = {"stt": "vosk", "llm": "llama_cpp", "tts": "piper"}


def excuses(status: SystemStatus) -> list[str] | None:
    """Why the engines do not work, once all three have said so."""
    told = [problem for problem in status.problems if "has no model" in problem]
    return told if len(told) == len(ENGINES) else None


async def test_it_says_what_is_missing_and_callers_go_on_in_the_dialplan(tmp_path: Path) -> None:
    audio_port = free_port()
    lacking = {"active_pipeline": "local", "models": {"directory": str(tmp_path / "models")}}
    asterisk = Asterisk(dialplan(audio_port), user=USER, password=PASSWORD, port=free_port())
    sections = settings(asterisk.port, audio_port, {**SETTINGS, **lacking})
    with tempfile.TemporaryDirectory(prefix="ringmaster-") as run_dir:
        async with asterisk, System(tmp_path, Path(run_dir), sections) as system:
            house = House(system, asterisk, audio_port)
            told = await house.until_status("what is missing is told", excuses)
            for role, engine in ENGINES.items():
                (excuse,) = (text for text in told if text.startswith(f"{role}."))
                assert f'the {role} engine "{engine}" has no model' in excuse
                assert "run `ringmaster models setup`" in excuse
            await system.until_connected(asterisk)
            phone = asterisk.dial("1000")
            async with asyncio.timeout(DEADLINE_S):
                await phone.ended.wait()
            assert Where("inbound", "1000", 2, "NoOp", "BUSY") in phone.path
            assert not (await house.status()).ready
