"""The whole examination beside the stand-in Asterisk: each thing that can be wrong, one at a time."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bench.asterisk import Asterisk, Dialplan, Stasis
from config.load import Config
from supervisor.doctor import modules, reach
from supervisor.doctor.findings import Finding, Subject
from supervisor.doctor.survey import House, Options, survey
from tests.supervisor.doctor.ward import (
    APP,
    DIALPLAN,
    PASSWORD,
    USER,
    console,
    deserted,
    examine,
    in_the_call,
    patient,
    play,
)
from tests.supervisor.stage import free_port

WITHOUT = Options(call=False)
SHORT = Options(seconds=1.0)


def pbx(dialplan: Dialplan = DIALPLAN, **different: object) -> Asterisk:
    return Asterisk(dialplan, user=USER, password=PASSWORD, **different)  # type: ignore[arg-type]


def bad(found: dict[str, Finding]) -> dict[str, str]:
    """What is worse than advice, but for what depends on the machine on which the tests run."""
    return {
        name: finding.level
        for name, finding in found.items()
        if finding.level in ("warning", "error") and finding.subject != "Machine"
    }


# -- all is well


def test_a_good_asterisk_is_found_good(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx() as asterisk:
            found = await examine(patient(tmp_path, asterisk), SHORT)
            for check in ("asterisk.reach", "asterisk.rights", "asterisk.version", "asterisk.modules"):
                assert found[check].level == "ok", found[check]
            for check in ("asterisk.timing", "asterisk.transports", "dialplan.destinations", "line.reached"):
                assert found[check].level == "ok", found[check]
            assert found["files.played"].evidence == "25 of 25 frames heard"
            assert "0 of 50 lost" in found["line.audio"].evidence
            assert bad({name: one for name, one in found.items() if name != "line.audio"}) == {}
            await deserted(asterisk)
            assert not list((tmp_path / "media").iterdir())

    play(scene)


def test_without_calls_asterisk_is_left_alone(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx() as asterisk:
            found = await examine(patient(tmp_path, asterisk), Options(call=False, cli=console(tmp_path)))
            assert not any(name.startswith("line.") for name in found)
            assert asterisk.exchange.applications == {}

    play(scene)


# -- the way to Asterisk


def test_an_asterisk_that_is_not_there_is_the_one_thing_that_matters(tmp_path: Path) -> None:
    async def scene() -> None:
        found = await examine(patient(tmp_path, free_port()))
        assert bad(found) == {"asterisk.reach": "error"}
        assert "bindport" in found["asterisk.reach"].remedy
        assert found["asterisk.unseen"].level == "advice"

    play(scene)


def test_a_name_that_nobody_knows_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        found = await examine(patient(tmp_path, 8088, asterisk={"host": "no-such-host.invalid"}), WITHOUT)
        assert found["asterisk.reach"].level == "error"
        assert "asterisk.host" in found["asterisk.reach"].remedy

    play(scene)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"password": "pear-a-day"}, "does not accept the user `doctor`"),
        ({"username": "somebody"}, "does not accept the user `somebody`"),
        ({"password": ""}, "no password for Asterisk"),
    ],
)
def test_a_wrong_password_is_told_and_never_shown(tmp_path: Path, given: dict[str, object], words: str) -> None:
    async def scene() -> None:
        async with pbx() as asterisk:
            found = await examine(patient(tmp_path, asterisk, asterisk=given))
            assert bad(found) == {"asterisk.password": "error"}
            assert words in found["asterisk.password"].what
            assert "ari.conf" in found["asterisk.password"].remedy
            assert PASSWORD not in repr(found)
            assert "pear-a-day" not in repr(found)

    play(scene)


def test_a_user_who_may_only_read_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx(read_only=True) as asterisk:
            found = await examine(patient(tmp_path, asterisk))
            assert bad(found) == {"asterisk.rights": "error"}
            assert "read_only = no" in found["asterisk.rights"].remedy
            assert not any(name.startswith("line.") for name in found), "it was not tried to call"

    play(scene)


def test_an_asterisk_that_boots_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        asterisk = pbx()
        await asterisk.start(booting_s=600)
        try:
            found = await examine(patient(tmp_path, asterisk), WITHOUT)
        finally:
            await asterisk.stop_listening()
        assert found["asterisk.ari"].what == "Asterisk is still booting"

    play(scene)


@contextlib.asynccontextmanager
async def another_server(status: int, text: str = "") -> AsyncIterator[int]:
    """An HTTP server that answers everything so; gives its port."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type="text/html")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def test_http_without_ari_is_told_with_the_prefix_where_the_console_knows_it(tmp_path: Path) -> None:
    async def scene() -> None:
        async with another_server(404, "<html>") as port:
            found = await examine(patient(tmp_path, port), WITHOUT)
            assert found["asterisk.ari"].level == "error"
            assert "ari.conf" in found["asterisk.ari"].remedy
            program = tmp_path / "console"
            program.write_text("#!/bin/sh\necho 'HTTP Server Status:'; echo 'Prefix: /pbx'\n")
            program.chmod(0o755)
            found = await examine(patient(tmp_path, port), Options(call=False, cli=str(program)))
            assert found["asterisk.ari"].remedy.startswith("take `prefix` out of")

    play(scene)


