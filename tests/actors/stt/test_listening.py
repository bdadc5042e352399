"""The STT actor's work, with a recogniser that understands the numbers that frames are made of."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from actors.pcm import Pcm, resample
from actors.stt import listening
from actors.stt.engine import Hearing, Hints, SttStream, UnusableHints
from actors.stt.listening import BATCH_FRAMES, Listening
from config.agent import Agent
from ipc.bus import Refused
from ipc.messages import Attend, Done, Finish, Hear, Heard, Partial, Release
from ipc.rings import EAR_SLOTS
from tests.actors.service import AGENT, OpenCall, Service, open_files


class NumberStream:
    """Hears frames of one number each, as text: "1 2 3"."""

    def __init__(self, engine: "Numbers", hints: Hints) -> None:
        self.engine = engine
        self.hints = hints
        self.samples: list[Pcm] = []
        self.closed = asyncio.Event()

    @property
    def pcm(self) -> Pcm:
        return np.concatenate([np.zeros(0, dtype=np.int16), *self.samples])

    @property
    def _text(self) -> str:
        pcm = self.pcm
        changes = np.flatnonzero(np.diff(pcm, prepend=0))
        return " ".join(str(pcm[at]) for at in changes)

    def feed(self, pcm: Pcm) -> str:
        assert not self.closed.is_set()
        self.samples.append(pcm)
        self.engine.fed.set()
        self.engine.when_fed()
        return self._text

    def finish(self) -> Hearing:
        assert not self.closed.is_set()
        hearing = Hearing(self._text, 0.5)
        self.engine.finished.append(self.pcm)
        self.samples = []
        return hearing

    def close(self) -> None:
        self.closed.set()


class Numbers:
    """An engine that refuses grammars with "bad" in them."""

    name = "numbers"

    def __init__(self, sample_rate: int = 8000) -> None:
        self.sample_rate = sample_rate
        self.streams: list[NumberStream] = []
        self.finished: list[Pcm] = []
        self.opened = asyncio.Event()
        self.fed = asyncio.Event()
        self.work: Listening
        self.when_fed: Callable[[], object] = lambda: None

    def open(self, hints: Hints) -> SttStream:
        if "bad" in hints.grammar:
            raise UnusableHints('line 1: "bad" is in no dictionary')
        self.streams.append(NumberStream(self, hints))
        self.opened.set()
        return self.streams[-1]


def attend(call: OpenCall, grammar: str = "") -> Attend:
    return Attend(call_id=call.id, segment=call.segment, language="en-us", grammar=grammar)


def said(*numbers: int) -> list[bytes]:
    return [struct.pack("<h", number) * 160 for number in numbers]


Scene = Callable[[Service, Numbers, OpenCall], Awaitable[None]]


def run(
    tmp_path: Path,
    scene: Scene,
    *,
    sample_rate: int = 8000,
    attended: bool = True,
    agents: dict[str, Agent] | None = None,
) -> None:
    """Plays the scene with one open call, which is attended to already."""

    async def play() -> None:
        async with Service(tmp_path, "stt.1", agents={} if agents is None else agents) as service:
            engine = Numbers(sample_rate)
            call = service.open_call("c1")
            engine.work = Listening(service.actor, engine)
            if attended:
                await service.ask(attend(call))
            await scene(service, engine, call)

    asyncio.run(play())


def test_an_utterance_is_heard_from_its_first_frame_which_lies_in_the_past(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        call.hear(*said(*range(1, 11)))
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=3))
        heard = await service.expect(Finish(call_id="c1", utterance=1, to_frame=10), Heard)
        assert (heard.text, heard.confidence, heard.frames, heard.lost) == ("4 5 6 7 8 9 10", 0.5, 7, 0)

    run(tmp_path, scene)


def test_between_utterances_nothing_is_computed(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        call.hear(*said(*range(1, 11)))
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=8))
        await service.expect(Finish(call_id="c1", utterance=1, to_frame=10), Heard)
        call.hear(*said(11, 12, 13))
        await service.all_notes(Partial)
        assert engine.streams[0].samples == []

    run(tmp_path, scene)


def test_the_guess_is_told_as_it_grows_with_the_frame_it_goes_up_to(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        await service.ask(Hear(call_id="c1", utterance=7, from_frame=0))
        for number in (1, 2, 3):
            call.hear(*said(number))
            text = " ".join(str(known) for known in range(1, number + 1))
            assert await service.note(Partial) == Partial(call_id="c1", utterance=7, text=text, to_frame=number)

    run(tmp_path, scene)


def test_a_guess_that_has_not_changed_is_not_repeated(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        for frame in said(5, 5, 5, 5, 6):
            engine.fed.clear()
            call.hear(frame)
            await service.until(engine.fed, "the recogniser is fed")
        assert [partial.text for partial in await service.all_notes(Partial)] == ["5", "5 6"]

    run(tmp_path, scene)


def test_the_final_text_is_that_of_all_frames_up_to_the_last_one(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        last = 3 * BATCH_FRAMES + 7
        call.hear(*said(*range(1, last + 1)))
        asked = service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        finished = service.expect(Finish(call_id="c1", utterance=1, to_frame=last), Heard)
        _, heard = await asyncio.gather(asked, finished)
        assert heard.frames == last and heard.text.endswith(f" {last - 1} {last}")

    run(tmp_path, scene)


def test_frames_that_never_came_are_not_waited_for(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        call.hear(*said(1, 2))
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        heard = await service.expect(Finish(call_id="c1", utterance=1, to_frame=500), Heard)
        assert (heard.text, heard.frames) == ("1 2", 2)

    run(tmp_path, scene)


def test_frames_that_the_ear_holds_no_more_are_counted(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        call.hear(*said(*range(1, EAR_SLOTS + 101)))
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        heard = await service.expect(Finish(call_id="c1", utterance=1, to_frame=EAR_SLOTS + 100), Heard)
        assert heard.lost == 101 and heard.frames == EAR_SLOTS - 1

    run(tmp_path, scene)


def test_one_utterance_after_another_is_understood_by_itself(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        call.hear(*said(*range(1, 21)))
        for utterance, start, end in ((1, 0, 20), (2, 15, 20)):
            await service.ask(Hear(call_id="c1", utterance=utterance, from_frame=start))
            heard = await service.expect(Finish(call_id="c1", utterance=utterance, to_frame=end), Heard)
            assert heard.text == " ".join(str(number) for number in range(start + 1, end + 1))

    run(tmp_path, scene)


def test_an_utterance_that_begins_anew_takes_nothing_over_from_the_one_before(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        call.hear(*said(1, 2, 3))
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        await service.note(Partial)
        await service.ask(Hear(call_id="c1", utterance=2, from_frame=1))
        heard = await service.expect(Finish(call_id="c1", utterance=2, to_frame=3), Heard)
        assert heard.text == "2 3"

    run(tmp_path, scene)


def test_an_utterance_that_nobody_began_is_refused_by_number(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        with pytest.raises(Refused, match="utterance 3 of call c1 is not being heard here"):
            await service.ask(Finish(call_id="c1", utterance=3, to_frame=1))
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        with pytest.raises(Refused, match="utterance 3"):
            await service.ask(Finish(call_id="c1", utterance=3, to_frame=1))

    run(tmp_path, scene)


def test_samples_are_converted_to_the_engines_rate_and_none_is_held_back(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        speech = np.random.default_rng(1).integers(-9000, 9000, 160 * 40).astype("<i2")
        call.hear(*(speech[at : at + 160].tobytes() for at in range(0, len(speech), 160)))
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        await service.expect(Finish(call_id="c1", utterance=1, to_frame=40), Heard)
        assert np.array_equal(engine.finished[-1], resample(speech, 8000, 16000))

    run(tmp_path, scene, sample_rate=16000)


def test_two_calls_are_heard_at_the_same_time_and_told_apart(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        other = service.open_call("c2")
        await service.ask(attend(other))
        for each in (call, other):
            await service.ask(Hear(call_id=each.id, utterance=1, from_frame=0))
        for number in range(1, 6):
            call.hear(*said(number))
            other.hear(*said(100 + number))
        texts = [
            (await service.expect(Finish(call_id=each.id, utterance=1, to_frame=5), Heard)).text
            for each in (call, other)
        ]
        assert texts == ["1 2 3 4 5", "101 102 103 104 105"]
        assert service.calls_shown == 2

    run(tmp_path, scene)


# -- the end of a call


def test_a_released_call_is_heard_no_more_and_its_recogniser_is_freed(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        assert await service.ask(Release(call_id="c1")) == Done()
        assert engine.streams[0].closed.is_set() and service.calls_shown == 0
        with pytest.raises(Refused, match=r"call c1 is not attended by stt\.1"):
            await service.ask(Hear(call_id="c1", utterance=2, from_frame=0))
        with pytest.raises(Refused, match=r"call c1 is not attended by stt\.1"):
            await service.ask(Finish(call_id="c1", utterance=1, to_frame=0))

    run(tmp_path, scene)


def test_releasing_a_call_that_nobody_knows_is_no_error(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        assert await service.ask(Release(call_id="c9")) == Done()

    run(tmp_path, scene)


def test_a_call_that_the_supervisor_has_ended_is_released_by_itself(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        call.end()
        await service.until(engine.streams[0].closed, "the recogniser of a closed call is freed")
        assert service.calls_shown == 0

    run(tmp_path, scene)


def test_a_call_that_ends_while_its_last_utterance_is_heard_again_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        call.hear(*said(*range(1, 4 * BATCH_FRAMES)))
        releases: list[asyncio.Task[Done]] = []
        release = Release(call_id="c1")
        engine.when_fed = lambda: releases.append(asyncio.ensure_future(engine.work.release("", release)))
        began = service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        finished = service.ask(Finish(call_id="c1", utterance=1, to_frame=4 * BATCH_FRAMES))
        _, outcome = await asyncio.gather(began, finished, return_exceptions=True)
        assert isinstance(outcome, Refused), outcome
        await asyncio.gather(*releases)
        assert await service.ask(release) == Done(), "the actor goes on"

    run(tmp_path, scene)


def test_calls_that_come_and_go_leave_no_descriptor_behind(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        before = open_files()
        for _ in range(20):
            await service.ask(attend(call))
            await service.ask(Release(call_id="c1"))
        assert open_files() <= before, "one call's bell was open before"

    run(tmp_path, scene)


# -- the beginning of a call


def test_a_call_that_is_not_open_is_refused(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        with pytest.raises(Refused, match="call c9 is not open: there is no open call c9"):
            await service.ask(Attend(call_id="c9", segment=call.segment, language="en-us", grammar=""))
        with pytest.raises(Refused, match="call c1 is not open"):
            await service.ask(Attend(call_id="c1", segment="ringmaster-test-nowhere", language="en-us", grammar=""))

    run(tmp_path, scene, attended=False)


def test_a_call_is_refused_and_not_the_end_of_the_actor_when_the_supervisor_does_not_answer(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        await service.no_supervisor()
        with pytest.raises(Refused, match="call c1 is not open: no supervisor"):
            await service.ask(attend(call))

    run(tmp_path, scene, attended=False)


def test_phrases_that_the_engine_cannot_use_are_refused_with_its_words(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        with pytest.raises(Refused, match='numbers cannot use the agent\'s phrases: line 1: "bad" is in no dictionary'):
            await service.ask(attend(call, grammar="bad"))
        assert service.calls_shown == 0

    run(tmp_path, scene, attended=False)


def test_refusals_leave_no_descriptor_behind(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        refused = [
            attend(call, grammar="bad"),
            Attend(call_id="c1", segment="ringmaster-test-nowhere", language="en-us", grammar=""),
        ]
        before = 0
        for attempt in range(10):
            for command in refused:
                with pytest.raises(Refused):
                    await service.ask(command)
            before = before if attempt else open_files()
        assert open_files() <= before + 1, "the store may not have closed the last one yet"

    run(tmp_path, scene, attended=False)


def test_a_call_that_is_attended_to_again_gets_a_new_recogniser(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        call.hear(*said(1, 2, 3))
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        await service.note(Partial)
        await service.ask(attend(call))
        first, second = engine.streams
        assert first.closed.is_set() and not second.closed.is_set() and service.calls_shown == 1
        await service.ask(Hear(call_id="c1", utterance=1, from_frame=0))
        heard = await service.expect(Finish(call_id="c1", utterance=1, to_frame=3), Heard)
        assert heard.text == "1 2 3"

    run(tmp_path, scene)


# -- recognisers that are kept ready


def test_a_recogniser_for_the_first_call_is_made_and_used_before_the_actor_is_ready(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        (spare,) = engine.streams
        assert spare.hints == Hints("en-us", "")
        assert len(engine.finished) == 1, "it has been exercised"
        await service.ask(attend(call))
        assert engine.streams == [spare]

    run(tmp_path, scene, attended=False, agents={"desk": AGENT})


def test_the_next_calls_recogniser_is_made_once_this_calls_first_words_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "SPARE_AFTER_S", 0.0)

    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        engine.opened.clear()
        await service.ask(attend(call))
        await service.until(engine.opened, "another spare is made")
        assert len(engine.streams) == 2
        assert engine.streams[1].hints == engine.streams[0].hints

    run(tmp_path, scene, attended=False, agents={"desk": AGENT})


def test_phrases_that_cannot_be_used_keep_the_actor_from_becoming_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "grammar", lambda agent: "bad")

    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        raise AssertionError("the caller would have been the first to know")

    with pytest.raises(UnusableHints, match="is in no dictionary"):
        run(tmp_path, scene, agents={"desk": AGENT})


def test_two_agents_that_hear_the_same_share_a_spare(tmp_path: Path) -> None:
    async def scene(service: Service, engine: Numbers, call: OpenCall) -> None:
        assert len(engine.streams) == 1

    run(tmp_path, scene, attended=False, agents={"desk": AGENT, "bar": Agent(name="bar", greeting="Hi.")})
