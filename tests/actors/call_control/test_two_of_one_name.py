"""Two call-controls with one application name at one Asterisk: an operator's mistake, and no fight."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from actors.call_control import event_stream
from actors.call_control.ari import Ari
from tests.actors.call_control.house import House
from tests.actors.call_control.test_control import call


@contextlib.asynccontextmanager
async def a_second(first: House, run_dir: Path) -> AsyncIterator[House]:
    """Another installation, which has the first one's Asterisk and application in its settings."""
    run_dir.mkdir()
    async with House(run_dir) as second:
        await second.kill_call_control()
        second.settings = msgspec.structs.replace(second.settings, asterisk=first.settings.asterisk)
        await second.start_call_control()
        yield second


def test_the_newcomer_has_the_calls_the_first_one_says_why_and_comes_back_when_it_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = False
    really_idle = Ari.application_idle

    async def idle(ari: Ari, ours: Callable[[str], bool]) -> bool:
        """Between two calls it is idle, too, and the two would take turns, ever more slowly: not here."""
        return gone and await really_idle(ari, ours)

    monkeypatch.setattr(event_stream, "ASIDE_S", 0.05)
    monkeypatch.setattr(Ari, "application_idle", idle)

    async def scene() -> None:
        nonlocal gone
        (tmp_path / "first").mkdir()
        async with House(tmp_path / "first") as first:
            await first.connected()
            async with a_second(first, tmp_path / "second") as second:
                await first.until(lambda: first.control.stream.replaced)
                await first.until(lambda: any(first.supervisor.problems))
                [problem] = [text for text in first.supervisor.problems if text]
                assert problem == (
                    "another program has connected to Asterisk with the application name 'asterisk-ai-voice-agent': "
                    "calls go there; end it, or give one of the two another asterisk.app_name"
                )
                await second.connected()
                phone = first.asterisk.dial("1000")
                await second.until(lambda: second.talking(phone.id))
                assert not first.conversation.started, "the first one leaves it alone"
                looks = len(first.supervisor.problems)
                phone.hang_up()
                await second.until(second.nothing_left)
                assert len(first.supervisor.problems) == looks and not any(second.supervisor.problems)
                await second.kill_call_control()
                gone = True
            await first.until(lambda: first.supervisor.problems[-1] == "")
            await call(first)

    asyncio.run(scene())
