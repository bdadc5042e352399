"""Rings without a call: made for whoever asks, and gone with them."""

import asyncio
import os
from pathlib import Path

import pytest

from config.schema import Gateway, Settings
from ipc.bus import Refused
from ipc.rings import BELLS, Bell, Rings
from ipc.sessions import CloseSession, OpenSession
from supervisor.sessions import MOST, Sessions
from supervisor.specs import AUDIO, CALL_CONTROL, CONVERSATION, GATEWAY, POOLS, house

PREFIX = f"ringmaster-test-{os.getpid()}-"


def left() -> list[str]:
    return [path.name for path in Path("/dev/shm").glob(f"{PREFIX}session-*")]


def test_a_session_has_rings_and_bells_until_it_is_closed() -> None:
    async def scene() -> None:
        sessions = Sessions(PREFIX)
        opened = await sessions.open("gateway", OpenSession(session_id="s", rate=16000))
        again = await sessions.open("gateway", OpenSession(session_id="s", rate=16000))
        assert again == opened, "one that is asked for twice is the same"
        rings = Rings(opened.segment)
        bells = sessions.bells("s")
        assert bells is not None and len(bells) == len(BELLS)
        assert (rings.rate, rings.closed) == (16000, False)
        kept = Bell(os.dup(bells[0]))
        await sessions.close("gateway", CloseSession(session_id="s"))
        assert rings.closed
        assert os.eventfd_read(kept.fileno()) == 1, "whoever sleeps on it is woken"
        assert sessions.bells("s") is None
        assert left() == []
        rings.close()
        kept.close()
        await sessions.close("gateway", CloseSession(session_id="s"))

    asyncio.run(scene())


def test_sessions_end_with_whoever_has_opened_them() -> None:
    async def scene() -> None:
        sessions = Sessions(PREFIX)
        for number in range(3):
            await sessions.open("gateway", OpenSession(session_id=f"s{number}", rate=8000))
        await sessions.open("another", OpenSession(session_id="other", rate=8000))
        with pytest.raises(Refused, match="belongs to another"):
            await sessions.open("gateway", OpenSession(session_id="other", rate=8000))
        sessions.owner_ended("gateway")
        sessions.owner_ended("gateway")
        assert len(sessions) == len(left()) == 1
        assert sessions.bells("other") is not None
        sessions.owner_ended("another")
        assert left() == []

    asyncio.run(scene())


def test_a_wrong_rate_and_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        sessions = Sessions(PREFIX)
        with pytest.raises(Refused, match="not 44100"):
            await sessions.open("gateway", OpenSession(session_id="s", rate=44100))
        monkeypatch.setattr("supervisor.sessions.MOST", 1)
        await sessions.open("gateway", OpenSession(session_id="one", rate=8000))
        with pytest.raises(Refused) as refused:
            await sessions.open("gateway", OpenSession(session_id="two", rate=8000))
        assert refused.value.busy
        sessions.owner_ended("gateway")
        assert left() == []

    assert MOST > 1000
    asyncio.run(scene())


def test_each_role_has_its_part_of_the_house() -> None:
    lending = Settings(gateway=Gateway(enabled=True))
    engines = [role for role in POOLS if role != CONVERSATION]
    assert [group.name for group in house(lending, "ai-server")] == [*engines, GATEWAY]
    everything = [group.name for group in house(lending)]
    assert set(everything) >= {AUDIO, CALL_CONTROL, CONVERSATION, GATEWAY}
    assert [group.name for group in house(Settings(), "engine")] == [name for name in everything if name != GATEWAY]
