"""What is said of a running system: of its own word, of the application, and of a call that the agent had."""

import socket
from pathlib import Path

import aiohttp
import pytest

from config.schema import AudioSocket, Settings
from ipc.messages import OpenedCall
from ipc.orders import ActorStatus, SystemStatus
from supervisor.doctor import sockets
from supervisor.doctor.agentcall import AgentCall
from supervisor.doctor.application import application
from supervisor.doctor.ari import Ari
from supervisor.doctor.cadence import figures
from supervisor.doctor.findings import Finding, Subject
from supervisor.doctor.line import Heard, Record
from supervisor.doctor.survey import House, Options, survey
from tests.supervisor.doctor.test_survey import pbx
from tests.supervisor.doctor.ward import APP, PASSWORD, USER, named, patient, play
from tests.supervisor.stage import free_port

MS = 1_000_000
PBX = Subject("Asterisk", "asterisk")


def status(**different: object) -> SystemStatus:
    usual: dict[str, object] = {
        "version": "1.0",
        "pid": 1,
        "uptime_s": 10.0,
        "ready": True,
        "actors": (),
        "calls": (),
        "warm_audio": 2,
        "media_refused": {},
    }
    return SystemStatus(**{**usual, **different})  # type: ignore[arg-type]


def audio_actor(scheduling: str, state: str = "ready", note: str = "") -> ActorStatus:
    return ActorStatus(
        name="audio.1",
        role="audio",
        pid=1,
        state=state,  # type: ignore[arg-type]
        cores=(0,),
        scheduling=scheduling,
        cpu_percent=0.0,
        memory_mb=1.0,
        restarts=0,
        calls=0,
        uptime_s=1.0,
        note=note,
    )


async def seen(folder: Path, told: SystemStatus) -> dict[str, Finding]:
    """What is found beside an Asterisk that is not there."""
    house = House(config=patient(folder, free_port()), status=told)
    return await named(survey(house, Options(call=False)))


# -- the system's own word


def test_a_running_system_is_fine(tmp_path: Path) -> None:
    async def scene() -> None:
        found = await seen(tmp_path, status(actors=(audio_actor("fifo:20"),)))
        assert found["system.running"].level == "ok"
        assert found["machine.priority"].level == "ok"
        assert found["machine.port"].what.endswith("is ours")

    play(scene)


def test_what_the_system_complains_of_is_found(tmp_path: Path) -> None:
    async def scene() -> None:
        degraded = audio_actor("nice:-10", "degraded", "died 6 times")
        problem = "call-control: Asterisk at http://pbx refuses the password"
        found = await seen(tmp_path, status(ready=False, problems=(problem,), actors=(degraded,)))
        assert found["system.running"].level == "error"
        assert found["system.problem"].evidence == problem
        assert found["system.degraded"].evidence == "died 6 times"
        assert found["machine.priority"].level in ("ok", "warning")

    play(scene)


def test_audio_without_the_priority_that_it_asked_for_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        house = House(
            config=patient(tmp_path, free_port(), audio={"priority": 20}),
            status=status(actors=(audio_actor("nice:-10"),)),
        )
        found = await named(survey(house, Options(call=False)))
        assert found["machine.priority"].level == "warning"
        assert found["machine.priority"].evidence == "nice:-10"

    play(scene)


# -- the application


@pytest.mark.parametrize(
    ("connected", "problems", "level", "words"),
    [
        (True, (), "ok", "is registered"),
        (False, (), "error", "Asterisk knows no application"),
        (True, (f"call-control: another program has taken the application `{APP}`",), "error", "is not ours"),
    ],
)
def test_whose_the_application_is(
    tmp_path: Path, connected: bool, problems: tuple[str, ...], level: str, words: str
) -> None:
    async def scene() -> None:
        async with pbx() as asterisk, aiohttp.ClientSession() as session:
            if connected:
                listening = await session.ws_connect(
                    f"{asterisk.url}/events", params={"app": APP, "api_key": f"{USER}:{PASSWORD}"}
                )
            async with Ari(patient(tmp_path, asterisk).settings.asterisk) as ari:
                (found,) = await application(ari, status(problems=problems), PBX)
            assert found.level == level
            assert words in found.what
            if connected:
                await listening.close()

    play(scene)


# -- the call that the agent had


def judged(record: Record) -> dict[str, str]:
    call = AgentCall.__new__(AgentCall)
    call._subject = Subject("Agent", "agent")
    return {one.check: one.level for one in call._answered(record, figures(record, record.back))}


def record(back: dict[int, float], arrivals: int = 100, ended: str = "") -> Record:
    """Of 100 marks those in `back` came again, so many ms after they were sent."""
    sent = {number: number * 20 * MS for number in range(100)}
    marks = {number: sent[number] + int(ms * MS) for number, ms in back.items()}
    heard = sorted(marks.values()) or [number * 20 * MS for number in range(arrivals)]
    return Record(sent, [0] * 100, Heard([], {}), Heard(heard, marks, ended=ended))


def test_an_agent_that_gives_everything_back_is_fine() -> None:
    assert judged(record(dict.fromkeys(range(10, 100), 60.0))) == {"agent.audio": "ok"}


def test_an_agent_that_is_late_to_answer_is_told() -> None:
    assert judged(record(dict.fromkeys(range(90, 100), 60.0))) == {"agent.audio": "ok", "agent.answer": "advice"}


@pytest.mark.parametrize(
    ("what", "level"),
    [
        (record({}, arrivals=0, ended="Asterisk hung up"), "error"),
        (record({}, arrivals=0), "error"),
        (record({}, arrivals=100), "warning"),
    ],
)
def test_an_agent_that_gives_nothing_back_is_told(what: Record, level: str) -> None:
    assert judged(what) == {"agent.call": level}


def test_an_agent_a_long_way_off_is_told() -> None:
    assert judged(record(dict.fromkeys(range(100), 400.0))) == {"agent.audio": "warning"}


# -- sockets


def test_a_connection_that_nobody_closes_is_found() -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            settings = Settings(audiosocket=AudioSocket(port=port))
            client = socket.create_connection(("127.0.0.1", port))
            held, _ = server.accept()
            (good,) = await sockets.left_open(settings, None, PBX)
            assert (good.level, good.evidence) == ("ok", "1 media connections")
            client.close()
            (found,) = await sockets.left_open(settings, None, PBX)
            held.close()
            assert found.level == "warning"
            assert found.what.startswith("1 connection in CLOSE-WAIT")
            assert str(port) in found.remedy

    play(scene)


def test_more_connections_than_calls_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        monkeypatch.setattr(sockets, "SPARE", 0)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            settings = Settings(audiosocket=AudioSocket(port=port))
            with socket.create_connection(("127.0.0.1", port)):
                held, _ = server.accept()
                (found,) = await sockets.left_open(settings, status(), PBX)
                one = OpenedCall(call_id="c", segment="s", rate=8000, media_uuid="u", audio_actor="a")
                (good,) = await sockets.left_open(settings, status(calls=(one,)), PBX)
                held.close()
            assert (found.level, good.level) == ("warning", "ok")

    play(scene)
