"""The TTS actor's work with a synthesiser that computes long: in threads, whose every stretch the test allows."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from actors.clauses import split
from actors.pcm import resample
from actors.tts import rehearsal
from actors.tts import talking as talking_module
from actors.tts.engine import Sink, UnusableVoice, Voice, Word
from actors.tts.rendering import Render
from actors.tts.talking import Talking
from actors.tts.turns import Turn
from config.agent import Agent
from ipc.messages import Release, Speaking, Spoken
from tests.actors.service import OpenCall, Service
from tests.actors.tts.test_talking import CHARACTER, speak, voiced, words_of

PATIENCE_S = 20.0


class Slow:
    """Speaks a word a stretch. With a `gate`, each stretch waits until it is opened once more."""

    name = "slow"
    sample_rate = 8000
    at_once = 1

    def __init__(self) -> None:
        self.gate: threading.Semaphore | None = None
        self.stretches: list[str] = []
        """Words, in the order in which they were made."""
        self._sinks: set[Sink] = set()
        self.stopped = threading.Event()
        self.asked = threading.Event()
        """A stretch is being made."""

    def synthesize(self, text: str, voice: Voice, sink: Sink) -> tuple[Word, ...]:
        if voice.name:
            raise UnusableVoice(f"there is no voice {voice.name}")
        self._sinks.add(sink)
        pcm = voiced(text)
        at = 0
        for word in text.split(" "):
            if not sink.rest() or sink not in self._sinks:  # type: ignore[attr-defined]
                break
            self.asked.set()
            if self.gate and not self.gate.acquire(timeout=PATIENCE_S):
                raise AssertionError("the test opens the gate no more")
            if sink not in self._sinks:
                break
            self.stretches.append(word)
            end = min(at + (len(word) + 1) * CHARACTER, len(pcm))
            if not sink(pcm[at:end]):
                break
            at = end
        self._sinks.discard(sink)
        return tuple(Word(word.start, word.length, word.sample) for word in words_of(text) if word.sample < at)

    def stop(self, sink: Sink) -> None:
        if sink in self._sinks:
            self._sinks.discard(sink)
            self.stopped.set()
            if self.gate:
                self.gate.release()


Scene = Callable[[Service, Slow, OpenCall, Talking], Awaitable[None]]


def run(tmp_path: Path, scene: Scene, agents: dict[str, Agent] | None = None) -> None:
    async def play() -> None:
        async with Service(tmp_path, "tts.1", agents=agents) as service:
            engine = Slow()
            talking = Talking(service.actor, engine)
            await scene(service, engine, service.open_call("c1"), talking)

    asyncio.run(play())


async def come(happened: threading.Event, what: str) -> None:
    assert await asyncio.to_thread(happened.wait, PATIENCE_S), what
    happened.clear()


def test_a_clause_is_in_the_mouth_to_the_sample_with_its_words(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Slow, call: OpenCall, talking: Talking) -> None:
        text = "Good morning to you."
        await service.ask(speak(call, text))
        spoken = await service.note(Spoken)
        assert call.play() == voiced(text).tobytes()
        assert spoken.words == words_of(text)

    run(tmp_path, scene)


def test_what_is_made_is_in_the_mouth_while_the_rest_is_computed_and_the_loop_goes_on(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Slow, call: OpenCall, talking: Talking) -> None:
        engine.gate = threading.Semaphore(1)
        await service.ask(speak(call, "One moment please."))
        await service.note(Speaking)
        assert engine.stretches == ["One"]
        assert len(call.play()) > 0, "the first word is heard"
        engine.gate.release(2)
        await service.note(Spoken)

    run(tmp_path, scene)


def test_a_flush_stops_the_computing_though_no_bell_rings(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Slow, call: OpenCall, talking: Talking) -> None:
        engine.gate = threading.Semaphore(0)
        await service.ask(speak(call, "Nobody wants to hear this."))
        await come(engine.asked, "the clause is being made")
        fresh = call.gauge.flush()
        await come(engine.stopped, "the engine was told to stop")
        engine.gate = None
        await service.ask(speak(call, "Yes?", generation=fresh))
        assert (await service.note(Spoken)).generation == fresh
        assert engine.stretches == ["Yes?"]
        assert call.play() == voiced("Yes?").tobytes()

    run(tmp_path, scene)


def test_a_clause_that_was_stopped_is_not_remembered(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Slow, call: OpenCall, talking: Talking) -> None:
        engine.gate = threading.Semaphore(1)
        await service.ask(speak(call, "Good morning."))
        await service.note(Speaking)
        call.gauge.flush()
        await come(engine.stopped, "the engine was told to stop")
        engine.gate = None
        await service.ask(speak(call, "Good morning.", generation=1))
        await service.note(Spoken)
        assert call.play() == voiced("Good morning.").tobytes()

    run(tmp_path, scene)


def test_a_call_that_hears_nothing_yet_goes_before_one_with_audio_in_its_mouth(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Slow, call: OpenCall, talking: Talking) -> None:
        engine.gate = threading.Semaphore(2)
        await service.ask(speak(call, "aaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbb cc dd ee"))
        while len(engine.stretches) < 2:
            await come(engine.asked, "it is being made")
        other = service.open_call("c2")
        await service.ask(speak(other, "New words."))
        while not talking._turns._waiting:
            await asyncio.sleep(0)  # until its thread waits for its turn
        engine.gate.release(10)
        ends = [(await service.note(Spoken)).call_id for _ in range(2)]
        assert ends == ["c2", "c1"]
        assert engine.stretches[3:5] == ["New", "words."], "what was being computed came to its end first"

    run(tmp_path, scene)


def test_a_call_that_ends_stops_what_is_made_for_it(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Slow, call: OpenCall, talking: Talking) -> None:
        engine.gate = threading.Semaphore(0)
        await service.ask(speak(call, "Nobody is there any more."))
        await come(engine.asked, "the clause is being made")
        await service.ask(Release(call_id="c1"))
        await come(engine.stopped, "the engine was told to stop")
        other = service.open_call("c2")
        engine.gate = None
        await service.ask(speak(other, "Hello."))
        assert (await service.note(Spoken)).call_id == "c2"

    run(tmp_path, scene)


def test_an_engine_that_hangs_ends_the_actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talking_module, "HANGS_AFTER_S", 0.1)

    async def scene(service: Service, engine: Slow, call: OpenCall, talking: Talking) -> None:
        engine.gate = threading.Semaphore(0)
        render = Render(engine, "Nothing comes of this.", Voice(), 8000, lambda pcm: True, Turn(0))
        with pytest.raises(RuntimeError, match=r"the engine slow has given nothing for 0\.1 s"):
            await talking._in_thread(render, lambda: True)

    run(tmp_path, scene)


# -- what is rehearsed


ANNA = Agent(
    name="anna",
    greeting="Hello there. How can I help you today, caller?",
    filler="One moment, please.",
    goodbye="Goodbye, {caller_name}.",
)


def test_what_agents_often_say_is_ready_before_anybody_asks_clause_by_clause_at_both_rates(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Slow, call: OpenCall, talking: Talking) -> None:
        await talking.rehearse()
        made = len(engine.stretches)
        wide = service.open_call("c2", 16000)
        clauses = [*split(ANNA.greeting), *split(ANNA.filler)]
        for caller in (call, wide):
            for clause in clauses:
                await service.ask(speak(caller, clause))
                assert (await service.note(Spoken)).words
        assert len(engine.stretches) == made, "nothing had to be computed again"
        assert call.play() == b"".join(voiced(clause).tobytes() for clause in clauses)
        assert wide.play() == b"".join(resample(voiced(clause), 8000, 16000).tobytes() for clause in clauses)

    run(tmp_path, scene, {"anna": ANNA})


def test_what_holds_a_placeholder_is_not_rehearsed(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Slow, call: OpenCall, talking: Talking) -> None:
        await talking.rehearse()
        assert "Hello" in engine.stretches
        assert not [word for word in engine.stretches if "{" in word or "Goodbye" in word]

    run(tmp_path, scene, {"anna": ANNA})


def test_a_call_goes_before_the_rest_of_the_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "BEFORE_READY_S", 0.0)

    async def scene(service: Service, engine: Slow, call: OpenCall, talking: Talking) -> None:
        engine.gate = threading.Semaphore(0)
        await talking.rehearse()
        await come(engine.asked, "the first clause of the rehearsal is being made, and the actor is ready")
        await service.ask(speak(call, "Are you there?"))
        await come(engine.stopped, "the rehearsal was told to stop")
        engine.gate.release(1000)
        await service.note(Spoken)
        assert engine.stretches[:3] == ["Are", "you", "there?"]
        while len(engine.stretches) < 5:
            await come(engine.asked, "the rehearsal goes on")
        assert engine.stretches[3:5] == ["Hello", "there."], "with what was given up"
        assert call.play() == voiced("Are you there?").tobytes()

    run(tmp_path, scene, {"anna": ANNA})
