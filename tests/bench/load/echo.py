"""An agent that gives callers their own frames back, and misbehaves as it is told: `echo` in another process.

    python -m tests.bench.load.echo drop=50 repeat=70 hold=100,300 swap=90 silence=40 close=200

Each word is a fault and the frames at which it happens: every so many, or one frame and how long (ms, or frames).
Prints its port.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping

FIRST_FRAME, FRAME = 19, 323
SILENCE = b"\x10\x01\x40" + bytes(320)


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    await reader.readexactly(FIRST_FRAME)
    try:
        while True:
            yield await reader.readexactly(FRAME)
    except (asyncio.IncompleteReadError, ConnectionError):
        return


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Mapping[str, list[int]]) -> None:
    number = 0
    kept = b""
    async for frame in frames(reader):
        number += 1
        if "close" in faults and number == faults["close"][0]:
            break
        if "hold" in faults and number == faults["hold"][0]:
            await asyncio.sleep(faults["hold"][1] / 1000)
        if "drop" in faults and number % faults["drop"][0] == 0:
            continue
        if "silence" in faults and number % faults["silence"][0] == 0:
            frame = SILENCE
        if "swap" in faults and number % faults["swap"][0] == 0:
            kept = frame
            continue
        writer.write(frame + kept)
        kept = b""
        if "repeat" in faults and number % faults["repeat"][0] == 0:
            writer.write(frame)
    writer.close()


async def main(words: list[str]) -> None:
    faults = {name: [int(part) for part in values.split(",")] for name, _, values in (w.partition("=") for w in words)}
    server = await asyncio.start_server(lambda reader, writer: serve(reader, writer, faults), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Whoever started it ends it by closing its standard input.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
