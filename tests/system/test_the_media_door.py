"""Whoever comes to the AudioSocket port without being a call is dropped and counted; a call that is under way does not
notice."""

import asyncio
import contextlib
import resource
import uuid

from ipc import media_uuid
from tests.system.guest import Guest, calls
from tests.system.house import House

UUID_HEADER = b"\x01\x00\x10"
UNKNOWN = uuid.UUID("11111111-2222-4333-8444-555555555555")

VISITORS = {
    "silent": b"",
    "half a frame": UUID_HEADER + b"half a",
    "no UUID": b"GET / HTTP/1.0\r\n\r\n",
    "unknown UUID": UUID_HEADER + UNKNOWN.bytes,
    "closed early": UUID_HEADER[:1],
    "late": UUID_HEADER + uuid.UUID(media_uuid.make()).bytes,
}
"""What they send, by the reason for which they are dropped."""

CROWD = 1000


async def visit(house: House, said: bytes) -> None:
    """Returns when the door has closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.audio_port)
    writer.write(said)
    if said == VISITORS["closed early"]:
        writer.write_eof()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() in (b"", b"\x00\x00\x00")
    writer.close()


async def has_not_noticed(guest: Guest) -> None:
    ended = await guest.hangs_up()
    assert (ended.underruns, ended.skipped, ended.corrupt, ended.takeovers) == (0, 0, 0, 0)


async def test_strangers_are_dropped_and_counted_by_reason(strict: House) -> None:
    guest = await calls(strict)
    before = (await strict.status()).media_refused
    await asyncio.gather(guest.asks(), *(visit(strict, said) for said in VISITORS.values()))
    after = (await strict.status()).media_refused
    assert {reason: after[reason] - before.get(reason, 0) for reason in VISITORS} == dict.fromkeys(VISITORS, 1)
    await has_not_noticed(guest)


async def test_a_thousand_connections_keep_nobody_from_calling(strict: House) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        guest = await calls(strict)
        before = (await strict.status()).media_refused
        crowd = asyncio.gather(*(visit(strict, b"") for _ in range(CROWD)))
        newcomer, _, _ = await asyncio.gather(calls(strict), guest.asks(), crowd)
        after = (await strict.status()).media_refused
        dropped = sum(after.get(reason, 0) - before.get(reason, 0) for reason in ("silent", "too many waiting"))
        assert dropped == sum(after.values()) - sum(before.values()) == CROWD
        await newcomer.hangs_up()
        await has_not_noticed(guest)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
