"""Call-control that died before it heard that a conversation has begun asks for it again."""

import asyncio
import time
from pathlib import Path

from ipc.journal import CallStarted
from ipc.messages import EndCall, StartCall
from tests.actors.conversation.desk import PATIENCE_S, Desk
from tests.actors.conversation.test_conversations import AGENT, SETTINGS


def test_a_conversation_that_is_asked_for_twice_begins_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with Desk(tmp_path, SETTINGS, AGENT) as desk:
            call = await desk.call()
            again = StartCall(
                call_id="c1",
                segment=call.segment,
                agent="",
                caller_number="5551234",
                caller_name="Ada",
                arrived_ns=time.monotonic_ns(),
            )
            await desk.control.ask(desk.service.name, again, within=PATIENCE_S)
            await desk.hears("Hello, Ada.")
            await desk.note(EndCall(call_id="c1", cause="hung up"))
            assert sum(isinstance(record, CallStarted) for record in desk.records()) == 1
            assert desk.said == ["Hello, Ada."]

    asyncio.run(run())
