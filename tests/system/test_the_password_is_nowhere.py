"""ARI's password comes from a file, and goes to Asterisk: it is in nothing that is written, shown or left behind."""

import base64
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

from bench.asterisk import Asterisk
from bench.system import USER, System, free_port, settings
from tests.system.command import ringmaster
from tests.system.guest import calls
from tests.system.house import SETTINGS, House, dialplan, merged

PASSWORD = "sword/fish+4711"
NEEDLES = {
    "as it is": PASSWORD.encode(),
    "in a URL": quote(PASSWORD, safe="").encode(),
    "as HTTP sends it": base64.b64encode(f"{USER}:{PASSWORD}".encode()),
}


@contextlib.asynccontextmanager
async def talkative(folder: Path, secret: Path) -> AsyncIterator[House]:
    """A system that logs all that it can."""
    audio_port = free_port()
    changes = merged(
        SETTINGS,
        {
            "asterisk": {"password": f"${{file:{secret}}}"},
            "history": {"directory": str(folder / "history")},
            "run": {"log_level": "debug"},
        },
    )
    asterisk = Asterisk(dialplan(audio_port), user=USER, password=PASSWORD, port=free_port())
    async with asterisk:
        with tempfile.TemporaryDirectory(prefix="ringmaster-") as run_dir:
            system = System(folder, Path(run_dir), settings(asterisk.port, audio_port, changes))
            async with House(system, asterisk, audio_port) as house:
                await house.takes_calls()
                yield house


async def test_the_password_is_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret" / "ari"
    secret.parent.mkdir()
    secret.write_text(PASSWORD + "\n")
    folder = tmp_path / "house"
    folder.mkdir()
    async with talkative(folder, secret) as house:
        said: dict[str, bytes] = {}
        await (await calls(house)).says_goodbye()
        await house.nothing_is_left()
        # What is said when the password is refused, and when a process that has it dies of a fault.
        await house.asterisk.stop_listening()
        house.asterisk.password = "changed"
        await house.asterisk.start()
        await house.problem("asterisk.username and asterisk.password")
        before = await house.actor("call-control")
        for words in (("status",), ("status", "--json"), ("dump",)):
            ran = await ringmaster(*words, "--run-dir", house.system.run_dir)
            said[" ".join(words)] = (ran.out + ran.err).encode()
        ran = await ringmaster("config", "show", "--config", house.system.settings)
        assert "***" in ran.out
        said["config show"] = (ran.out + ran.err).encode()
        os.kill(before.pid, signal.SIGABRT)
        await house.comes_back(before)
        for actor in (await house.status()).actors:
            for what in ("cmdline", "environ"):
                said[f"{what} of {actor.name}"] = Path(f"/proc/{actor.pid}/{what}").read_bytes()
        files = [*folder.rglob("*"), *house.system.run_dir.rglob("*")]
        files += [Path("/dev/shm") / name for name in house.segments()]
        dumps = [file for file in files if file.parent.name == "dumps"]
        assert dumps, "neither `ringmaster dump` nor the death has left a dump"
        said |= {str(file): file.read_bytes() for file in files if file.is_file()}
    assert any(where.endswith("calls.sqlite") for where in said) and len(said) > 20
    assert any(b"does not take the password" in what for what in said.values()), "the search finds what was said"
    assert [(where, how) for where, what in said.items() for how, needle in NEEDLES.items() if needle in what] == []
