"""Processes are killed in the middle of what they do for a client."""

import asyncio
import os
import signal

from ipc import gateway as wire
from tests.actors.gateway.house import ANSWER, QUESTION, NewClient, OldClient, Server, said


async def _working_on(server: Server, role: str) -> str:
    """Which actor of the role has a call."""
    async with asyncio.timeout(20):
        while True:
            for actor in (await server.system.status()).actors:
                if actor.role == role and actor.calls:
                    return actor.name


async def _kill(server: Server, name: str) -> int:
    pid = await server.pid(name)
    os.kill(pid, signal.SIGKILL)
    return pid


async def test_an_utterance_goes_on_with_another_recogniser(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        await client.attend("c1", 1)
        await client.send(wire.Hear(call="c1", utterance=1))
        pcm = said()
        await client.say(1, pcm[: len(pcm) // 2])
        await client.told(wire.Partial)
        name = await _working_on(server, "stt")
        pid = await _kill(server, name)
        await client.say(1, pcm[len(pcm) // 2 :])
        await client.send(wire.Finish(call="c1", utterance=1))
        heard = await client.told(wire.Heard)
        assert (heard.text, heard.lost_ms) == (QUESTION, 0), "it was heard again from its start"
        assert (await client.understood("c1", 1, "where are you")).text == "where are you"
    await server.until_ready(name, but_not=pid)


async def test_a_clause_goes_on_with_another_voice_and_has_no_seam(server: Server) -> None:
    long = ANSWER * 12
    async with NewClient(server.url) as client:
        await client.welcome()
        whole, pcm = await client.spoken("c1", long)
        await client.send(wire.Speak(call="c2", request="s", stream=500, text=long))
        made = b""
        while not made:
            frame = await client.frame()
            made += frame.pcm if isinstance(frame, wire.Audio) else b""
        names = [actor for actor in ("tts.1", "tts.2") if await server.pid(actor)]
        pid = await _kill(server, names[0])
        other = await _kill(server, names[1])
        while not isinstance(frame := await client.frame(), wire.Spoken):
            assert isinstance(frame, wire.Audio), frame
            made += frame.pcm
        assert frame.samples == whole.samples
        assert len(made) == len(pcm)
    await server.until_ready("tts.1", but_not=pid)
    await server.until_ready("tts.2", but_not=other)


async def test_an_old_client_is_answered_when_half_of_the_models_are_gone(server: Server) -> None:
    async with OldClient(server.url) as client:
        pids = {name: await _kill(server, name) for name in ("llm.1", "stt.1", "tts.1")}
        await client.send("set_mode", mode="full", call_id="c1")
        await client.say(said(after_ms=1500))
        assert (await client.final())["text"] == QUESTION
        assert (await client.told("llm_response"))["text"] == ANSWER
        assert await client.speech()
    for name, pid in pids.items():
        await server.until_ready(name, but_not=pid)


async def test_nothing_of_a_gateway_that_was_killed_is_left(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        await client.attend("c1", 1)
        await client.send(wire.Reserve(call="c1"))
        await client.told(wire.Reserved)
        await client.spoken("c1", "Hello.")
        assert len(server.sessions()) == 2
        pid = await _kill(server, "gateway")
        await client.closed()
    await server.no_session_is_left()
    await server.until_ready("gateway", but_not=pid)
    async with NewClient(server.url) as client:
        await client.welcome()
        await client.attend("c1", 1)
        assert (await client.understood("c1", 1)).text == QUESTION
    for role in ("stt", "tts"):
        async with asyncio.timeout(20):
            while any(actor.calls for actor in (await server.system.status()).actors if actor.role == role):
                pass
