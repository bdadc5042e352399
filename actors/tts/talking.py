"""The TTS actor's work: it speaks clauses into the mouths of its calls, each call's in the order in which they came.

A quick engine runs on the actor's own loop: it is what the process is for. A slow one runs in threads, those clauses
first whose callers would hear silence first (`turns`); what the agents often say it has made before (`rehearsal`).
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from actors import open_call
from actors.actor import Actor
from actors.tts.clause import CallMouth, Clause
from actors.tts.engine import SlowEngine, TtsEngine, Voice, Word
from actors.tts.rehearsal import Rehearsal
from actors.tts.rendering import Render, Rendering, Repertoire
from actors.tts.turns import Turn, Turns
from ipc.bus import Bus
from ipc.messages import Done, Placed, Release, Speak, Speaking, Spoken

FLUSH_SEEN_S = 0.02
"""While a clause is being made in a thread it is looked at so often whether it is still wanted: a flush is one store in
shared memory, and rings no bell as long as the mouth is empty."""
HANGS_AFTER_S = 30.0
"""An engine of which nothing has come for so long, though it was its turn, hangs: the actor ends, and another one is
started. The longest sentence that is made in one go is 25 s of speech, and who needs longer for that is of no use."""
MOST_THREADS = 64
"""Calls that have a clause in the making at the same time; most of them wait for their turn."""

IDLE_NICE = 15
"""Of what nobody waits for: another actor's calls, and those of the recogniser and the language model, go first."""

Put = Callable[[bytes], bool]