def test_something_that_is_no_http_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            found = await examine(patient(tmp_path, server.sockets[0].getsockname()[1]), WITHOUT)
            assert found["asterisk.reach"].level == "error"
            assert "asterisk.scheme: https" in found["asterisk.reach"].remedy

    play(scene)


# -- version and modules


@pytest.mark.parametrize(
    ("version", "check", "level"),
    [
        ("22.9.0", "asterisk.version.hangup-deadlock", "warning"),
        ("22.4.1", "asterisk.version.audiosocket-nagle", "advice"),
        ("22.11.0", "asterisk.version", "ok"),
        ("GIT-master-1234567", "asterisk.version", "advice"),
    ],
)
def test_faults_of_versions_are_told(version: str, check: str, level: str) -> None:
    found = reach.version_findings(version, Subject("Asterisk", "asterisk"), ("audiosocket", "websocket"))
    assert {one.check: one.level for one in found}[check] == level


def test_faults_of_what_is_not_used_are_advice() -> None:
    found = reach.version_findings("22.7.0", Subject("Asterisk", "asterisk"), ("rtp",))
    by_name = {one.check: one.level for one in found}
    assert by_name["asterisk.version.websocket-crash"] == "advice"
    assert by_name["asterisk.version.rest-over-websocket-read-only"] == "warning"


