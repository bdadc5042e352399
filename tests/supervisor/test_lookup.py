"""Names of hosts: a name server that does not answer holds up nobody but those who ask for a name."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from supervisor import lookup


def test_addresses_need_nobody() -> None:
    async def scene() -> None:
        threads = threading.active_count()
        assert await lookup.find("127.0.0.1", 8088) == (socket.AF_INET, ("127.0.0.1", 8088))
        assert await lookup.find("::1", 8088) == (socket.AF_INET6, ("::1", 8088, 0, 0))
        assert threading.active_count() == threads

    asyncio.run(scene())


def test_a_name_is_found_and_one_that_nobody_knows_is_told() -> None:
    async def scene() -> None:
        family, address = await lookup.find("localhost", 8088)
        assert (family, address[0]) in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
        with pytest.raises(OSError, match=r".+"):
            await lookup.find("no-such-host.invalid", 8088)
        with pytest.raises(OSError, match="is no name of a host"):
            await lookup.find("x" * 70 + ".example", 8088)

    asyncio.run(scene())


def test_a_name_server_that_hangs_costs_a_few_threads_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    ask = lookup._ask

    def slow(host: str, port: int, flags: int = 0) -> lookup.SocketAddress:
        if not flags:
            answers.wait()
        return ask(host, port, socket.AI_NUMERICHOST) if flags else (socket.AF_INET, (host, port))

    async def scene() -> None:
        waiting: list[asyncio.Task[Any]] = [
            asyncio.create_task(lookup.find(f"pbx{n}", 1)) for n in range(lookup.MOST_AT_ONCE)
        ]
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="waiting for a name server already"):
            await lookup.find("one-more", 1)
        assert (await lookup.find("127.0.0.1", 1))[0] == socket.AF_INET
        waiting[0].cancel()
        answers.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert found[1:] == [(socket.AF_INET, (f"pbx{n}", 1)) for n in range(1, lookup.MOST_AT_ONCE)]
        assert (await lookup.find("again", 1))[1] == ("again", 1)

    monkeypatch.setattr(lookup, "_ask", slow)
    asyncio.run(scene())