def _step_back() -> None:
    """Makes the calling thread humble. Linux keeps a niceness for each thread."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), IDLE_NICE)


class Talking:
    """All calls of one TTS actor."""

    def __init__(self, actor: Actor, engine: TtsEngine) -> None:
        self._actor = actor
        self._bus: Bus = actor.bus
        self._engine = engine
        self._mouths: dict[str, CallMouth] = {}
        self._repertoire = Repertoire()
        self._turns = Turns(engine.at_once if isinstance(engine, SlowEngine) else 1)
        self._threads = ThreadPoolExecutor(MOST_THREADS, "speaking") if isinstance(engine, SlowEngine) else None
        self._rehearsal: Rehearsal | None = None
        self._making = 0
        """Clauses that are made in threads just now."""
        self._bus.on(Speak, self.speak)
        self._bus.on(Release, self.release)

    async def rehearse(self) -> None:
        """Makes what the agents often say: the first of it at once, the rest when there is nothing else to do. Quick
        engines have no need of it."""
        if isinstance(self._engine, SlowEngine):
            idle = ThreadPoolExecutor(1, "rehearsing", initializer=_step_back)

            async def make(render: Render, *, urgent: bool) -> Rendering:
                return await self._in_thread(render, lambda: True, None if urgent else idle)

            self._rehearsal = Rehearsal(self._actor.config, self._engine, self._repertoire, self._turns, make)
            await self._rehearsal.begin()
            self._bus.spawn(self._rehearsal.go_on(), "rehearsal")

    async def speak(self, sender: str, message: Speak) -> Done:
        asked_ns = time.monotonic_ns()
        mouth = self._mouths.get(message.call_id) or await self._open(message)
        mouth.waiting.put_nowait((sender, message, asked_ns))
        return Done()

    async def _open(self, message: Speak) -> CallMouth:
        rings, bell = await open_call.attach(self._actor.run_dir, message.call_id, message.segment, "mouth_space")
        if message.call_id in self._mouths:  # opened meanwhile, for another clause of the same call
            bell.close()
            rings.close()
            return self._mouths[message.call_id]
        mouth = self._mouths[message.call_id] = CallMouth(rings, bell)
        asyncio.get_running_loop().add_reader(mouth.bell.fileno(), self._rung, message.call_id)
        mouth.task = self._bus.spawn(self._speak_all(mouth), f"mouth of {message.call_id}")
        self._actor.set_calls(len(self._mouths))
        return mouth

    def _rung(self, call_id: str) -> None:
        mouth = self._mouths[call_id]
        mouth.bell.clear()
        mouth.space.set()
        if mouth.rings.closed:
            mouth.bell.ring()  # for others who sleep on it: nobody will ring it again
            self._drop(call_id)

    async def _speak_all(self, mouth: CallMouth) -> None:
        while True:
            sender, message, asked_ns = await mouth.waiting.get()
            clause = Clause(message, mouth.writer, mouth.rings.payload)
            if clause.wanted:
                await self._speak_one(sender, clause, mouth, asked_ns)

    async def _speak_one(self, sender: str, clause: Clause, mouth: CallMouth, asked_ns: int) -> None:
        message = clause.message
        begun = False

        def write() -> bool:
            nonlocal begun
            all_written = clause.write()
            if clause.samples and not begun:
                begun = True
                self._bus.tell(
                    sender,
                    Speaking(
                        call_id=message.call_id,
                        generation=message.generation,
                        clause=message.clause,
                        written_ns=time.monotonic_ns(),
                    ),
                )
            return all_written

        def put(pcm: bytes) -> bool:
            if mouth.closed or not clause.wanted:
                return False
            clause.add(pcm)
            write()
            return clause.wanted

        words = await self._render(clause, mouth, asked_ns, put)
        clause.end()
        if clause.wanted and not write():
            self._bus.tell(sender, clause.layout(Placed, words))
        while clause.wanted and not write():
            mouth.space.clear()
            await mouth.space.wait()
        if clause.wanted:
            self._bus.tell(sender, clause.layout(Spoken, words))

    async def _render(self, clause: Clause, mouth: CallMouth, asked_ns: int, put: Put) -> tuple[Word, ...]:
        """Gives the clause's samples to `put`, as they are made or all at once from memory; its words, at that rate."""
        message, rate = clause.message, mouth.rings.rate
        voice = Voice(message.voice, message.words_per_minute, message.pitch)
        key = (message.text, voice, rate)
        known = self._repertoire.find(key)
        if known is not None:
            put(known.pcm)
            return known.words
        if self._threads is None:
            render = Render(self._engine, message.text, voice, rate, put)
            made = render.run()
        else:
            loop = asyncio.get_running_loop()

            def put_soon(pcm: bytes) -> bool:
                loop.call_soon_threadsafe(put, pcm)
                return True  # that it is wanted no more is seen by who watches it

            dry_ns = mouth.dry_ns(message.generation, asked_ns)
            turn = Turn(dry_ns, heard=dry_ns > asked_ns)
            render = Render(self._engine, message.text, voice, rate, put_soon, turn)
            made = await self._before_rehearsal(render, clause)
        if render.complete:
            self._repertoire.remember(key, made)
        return made.words

    async def _before_rehearsal(self, render: Render, clause: Clause) -> Rendering:
        self._making += 1
        if self._rehearsal:
            self._rehearsal.give_way()
        try:
            return await self._in_thread(render, lambda: clause.wanted)
        finally:
            self._making -= 1
            if self._rehearsal and not self._making:
                self._rehearsal.resume()

    async def _in_thread(
        self, render: Render, wanted: Callable[[], bool], threads: ThreadPoolExecutor | None = None
    ) -> Rendering:
        """Runs it in a thread of its own, and stops it when it is wanted no more."""
        work = asyncio.get_running_loop().run_in_executor(threads or self._threads, render.run, self._turns)
        try:
            while not (await asyncio.wait((work,), timeout=FLUSH_SEEN_S))[0]:
                if render.hangs(HANGS_AFTER_S):
                    raise RuntimeError(f"the engine {self._engine.name} has given nothing for {HANGS_AFTER_S:g} s")
                if not wanted():
                    render.stop(self._turns)
            return await work
        finally:
            if not work.done():
                render.stop(self._turns)

    async def release(self, sender: str, message: Release) -> Done:
        self._drop(message.call_id)
        return Done()

    def _drop(self, call_id: str) -> None:
        mouth = self._mouths.pop(call_id, None)
        if mouth is not None:
            asyncio.get_running_loop().remove_reader(mouth.bell.fileno())
            mouth.close()
            self._actor.set_calls(len(self._mouths))