def test_an_old_asterisk_has_fewer_transports(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx(version="20.15.0") as asterisk:
            config = patient(tmp_path, asterisk, media={"transports": ["websocket", "rtp"]})
            found = await examine(config, WITHOUT)
            assert found["asterisk.transports"].what == "audio travels by rtp"
            assert found["asterisk.transports.missing"].level == "warning"
            assert "20.16" in found["asterisk.transports.missing"].evidence

    play(scene)


@pytest.mark.parametrize(
    ("missing", "check", "level"),
    [
        ("res_stasis_answer", "asterisk.modules", "error"),
        ("res_stasis_playback", "asterisk.modules.res_stasis_playback", "warning"),
        ("res_stasis_recording", "asterisk.modules.res_stasis_recording", "advice"),
        ("res_musiconhold", "asterisk.modules.res_musiconhold", "advice"),
        ("codec_resample", "asterisk.modules.codec_resample", "warning"),
        ("app_audiosocket", "asterisk.modules.app_audiosocket", "advice"),
        ("res_timing_timerfd", "asterisk.timing", "error"),
        ("chan_websocket", "asterisk.transports.missing", "advice"),
        ("chan_audiosocket", "asterisk.transports.missing", "warning"),
    ],
)
def test_a_missing_module_is_told_with_the_command_that_loads_it(
    tmp_path: Path, missing: str, check: str, level: str
) -> None:
    async def scene() -> None:
        async with pbx(missing=[missing]) as asterisk:
            found = await examine(patient(tmp_path, asterisk), WITHOUT)
            assert found[check].level == level
            assert f"module load {missing}.so" in found[check].remedy

    play(scene)


def test_what_is_wanted_and_missing_is_worse(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx(missing=["res_stasis_recording", "res_musiconhold"]) as asterisk:
            person = {"context": "people", "extension": "100", "mode": "attended"}
            config = patient(
                tmp_path, asterisk, recording={"calls": "asterisk"}, transfers={"destinations": {"person": person}}
            )
            found = await examine(config, WITHOUT)
            assert found["asterisk.modules.res_stasis_recording"].level == "warning"
            assert found["asterisk.modules.res_musiconhold"].level == "warning"

    play(scene)


def test_no_transport_at_all_is_an_error(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx(missing=["chan_audiosocket"]) as asterisk:
            found = await examine(patient(tmp_path, asterisk, media={"transports": ["audiosocket"]}), SHORT)
            assert found["asterisk.transports"].level == "error"
            assert found["line.call"].level == "advice", "what follows from it is not told as a fault of its own"
            assert found["dialplan.destinations"].level == "ok", "asked by a channel of another kind"
            assert asterisk.channels == []

    play(scene)


def test_what_each_transport_needs_is_what_makes_it_fail() -> None:
    everything = {module for needed in modules.TRANSPORTS.values() for module in needed}
    for transport, needed in modules.TRANSPORTS.items():
        assert modules.lacking(transport, "22.11.0", everything, False) == ""
        for module in needed:
            assert module in modules.lacking(transport, "22.11.0", everything - {module}, False)
    assert "https" in modules.lacking("websocket", "22.11.0", everything, True)


# -- the application


def test_an_application_that_another_program_has_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx() as asterisk, aiohttp.ClientSession() as session:
            async with session.ws_connect(
                f"{asterisk.url}/events", params={"app": APP, "api_key": f"{USER}:{PASSWORD}"}
            ):
                found = await examine(patient(tmp_path, asterisk), WITHOUT)
            assert found["asterisk.application"].level == "warning"
            assert "is registered, but Ringmaster does not run here" in found["asterisk.application"].what

    play(scene)


# -- dialplan


def test_destinations_that_are_not_there_are_told(tmp_path: Path) -> None:
    async def scene() -> None:
        destinations = {
            "person": {"context": "people", "extension": "100"},
            "nobody": {"context": "people", "extension": "999"},
            "late": {"context": "people", "extension": "100", "priority": 7},
        }
        async with pbx() as asterisk:
            config = patient(
                tmp_path,
                asterisk,
                transfers={"destinations": destinations, "on_failure": {"context": "none", "extension": "s"}},
                outbound={"endpoint": "Local/{number}@from-internal"},
            )
            found = await examine(config, SHORT)
            assert found["dialplan.destination.nobody"].level == "warning"
            assert found["dialplan.destination.late"].level == "warning"
            assert found["dialplan.destination.on_failure"].level == "error"
            assert found["dialplan.destinations"].evidence == "100@people"
            assert found["dialplan.outbound"].level == "advice"

    play(scene)


# -- the line


def test_an_asterisk_that_cannot_reach_us_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx() as asterisk:
            # Nobody listens at that address of the loopback network: the door is at 127.0.0.1 only.
            config = patient(tmp_path, asterisk, audiosocket={"advertise_host": "127.0.0.2"})
            found = await examine(config, SHORT)
            assert found["line.reached"].level == "error"
            assert "127.0.0.2" in found["line.reached"].what
            assert "advertise_host" in found["line.reached"].remedy
            assert asterisk.channels == []

    play(scene)


def test_files_that_asterisk_does_not_find_are_told_with_the_link(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx() as asterisk:
            config = patient(tmp_path, asterisk, streaming={"media_uri": "sound:ai-generated"})
            found = await examine(config, SHORT)
            assert found["files.played"].level == "warning"
            link = f"ln -sfn {tmp_path}/media /var/lib/asterisk/sounds/ai-generated"
            assert link in found["files.played"].remedy
            assert not list((tmp_path / "media").iterdir())

    play(scene)


def test_a_taken_port_is_told_before_the_call(tmp_path: Path) -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            async with pbx() as asterisk:
                config = patient(tmp_path, asterisk, audiosocket={"port": other.getsockname()[1]})
                found = await examine(config, SHORT)
                assert found["machine.port"].level == "error"
                assert found["line.call"].level == "error"

    play(scene)


def test_an_examination_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx() as asterisk:
            config = patient(tmp_path, asterisk)
            task = asyncio.create_task(examine(config, Options(seconds=500.0)))
            await in_the_call(asterisk, task)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await deserted(asterisk)

    play(scene)


def test_an_asterisk_that_dies_meanwhile_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx() as asterisk:
            task = asyncio.create_task(examine(patient(tmp_path, asterisk), Options(seconds=500.0)))
            await in_the_call(asterisk, task)
            await asterisk.stop_listening()
            found = await task
            assert found["line.call"].level == "error" or found["line.audio"].level == "error"

    play(scene)


def test_each_of_several_asterisks_is_looked_at(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx() as first, pbx(read_only=True) as second:
            branch = {"port": second.port, "username": USER, "password": PASSWORD}
            config: Config = patient(tmp_path, first, more_asterisks={"branch": branch})
            found = await examine(config, WITHOUT)
            assert found["asterisk.rights"].level == "ok"
            assert found["asterisk.branch.rights"].level == "error"
            assert found["asterisk.branch.rights"].subject == "Asterisk branch"

    play(scene)


def test_direct_entrances_count_too(tmp_path: Path) -> None:
    async def scene() -> None:
        async with pbx({"inbound": {"1000": [Stasis(APP)]}}) as asterisk:
            config = patient(tmp_path, asterisk)
            shown = f"""[ Context 'in' created by 'pbx_config' ]
  '1' =>            1. Answer()                                   [extensions.conf:1]
                    2. AudioSocket(${{UUID()}},127.0.0.1:{config.settings.audiosocket.port}) [extensions.conf:2]
"""
            found = {
                one.check: one
                for one in await survey(House(config=config), Options(call=False, cli=console(tmp_path, shown)))
            }
            assert found["dialplan.dialplan"].evidence == "1@in"

    play(scene)


@pytest.mark.parametrize(
    ("wanted", "mode", "level"), [("", "attended", "ok"), ("jazz", "attended", "warning"), ("jazz", "blind", "advice")]
)
def test_music_that_is_not_there_is_told(tmp_path: Path, wanted: str, mode: str, level: str) -> None:
    async def scene() -> None:
        async with pbx() as asterisk:
            person = {"context": "people", "extension": "100", "mode": mode}
            config = patient(tmp_path, asterisk, transfers={"destinations": {"person": person}, "music_class": wanted})
            found = await examine(config, Options(call=False, cli=console(tmp_path)))
            assert found["asterisk.music"].level == level

    play(scene)


def test_a_system_that_does_not_answer_is_not_taken_for_a_stranger(tmp_path: Path) -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as ours:
            async with pbx() as asterisk, aiohttp.ClientSession() as session:
                connected = f"{asterisk.url}/events"
                async with session.ws_connect(connected, params={"app": APP, "api_key": f"{USER}:{PASSWORD}"}):
                    config = patient(tmp_path, asterisk, audiosocket={"port": ours.getsockname()[1]})
                    house = House(config=config, trouble="it belongs to another user")
                    found = {one.check: one for one in await survey(house, SHORT)}
        assert found["system.running"].level == "warning"
        assert "machine.port" not in found
        assert "asterisk.application" not in found
        assert found["line.reached"].level == "ok"

    play(scene)
