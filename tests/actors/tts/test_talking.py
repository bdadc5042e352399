"""The TTS actor's work, with a synthesiser whose every sample is known: `call.play()` is what the caller hears."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.pcm import resample
from actors.tts.clause import Clause
from actors.tts.engine import Pcm, Sink, UnusableVoice, Voice, Word
from actors.tts.rendering import LONGEST_REMEMBERED, REMEMBERED
from actors.tts.talking import Talking
from ipc.bus import Refused
from ipc.messages import Done, Placed, Release, Speak, Speaking, Spoken, WordAt
from ipc.mouth import MouthWriter
from ipc.rings import MOUTH_SLOTS
from tests.actors.service import OpenCall, Service, open_files

CHARACTER = 400
"""Samples, at the engine's rate: 50 ms at 8 kHz."""


def voiced(text: str) -> Pcm:
    """How the engine speaks a text: no two texts sound alike."""
    drawn = np.random.default_rng(zlib.crc32(text.encode())).integers(1, 30_000, len(text) * CHARACTER)
    return drawn.astype(np.int16)


def words_of(text: str, scale: float = 1.0, first: int = 0) -> tuple[WordAt, ...]:
    starts = [at for at in range(len(text)) if text[at] != " " and (at == 0 or text[at - 1] == " ")]
    lengths = [len(text[at:].split()[0]) for at in starts]
    return tuple(
        WordAt(at, length, first + round(at * CHARACTER * scale)) for at, length in zip(starts, lengths, strict=True)
    )


class Voices:
    """An engine that knows its default voice and "anna". `after_chunk` is called after each chunk of the clause."""

    name = "voices"

    def __init__(self, sample_rate: int = 8000, chunk: int = 300) -> None:
        self.sample_rate = sample_rate
        self.chunk = chunk
        self.said: list[str] = []
        self.chunks = 0
        self.after_chunk: Callable[[], object] = lambda: None

    def synthesize(self, text: str, voice: Voice, sink: Sink) -> tuple[Word, ...]:
        if voice.name not in ("", "anna"):
            raise UnusableVoice(f"there is no voice {voice.name}; there is anna")
        self.said.append(text)
        pcm = voiced(text)
        for at in range(0, len(pcm), self.chunk):
            self.chunks += 1
            if not sink(pcm[at : at + self.chunk]):
                break
            self.after_chunk()
        return tuple(Word(word.start, word.length, word.sample) for word in words_of(text))


Scene = Callable[[Service, Voices, OpenCall], Awaitable[None]]


def run(tmp_path: Path, scene: Scene, *, sample_rate: int = 8000, chunk: int = 300, rate: int = 8000) -> None:
    async def play() -> None:
        async with Service(tmp_path, "tts.1") as service:
            engine = Voices(sample_rate, chunk)
            Talking(service.actor, engine)
            await scene(service, engine, service.open_call("c1", rate))

    asyncio.run(play())


def speak(call: OpenCall, text: str, clause: int = 0, generation: int = 0, voice: str = "") -> Speak:
    return Speak(
        call_id=call.id,
        segment=call.segment,
        generation=generation,
        clause=clause,
        text=text,
        voice=voice,
        words_per_minute=165,
        pitch=50,
    )


async def heard(service: Service, call: OpenCall, *clauses: str, generation: int = 0) -> bytes:
    """Has these clauses spoken, and plays them while they are written."""
    before = len(await service.all_notes(Spoken))
    for number, text in enumerate(clauses):
        await service.ask(speak(call, text, number, generation))
    played = b""
    while len(await service.all_notes(Spoken)) < before + len(clauses):
        played += call.play()
    return played + call.play()


