"""A call at work: nothing that is due is forgotten, however long its steps take."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from actors.call_control.calls import Calls
from actors.call_control.commands import Command, Originate
from actors.call_control.events import Event, Failed, MediaLegArrived, Why
from actors.call_control.moves import SETBACK_PAUSE_NS
from actors.call_control.sessions import Session, Stage
from actors.call_control.store import Store
from tests.actors.call_control.storm.clock import Clock, in_virtual_time
from tests.actors.call_control.world import World


class SlowDisk:
    """Instead of `Store`: writing down that something failed takes longer than the pause that follows from it."""

    def begin(self, session: Session, waiting: Sequence[Command], now_ns: int) -> None:
        pass

    def step(self, before: Session, event: Event, after: Session, waiting: Sequence[Command], now_ns: int) -> None:
        if isinstance(event, Failed):
            cast(Clock, asyncio.get_running_loop()).now_ns += 2 * SETBACK_PAUSE_NS


def test_a_pause_that_is_over_before_its_step_is_on_disk_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(begin=False, transports=("audiosocket", "audiosocket_external", "websocket"))
    tried: list[str] = []

    async def perform(command: Command) -> Event:
        if isinstance(command, Originate):
            tried.append(command.transport)
            if command.transport != "websocket":
                return Failed(command, Why.REFUSED, "Allocation failed (500)")
            calls.tell(world.session.call_id, MediaLegArrived(command.channel_id))
        return world._carry_out(command)

    async def scene() -> None:
        calls.begin(world.session)
        for _ in range(100):
            await asyncio.sleep(0.1)
        (session,) = calls.store
        assert (session.stage, tried) == (Stage.TALKING, ["audiosocket", "audiosocket_external", "websocket"])

    tasks: list[object] = []  # a loop holds its tasks weakly
    calls = Calls(
        cast(Store, SlowDisk()),
        perform,
        lambda call_id, note: None,
        lambda work, name: tasks.append(asyncio.ensure_future(work)),
    )
    in_virtual_time(scene(), monkeypatch)
