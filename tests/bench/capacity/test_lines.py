"""A caller of the load generator is told what to say, and notes what is audible: beside an agent made for this."""

import asyncio
import struct

from bench.load.callers import Callers, Manner
from bench.load.frames import FRAME_BYTES, HEADER, PAYLOAD, SILENCE
from bench.load.sheet import SILENT, SOUND, Head

UUID_BYTES = 19
DEADLINE_S = 20.0


def frame(sample: int) -> bytes:
    return HEADER + struct.pack("<h", sample) * (PAYLOAD // 2)


HISS, VOICE = frame(50), frame(1000)
LINE = tuple(frame(sample) for sample in range(1, 6))


async def a_call(said: bytes) -> tuple[list[bytes], list[int], tuple[int, int, int]]:
    """Gives what the agent heard, what the caller noted of the agent, and lines, their end and the last sound."""
    heard: list[bytes] = []
    line_over = asyncio.Event()

    async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(UUID_BYTES)
        writer.write(SILENCE)
        while LINE[-1] not in heard:
            heard.append(await reader.readexactly(FRAME_BYTES))
        line_over.set()
        for what in (HISS, VOICE, HISS):
            writer.write(what)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(agent, "127.0.0.1", 0)
    async with asyncio.timeout(DEADLINE_S), server, Callers(Manner(marks=False, listens=True), rows=4) as callers:
        call = await callers.direct(server.sockets[0].getsockname()[1])
        await call.up()
        call.say(said)
        await line_over.wait()
        await call.over.wait()
        row = call.row
        _, at, what = row.arrived()
        assert row[Head.AUDIBLE_NS] in at[what == SOUND]
        return heard, what.tolist(), (row[Head.LINES], row[Head.LINE_END_NS], row[Head.AUDIBLE_NS])


def test_a_line_is_spoken_frame_by_frame_between_silence() -> None:
    heard, _, _ = asyncio.run(a_call(b"".join(LINE)))
    first = heard.index(LINE[0])
    assert heard[first:] == list(LINE)
    assert all(one == SILENCE for one in heard[:first])


def test_the_end_of_a_line_is_counted_and_lies_before_the_answer() -> None:
    _, _, (lines, line_end_ns, audible_ns) = asyncio.run(a_call(b"".join(LINE)))
    assert lines == 1
    assert 0 < line_end_ns < audible_ns


def test_who_listens_does_not_take_hiss_for_sound() -> None:
    _, noted, _ = asyncio.run(a_call(b"".join(LINE)))
    assert noted == [SILENT, SILENT, SOUND, SILENT]