def test_a_clause_is_in_the_mouth_to_the_sample(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        assert await heard(service, call, "Good morning.") == voiced("Good morning.").tobytes()

    run(tmp_path, scene)


def test_it_is_told_when_a_clause_begins_and_when_all_of_it_is_in_the_mouth(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        await service.ask(speak(call, "Good morning.", clause=3))
        spoken = await service.note(Spoken)
        begun, ended = service.came
        assert isinstance(begun, Speaking) and (begun.generation, begun.clause) == (0, 3)
        assert (
            ended
            == spoken
            == Spoken(
                call_id="c1",
                generation=0,
                clause=3,
                first_sample=0,
                samples=13 * CHARACTER,
                words=words_of("Good morning."),
            )
        )

    run(tmp_path, scene)


def test_the_beginning_is_told_before_the_clause_has_been_made(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        chunks_made: list[int] = []
        tell = service.actor.bus.tell
        service.actor.bus.tell = lambda peer, note: (chunks_made.append(engine.chunks), tell(peer, note))  # type: ignore[method-assign, assignment, func-returns-value]
        await service.ask(speak(call, "One moment please."))
        await service.note(Spoken)
        assert chunks_made == [1, engine.chunks]

    run(tmp_path, scene)


def test_clauses_are_spoken_in_the_order_in_which_they_came_each_after_the_other(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        texts = ["Good morning.", "This is the desk.", "How can I help you?"]
        assert await heard(service, call, *texts) == b"".join(voiced(text).tobytes() for text in texts)
        spoken = await service.all_notes(Spoken)
        first = 0
        for text, note in zip(texts, spoken, strict=True):
            assert (note.first_sample, note.samples) == (first, len(text) * CHARACTER)
            assert note.words == words_of(text, first=first)
            first += note.samples

    run(tmp_path, scene)


@pytest.mark.parametrize(("engine_rate", "rate"), [(22050, 8000), (16000, 8000), (22050, 16000), (8000, 16000)])
@pytest.mark.parametrize("chunk", [1, 77, 441, 100_000])
def test_samples_and_words_are_converted_to_the_calls_rate(
    tmp_path: Path, engine_rate: int, rate: int, chunk: int
) -> None:
    text = "Yes we do" if chunk > 1 else "Yes"

    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        converted = resample(voiced(text), engine_rate, rate)
        assert await heard(service, call, text) == converted.tobytes()
        (spoken,) = await service.all_notes(Spoken)
        assert spoken.samples == len(converted)
        assert spoken.words == words_of(text, rate / engine_rate)

    run(tmp_path, scene, sample_rate=engine_rate, chunk=chunk, rate=rate)


def test_the_end_of_a_clause_is_marked_so_that_an_empty_mouth_after_it_is_no_underrun(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        for text in ("a", "ab", "abcdefgh"):  # 400 samples end in the middle of a slot, 3200 with one
            await service.ask(speak(call, text))
            await service.note(Spoken)
            call.play()
            assert not call.mouth.mid_clause

    run(tmp_path, scene)


def test_a_clause_shorter_than_one_frame_is_told_of_too(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        await service.ask(speak(call, "a"))
        await service.note(Speaking)
        assert (await service.note(Spoken)).samples == 100

    run(tmp_path, scene, sample_rate=32000)


def test_a_clause_without_any_sound_is_told_to_be_over(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        await service.ask(speak(call, ""))
        spoken = await service.note(Spoken)
        assert (spoken.samples, spoken.words) == (0, ())
        assert await heard(service, call, "And on.") == voiced("And on.").tobytes()

    run(tmp_path, scene)


# -- the caller interrupts


def test_a_clause_that_was_flushed_before_its_turn_is_given_up_without_a_word(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        fresh = call.gauge.flush()
        await service.ask(speak(call, "Old news.", generation=fresh - 1))
        await service.ask(speak(call, "News.", generation=fresh))
        await service.note(Spoken)
        assert engine.said == ["News."]
        assert call.play() == voiced("News.").tobytes()
        assert [note.generation for note in await service.all_notes(Spoken)] == [fresh]

    run(tmp_path, scene)


@pytest.mark.parametrize("chunks", [1, 2, 9])
def test_a_flush_cancels_the_clause_at_once_and_nothing_of_it_is_written_afterwards(
    tmp_path: Path, chunks: int
) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        written: list[int] = []

        def flush() -> None:
            if engine.chunks == chunks:
                call.gauge.flush()
                written.append(slots_written(call))

        engine.after_chunk = flush
        await service.ask(speak(call, "We are open Monday to Friday."))
        await service.ask(speak(call, "Yes?", generation=1))
        await service.note(Spoken)
        assert engine.chunks == chunks + 1 + -(-len("Yes?") * CHARACTER // engine.chunk), "the engine was told to stop"
        assert [note.generation for note in await service.all_notes(Spoken)] == [1]
        assert slots_written(call) - written[0] == len("Yes?") * CHARACTER // 160
        assert call.play() == voiced("Yes?").tobytes()

    run(tmp_path, scene)


def slots_written(call: OpenCall) -> int:
    """Slots that were written since the call began."""
    return MouthWriter(call.rings).written


def test_a_clause_that_was_cut_short_is_not_remembered(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        engine.after_chunk = lambda: engine.chunks == 2 and call.gauge.flush()
        await service.ask(speak(call, "Good morning."))
        await service.ask(speak(call, "Good morning.", generation=1))
        await service.note(Spoken)
        assert call.play() == voiced("Good morning.").tobytes()

    run(tmp_path, scene)


# -- the mouth is full


LONG = "x" * (MOUTH_SLOTS * 160 // CHARACTER + 20)
"""A second more than the mouth holds."""


def test_a_full_mouth_waits_for_the_pacer_and_nothing_is_lost(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        await service.ask(speak(call, LONG))
        await service.note(Speaking)
        placed = await service.note(Placed)
        assert (placed.samples, placed.words) == (len(LONG) * CHARACTER, words_of(LONG)), "known before it is all heard"
        assert await service.all_notes(Spoken) == []
        played = b""
        while not await service.all_notes(Spoken):
            played += call.play(1)
        played += call.play()
        assert played == voiced(LONG).tobytes()

    run(tmp_path, scene)


def test_an_interruption_frees_who_waits_for_a_full_mouth(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        await service.ask(speak(call, LONG))
        await service.note(Speaking)
        fresh = call.gauge.flush()
        await service.ask(speak(call, "I am listening.", generation=fresh))
        assert call.play(1) == b"", "the pacer finds nothing to play, and throws the old away"
        spoken = await service.note(Spoken)
        assert (spoken.generation, spoken.first_sample) == (fresh, 0)
        assert call.play() == voiced("I am listening.").tobytes()

    run(tmp_path, scene)


def test_the_beginning_of_a_clause_that_had_to_wait_for_room_is_told_when_it_begins(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        full = "x" * (MOUTH_SLOTS * 160 // CHARACTER)
        await service.ask(speak(call, full, clause=0))
        await service.note(Spoken)
        await service.ask(speak(call, "More.", clause=1))
        assert [note.clause for note in await service.all_notes(Speaking)] == [0]
        call.play(1)
        await service.note(Speaking)
        assert (await service.note(Speaking)).clause == 1

    run(tmp_path, scene)


def test_a_call_that_waits_for_room_is_in_no_other_calls_way(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        await service.ask(speak(call, LONG))
        await service.note(Speaking)
        other = service.open_call("c2")
        await service.ask(speak(other, "Good morning."))
        assert (await service.note(Spoken)).call_id == "c2"
        assert other.play() == voiced("Good morning.").tobytes()
        assert service.calls_shown == 2

    run(tmp_path, scene)


# -- what is said often


def test_what_was_said_before_is_said_again_from_memory_to_the_sample(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        first = await heard(service, call, "One moment please.")
        again = await heard(service, call, "One moment please.")
        assert again == first and engine.said == ["One moment please."]
        one, two = await service.all_notes(Spoken)
        assert two.samples == one.samples and two.first_sample == one.samples
        assert [word.sample - two.first_sample for word in two.words] == [word.sample for word in one.words]

    run(tmp_path, scene, sample_rate=22050)


def test_another_voice_and_another_rate_are_remembered_apart(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        wide = service.open_call("c2", 16000)
        for command in (speak(call, "Hello."), speak(call, "Hello.", voice="anna"), speak(wide, "Hello.")):
            await service.ask(command)
            await service.note(Spoken)
        assert engine.said == ["Hello."] * 3
        assert wide.play() == resample(voiced("Hello."), 8000, 16000).tobytes()

    run(tmp_path, scene)


def test_long_clauses_are_hardly_ever_said_twice_and_not_remembered(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        text = "y" * (LONGEST_REMEMBERED + 1)
        assert await heard(service, call, text, text) == voiced(text).tobytes() * 2
        assert engine.said == [text, text]

    run(tmp_path, scene, chunk=8000)


def test_memory_is_bounded_and_what_was_said_last_stays_longest(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        async def say(text: str) -> None:
            await service.ask(speak(call, text))
            await service.note(Spoken)
            call.play()

        for number in range(REMEMBERED):
            await say(f"{number}")
        await say("0")
        await say("new")
        engine.said.clear()
        await say("0")
        await say("1")
        assert engine.said == ["1"], "the one that had not been said for longest was forgotten"

    run(tmp_path, scene)


def test_a_voice_that_there_is_not_is_no_reason_to_be_dumb(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        await service.ask(speak(call, "Hello.", voice="bert"))
        await service.note(Spoken)
        assert call.play() == voiced("Hello.").tobytes()

    run(tmp_path, scene)
    assert "there is no voice bert; there is anna" in caplog.text


# -- calls come and go


def test_a_call_that_is_not_open_is_refused(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        before = 0
        hello = speak(call, "Hello.")
        for attempt in range(5):
            with pytest.raises(Refused, match="call c9 is not open: there is no open call c9"):
                await service.ask(replace(hello, call_id="c9"))
            with pytest.raises(Refused, match="call c1 is not open"):
                await service.ask(replace(hello, segment="ringmaster-test-nowhere"))
            before = before if attempt else open_files()
        assert open_files() <= before + 1, "the store may not have closed the last one yet"
        await service.no_supervisor()
        with pytest.raises(Refused, match="no supervisor"):
            await service.ask(hello)

    run(tmp_path, scene)


def test_a_released_call_gets_nothing_more_and_may_come_back(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        await service.ask(speak(call, LONG))
        await service.note(Speaking)
        assert await service.ask(Release(call_id="c1")) == Done()
        assert service.calls_shown == 0
        call.play()
        call.gauge.flush()
        await service.ask(speak(call, "Hello again.", generation=1))
        assert (await service.note(Spoken)).generation == 1
        assert call.play() == voiced("Hello again.").tobytes()

    run(tmp_path, scene)


def test_releasing_a_call_that_nobody_knows_is_no_error(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        assert await service.ask(Release(call_id="c9")) == Done()

    run(tmp_path, scene)


@pytest.mark.parametrize("text", ["Hello.", LONG])
def test_a_call_that_the_supervisor_has_ended_is_released_by_itself(tmp_path: Path, text: str) -> None:
    async def scene(service: Service, engine: Voices, call: OpenCall) -> None:
        await service.ask(speak(call, text))
        await service.note(Speaking)
        before = open_files()
        call.end()
        while service.calls_shown:
            await service.all_notes(Spoken)
        assert open_files() <= before - 2, "its bell and its rings"

    run(tmp_path, scene)


# -- a clause by itself


class Paper:
    """Stands where the mouth is: holds `room` slots."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.slots: list[tuple[bytes, bool]] = []
        self.audible = 0

    def offset(self, generation: int) -> int:
        return 0

    def write(self, pcm: bytes, generation: int, now_ns: int, *, end: bool = False) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self.slots.append((pcm, end))
        return True


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 500), max_size=20), st.lists(st.integers(0, 4), max_size=30))
def test_however_samples_and_room_come_slots_are_full_but_for_the_last_which_is_marked(
    pieces: list[int], rooms: list[int]
) -> None:
    paper = Paper(0)
    message = Speak(call_id="", segment="", generation=0, clause=0, text="", voice="", words_per_minute=1, pitch=0)
    clause = Clause(message, paper, 320)  # type: ignore[arg-type]
    whole = np.arange(sum(pieces), dtype="<i2").tobytes()
    at = 0
    for number, samples in enumerate(pieces):
        paper.room = rooms[number] if number < len(rooms) else 0
        clause.add(whole[at : at + samples * 2])
        clause.write()
        at += samples * 2
    clause.end()
    paper.room = 1000
    assert clause.write()
    assert b"".join(pcm for pcm, _ in paper.slots) == whole and clause.samples == sum(pieces)
    assert all(len(pcm) == 320 and not end for pcm, end in paper.slots[:-1])
    assert not paper.slots or (0 < len(paper.slots[-1][0]) <= 320 and paper.slots[-1][1])
