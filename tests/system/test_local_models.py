"""A whole call on Vosk, llama.cpp and Piper with the tiny models; the language model's actor dies over a question."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from bench import report
from bench.caller import Caller, Line
from bench.demo import VOICE, tiny_models
from bench.system import System, together
from ipc import journal
from ipc.journal import CallEnded, CallerSaid, EngineLost
from ipc.messages import Journaled

CALL_S = 90.0
LINES = (
    Line("what are your opening hours", heard=("opening", "hours"), reply="Monday to Friday"),
    Line("where are you", heard=("where", "are", "you"), reply="Maple Street"),
    Line("no that is all", heard=("that", "is", "all"), reply="bye"),
)


async def kill_llm(system: System) -> None:
    """Whoever works for the call."""
    (busy,) = (actor for actor in (await system.status()).actors if actor.role == "llm" and actor.calls)
    os.kill(busy.pid, signal.SIGKILL)


async def test_a_call_is_understood_and_answered_also_when_a_language_model_dies(tmp_path: Path) -> None:
    ended = asyncio.Event()
    deaths: list[asyncio.Task[None]] = []

    async with together(tmp_path, tiny_models()) as (system, asterisk):

        async def journaled(sender: str, event: Journaled) -> None:
            record: Any = journal.decode(event.record)
            if isinstance(record, CallerSaid) and not deaths:
                deaths.append(asyncio.create_task(kill_llm(system)))
            if isinstance(record, CallEnded):
                ended.set()

        await system.bus.subscribe("conversation.1", Journaled, journaled)
        phone = asterisk.dial("1000")
        caller = Caller(phone, VOICE, LINES)
        async with asyncio.timeout(CALL_S):
            await caller.play()
            await ended.wait()
        await deaths[0]
        records = list(journal.read(journal.path(system.run_dir, phone.id)))
    made = report.turns(caller.spoken, records)
    assert [turn.caller_said for turn in made if not turn.understood] == [], made
    assert [record.role for record in records if isinstance(record, EngineLost)] == ["llm"]
