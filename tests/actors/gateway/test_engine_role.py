"""Two systems on one machine: the calls in one of them, the engines in the other, a gateway between them."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from bench.asterisk import Asterisk
from bench.caller import Line
from bench.demo import VOICE, Outcome, one_call
from bench.system import DIALPLAN, PASSWORD, USER, Sections, System, free_port, settings
from ipc import journal
from ipc.bus import Bus
from ipc.journal import AgentSaid, EngineLost
from ipc.messages import Journaled
from ipc.orders import RestartHouse, SystemStatus
from tests.actors.gateway.house import ONE, PATIENCE_S, Server, serving

TOKEN = "open sesame"

BRIEF: Sections = {"agents": {"directory": str(Path("tests/system/agents").resolve()), "default_agent": "desk"}}

SCRIPT = (
    Line("opening hours", heard=("opening", "hours"), reply="Monday to Friday"),
    Line("your address", heard=("address",), reply="Maple Street"),
    Line("thank you bye", heard=("bye",), reply="Goodbye"),
)


@contextlib.asynccontextmanager
async def engine(folder: Path, server: Server, token: str = TOKEN) -> AsyncIterator[tuple[System, Asterisk]]:
    folder.mkdir()
    asterisk = Asterisk(DIALPLAN, user=USER, password=PASSWORD)
    changes = {**BRIEF, "local": {"ws_url": server.url, "token": token}, "actors": ONE, "audio": {"max_calls": 2}}
    with tempfile.TemporaryDirectory(prefix="ringmaster-") as run_dir:
        async with asterisk:
            made = settings(asterisk.port, free_port(), changes)
            async with System(folder, Path(run_dir), made, arguments=("--role", "engine")) as system:
                yield system, asterisk


async def restarted(server: Server) -> SystemStatus:
    """Every actor of it is another process, and ready."""
    before = {actor.name: actor.pid for actor in (await server.system.status()).actors}
    await server.system.bus.ask("supervisor", RestartHouse(), within=PATIENCE_S)
    for name, pid in before.items():
        if name != "supervisor":
            await server.until_ready(name, but_not=pid)
    return await server.system.status(within=PATIENCE_S)


async def reconnected(system: System) -> None:
    """Nobody misses the gateway any more."""
    async with asyncio.timeout(PATIENCE_S):
        while any("no connection to the gateway" in problem for problem in (await system.status()).problems):
            pass


async def call_in_which_the_gateway_is_killed(system: System, asterisk: Asterisk, server: Server) -> Outcome:
    killed: list[int] = []

    async def journaled(sender: str, event: Journaled) -> None:
        record = journal.decode(event.record)
        if isinstance(record, AgentSaid) and "Monday" in record.text and not killed:
            killed.append(await server.pid("gateway"))
            os.kill(killed[0], signal.SIGKILL)

    async with Bus(system.run_dir, "onlooker") as onlooker:
        await onlooker.subscribe("conversation.1", Journaled, journaled)
        outcome = await one_call(system, asterisk, SCRIPT, VOICE)
    assert killed
    return outcome


async def test_a_call_is_understood_by_the_engines_of_another_system(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "server", {**BRIEF, "gateway": {"token": TOKEN}}) as server,
        engine(tmp_path / "engine", server) as (system, asterisk),
    ):
        await system.until_ready()
        await system.until_connected(asterisk)
        status = await system.status()
        assert status.role == "engine"
        assert "gateway" not in [actor.name for actor in status.actors]
        outcome = await call_in_which_the_gateway_is_killed(system, asterisk, server)
        assert outcome.report()["ok"], outcome.report()
        lost = [record for record in outcome.records if isinstance(record, EngineLost)]
        assert {record.role for record in lost} <= {"stt"}
        assert all(actor.restarts == 0 for actor in (await system.status()).actors), "nobody had to die of it"

        # The other side is started anew, and is what it was; ours finds its way back by itself.
        status = await restarted(server)
        assert status.role == "ai-server"
        assert [actor.name for actor in status.actors] == ["supervisor", "stt.1", "llm.1", "tts.1", "gateway"]
        await reconnected(system)
        outcome = await one_call(system, asterisk, SCRIPT[-1:], VOICE)
        assert outcome.report()["ok"], outcome.report()
