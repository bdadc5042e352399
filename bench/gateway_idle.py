"""What clients cost that are connected and say nothing: `python -m bench.gateway_idle [--clients 100] [--seconds 40]`.

Starts the AI server on the embedded engines, connects clients of both protocols, half of each, who then do nothing but
answer pings; gives the gateway's CPU time and private memory for each of them, in one line of JSON.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

import aiohttp
import psutil

from bench.system import NotReady, System, free_port, settings
from ipc import gateway as wire
from supervisor.status import private_bytes

ONE = {"stt": {"count": 1}, "llm": {"count": 1}, "tts": {"count": 1}}
SETTLE_S = 2.0


async def _connect(http: aiohttp.ClientSession, url: str, *, old: bool) -> aiohttp.ClientWebSocketResponse:
    socket = await http.ws_connect(url)
    if old:
        await socket.send_str(json.dumps({"type": "set_mode", "mode": "full", "call_id": "idle"}))
    else:
        await socket.send_str(wire.encode(wire.Hello(protocol=wire.PROTOCOL)))
    await socket.receive()
    return socket


async def _read(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Answers pings, which the library does while it reads."""
    async for _ in socket:
        pass


async def measure(clients: int, seconds: float) -> dict[str, float]:
    port = free_port()
    changes = {"gateway": {"port": port, "max_clients": clients + 1}, "actors": ONE}
    with tempfile.TemporaryDirectory(prefix="ringmaster-") as folder, tempfile.TemporaryDirectory() as run_dir:
        made = settings(1, 1, changes)
        async with (
            System(Path(folder), Path(run_dir), made, arguments=("--role", "ai-server")) as system,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        ):
            await system.until_ready()
            pid = next(actor.pid for actor in (await system.status()).actors if actor.name == "gateway")
            gateway = psutil.Process(pid)
            url = f"ws://127.0.0.1:{port}"
            async with await _connect(http, url, old=True):  # whatever is loaded for the first client
                pass
            await asyncio.sleep(SETTLE_S)
            empty_bytes, empty_cpu = private_bytes(pid), await _cpu_of(gateway, seconds / 2)
            sockets = [await _connect(http, url, old=number % 2 == 0) for number in range(clients)]
            reading = [asyncio.create_task(_read(socket)) for socket in sockets]
            await asyncio.sleep(SETTLE_S)
            full_cpu = await _cpu_of(gateway, seconds)
            full_bytes = private_bytes(pid)
            for task in reading:
                task.cancel()
            for socket in sockets:
                await socket.close()
    return {
        "clients": clients,
        "cpu_percent_without": round(empty_cpu * 100, 2),
        "cpu_percent_with": round(full_cpu * 100, 2),
        "cpu_percent_each": round((full_cpu - empty_cpu) / clients * 100, 4),
        "memory_kb_each": round((full_bytes - empty_bytes) / clients / 1024, 1),
    }


async def _cpu_of(process: psutil.Process, seconds: float) -> float:
    """Its share of a core."""
    before = process.cpu_times()
    await asyncio.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / seconds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway_idle", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=40.0, help="for which CPU time is counted")
    options = parser.parse_args()
    try:
        print(json.dumps(asyncio.run(measure(options.clients, options.seconds))))
    except NotReady as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
