"""Who does not read is cut off, or is not sent anything more; nobody else notices."""

import asyncio
import contextlib
import time

from ipc import gateway as wire
from ipc.thinking import PromptLine
from tests.actors.gateway.house import QUESTION, NewClient, Server

ASKED = (PromptLine(who="caller", text=QUESTION),)
LONG = "One two three four five six seven eight nine ten. " * 90
ROUNDS = 15


async def _median_s(client: NewClient) -> float:
    """Of an answer and a clause."""
    took = []
    for number in range(ROUNDS):
        began = time.monotonic()
        await client.send(wire.Generate(call="c1", request=f"g{number}-{began}", lines=ASKED))
        await client.told(wire.Generated)
        await client.spoken("c1", "Good morning.")
        took.append(time.monotonic() - began)
    return sorted(took)[ROUNDS // 2]


async def test_one_who_does_not_read_is_cut_off_with_a_code(server: Server) -> None:
    async with NewClient(server.url, small=True) as slow, NewClient(server.url) as other:
        await slow.welcome()
        await other.welcome()

        async def ask_without_end() -> None:
            with contextlib.suppress(ConnectionError):
                while True:  # each is answered with an error of two hundred bytes, which nobody reads
                    await slow.send(wire.Hear(call="x" * 150, utterance=1))

        asking = asyncio.create_task(ask_without_end())
        async with asyncio.timeout(20):
            while not any("a client does not read" in line for line in server.system.log()):
                await server.system.status()
        spoken, _ = await other.spoken("c1", "Hello.")
        assert spoken.samples
        asking.cancel()
        assert await slow.closed() in (wire.CLOSE_SLOW, 1006), "the code, where it reads on in time"


async def test_speech_that_nobody_takes_is_not_made_and_holds_up_nobody_else(server: Server) -> None:
    async with NewClient(server.url, small=True) as slow, NewClient(server.url) as other:
        await slow.welcome()
        await other.welcome()
        alone = await _median_s(other)
        for number in range(8):
            await slow.send(wire.Speak(call=f"s{number}", request=f"s{number}", stream=number, text=LONG, rate=16000))
        # It takes the first of it and then no more: the outbox fills, then the mouths do, and then nobody works for it.
        while not isinstance(await slow.frame(), wire.Audio):
            pass
        async with asyncio.timeout(20):
            while len(server.sessions()) < 9 or await _busy(server):
                await server.system.status()
        beside = await _median_s(other)
        assert beside < 4 * alone + 0.05, f"{alone * 1000:.0f} ms alone, {beside * 1000:.0f} ms beside one that is slow"
        assert not slow.socket.closed


async def _busy(server: Server) -> bool:
    actors = {actor.name: actor for actor in (await server.system.status()).actors}
    return any(actors[name].cpu_percent > 20 for name in ("tts.1", "tts.2"))
