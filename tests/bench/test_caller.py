"""A synthetic caller on a line in virtual time, opposite an agent that follows simple rules; once on the stand-in.

In virtual time both sides move in frames of 20 ms, and a test that fails draws what was on the wire.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from actors.vad import level_dbfs
from bench import caller as caller_module
from bench.asterisk import Answer, Asterisk, AudioSocket, Dialplan
from bench.asterisk.media.handset import Wire, WireLog
from bench.asterisk.sounds import tone
from bench.caller import DONE_NS, Caller, Line
from bench.voices import CallerVoice
from tests.bench.asterisk.client import in_loop
from tests.bench.asterisk.media_server import MediaServer

MS = 1_000_000
FRAME_NS = 20 * MS
LOUD = tone(440, 0.02)
SILENT = bytes(320)
VOICE = CallerVoice(noise_snr_db=None, mulaw=False)


def loud(pcm: bytes) -> bool:
    return level_dbfs(pcm) > -50


@dataclass
class Agent:
    """Greets, answers whoever has been silent for 300 ms, and falls silent when it is interrupted for 100 ms."""

    greeting_ms: int = 500
    answer_ms: int = 600
    answers: int = 99
    hangs_up_after: int = 99
    """Answers; then it ends the call."""
    left_ms: int = 0
    spoken: int = 0
    quiet_ms: int = 0
    voiced_ms: int = 0
    waiting: bool = False

    def turn(self, now_ms: int, caller_speaks: bool, pressed: bool) -> bool:
        """20 ms: True when it speaks."""
        self.voiced_ms = self.voiced_ms + 20 if caller_speaks else 0
        self.quiet_ms = 0 if caller_speaks else self.quiet_ms + 20
        self.waiting = self.waiting or caller_speaks or pressed
        if now_ms == 200:
            self.left_ms = self.greeting_ms
        if self.voiced_ms >= 100:
            self.left_ms = 0
        if self.waiting and self.quiet_ms >= 300 and self.spoken < self.answers:
            self.waiting = False
            self.spoken += 1
            self.left_ms = self.answer_ms
        if not self.left_ms:
            return False
        self.left_ms -= 20
        return True

    @property
    def wants_to_hang_up(self) -> bool:
        return self.spoken >= self.hangs_up_after and not self.left_ms


@dataclass
class Phone:
    """What `Caller` needs of a phone, in virtual time."""

    agent: Agent
    rate: int = 8000
    now_ns: int = 1_000_000_000_000
    log: WireLog = field(default_factory=lambda: WireLog(8000))
    pressed: str = ""

    def __post_init__(self) -> None:
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self._microphone: deque[bytes] = deque()
        self._empty = asyncio.Event()
        self._queue: asyncio.Queue[Wire] = asyncio.Queue()
        self._key = False

    def listen(self) -> asyncio.Queue[Wire]:
        return self._queue

    async def speak(self, pcm: bytes) -> int | None:
        self._microphone.extend(pcm[at : at + 320].ljust(320, b"\0") for at in range(0, len(pcm), 320))
        self._empty.clear()
        await self._empty.wait()
        return None if self.ended.is_set() else self.now_ns

    async def press(self, digits: str) -> None:
        self.pressed += digits
        self._key = True

    def hang_up(self) -> None:
        self.ended.set()

    async def run(self) -> None:
        """The call's time passes, a frame at a time, and everybody gets their turn in each."""
        start_ns = self.now_ns
        self.answered.set()
        while not self.ended.is_set():
            self.now_ns += FRAME_NS
            said = self._microphone.popleft() if self._microphone else SILENT
            self.log.sent.append(Wire(self.now_ns, said, 160))
            speaks = self.agent.turn((self.now_ns - start_ns) // MS, loud(said), self._key)
            self._key = False
            self.log.heard.append(Wire(self.now_ns, LOUD if speaks else SILENT, 160))
            self._queue.put_nowait(self.log.heard[-1])
            if not self._microphone:
                self._empty.set()
            if self.agent.wants_to_hang_up:
                self.ended.set()
            for _ in range(30):
                await asyncio.sleep(0)
        self._empty.set()


MARKS = {(False, False): ".", (True, False): "c", (False, True): "a", (True, True): "X"}


def heard(phone: Phone) -> str:
    """The call, 100 ms a letter: c caller, a agent, X both, . nobody."""
    wires = zip(phone.log.sent, phone.log.heard, strict=True)
    marks = [MARKS[loud(sent.pcm), loud(back.pcm)] for sent, back in wires]
    return "".join(max(marks[at : at + 5], key=marks[at : at + 5].count) for at in range(0, len(marks), 5))


def play(monkeypatch: pytest.MonkeyPatch, agent: Agent, *lines: Line) -> tuple[Caller, Phone]:
    async def scene() -> tuple[Caller, Phone]:
        phone = Phone(agent)
        monkeypatch.setattr(caller_module, "time", SimpleNamespace(monotonic_ns=lambda: phone.now_ns))
        made = Caller(phone, VOICE, lines)  # type: ignore[arg-type]
        async with asyncio.timeout(30):
            await asyncio.gather(made.play(), phone.run())
        return made, phone

    return asyncio.run(scene())


def voiced(wires: Sequence[Wire]) -> list[int]:
    return [wire.at_ns for wire in wires if loud(wire.pcm)]


def test_the_caller_lets_the_agent_finish_then_speaks_and_times_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    made, phone = play(monkeypatch, Agent(), Line("hello"))
    (spoken,) = made.spoken
    sent, back = voiced(phone.log.sent), voiced(phone.log.heard)
    greeted = back[500 // 20 - 1]
    assert spoken.onset_ns == sent[0] >= greeted + DONE_NS - FRAME_NS, heard(phone)
    assert spoken.speech_end_ns == sent[-1] + FRAME_NS
    assert spoken.reply_ns == back[500 // 20], heard(phone)
    assert spoken.voice_to_voice_ms == (spoken.reply_ns - spoken.speech_end_ns) / 1e6 == pytest.approx(300, abs=40)
    assert spoken.silence_ms is None


def test_lines_are_said_one_after_the_other_and_then_the_caller_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made, phone = play(monkeypatch, Agent(), Line("hello"), Line("yes"), Line("goodbye"))
    assert [spoken.line.text for spoken in made.spoken] == ["hello", "yes", "goodbye"]
    assert phone.ended.is_set()
    assert "X" not in heard(phone), "nobody spoke while the other did"
    last = voiced(phone.log.heard)[-1]
    assert phone.now_ns - last >= DONE_NS, "the last answer was heard to its end"


def test_an_interruption_comes_in_the_middle_and_tells_when_the_agent_fell_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, phone = play(monkeypatch, Agent(greeting_ms=5000), Line("stop please", interrupt_after_ms=700))
    (spoken,) = made.spoken
    began = voiced(phone.log.heard)[0]
    assert spoken.onset_ns - began == pytest.approx(700 * MS, abs=4 * FRAME_NS), heard(phone)
    interrupted = [at_ns for at_ns in voiced(phone.log.heard) if at_ns < spoken.reply_ns]
    assert spoken.silent_ns == interrupted[-1] + FRAME_NS, heard(phone)
    assert spoken.silence_ms == (spoken.silent_ns - spoken.onset_ns) / 1e6 >= 80
    assert spoken.reply_ns > spoken.speech_end_ns


def test_who_wanted_to_interrupt_an_agent_that_had_finished_by_then_speaks_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, phone = play(monkeypatch, Agent(greeting_ms=300), Line("hello", interrupt_after_ms=5000))
    assert len(made.spoken) == 1 and made.spoken[0].reply_ns, heard(phone)


def test_keys_are_pressed_instead_of_speaking_and_their_answer_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    made, phone = play(monkeypatch, Agent(), Line(press="12#"))
    (spoken,) = made.spoken
    assert phone.pressed == "12#" and not voiced(phone.log.sent)
    assert spoken.reply_ns > spoken.speech_end_ns >= spoken.onset_ns > 0


def test_a_line_without_words_only_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    made, phone = play(monkeypatch, Agent(), Line(), Line("hello"))
    assert [spoken.line.text for spoken in made.spoken] == ["hello"], heard(phone)


def test_a_caller_who_gets_no_answer_goes_on_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    made, phone = play(monkeypatch, Agent(answers=0), Line("hello"), Line("anybody there"))
    assert [spoken.reply_ns for spoken in made.spoken] == [0, 0], heard(phone)
    assert [spoken.voice_to_voice_ms for spoken in made.spoken] == [None, None]


def test_a_caller_whom_nobody_greets_speaks_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    made, phone = play(monkeypatch, Agent(greeting_ms=0), Line("hello"))
    assert len(made.spoken) == 1 and made.spoken[0].reply_ns, heard(phone)


def test_when_the_agent_hangs_up_the_rest_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    made, phone = play(monkeypatch, Agent(hangs_up_after=1), Line("goodbye"), Line("and another thing"))
    assert [spoken.line.text for spoken in made.spoken] == ["goodbye"], heard(phone)
    assert made.spoken[0].reply_ns


def test_a_call_that_ends_in_the_middle_of_a_line_has_no_times_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent()
    speaks = agent.turn

    def turn(now_ms: int, caller_speaks: bool, pressed: bool) -> bool:
        if caller_speaks:
            agent.hangs_up_after = 0
        return speaks(now_ms, caller_speaks, pressed)

    agent.turn = turn  # type: ignore[method-assign]
    made, _ = play(monkeypatch, agent, Line("hello there"))
    (spoken,) = made.spoken
    assert (spoken.onset_ns, spoken.speech_end_ns, spoken.reply_ns) == (0, 0, 0)


def test_the_level_of_a_frame_is_that_of_its_samples() -> None:
    assert level_dbfs(b"") == level_dbfs(SILENT) == -96.0
    assert level_dbfs(np.full(160, 3277, dtype="<i2").tobytes()) == pytest.approx(-20, abs=0.01)


@in_loop
async def test_on_the_stand_in_a_caller_is_heard_and_answered() -> None:
    async with MediaServer() as media:
        dialplan: Dialplan = {"inbound": {"1001": [Answer(), AudioSocket("${UUID()}", media.address)]}}
        async with Asterisk(dialplan) as asterisk:
            phone = asterisk.dial("1001")
            made = Caller(phone, CallerVoice(), [Line("hello")])
            agent = asyncio.create_task(answer(media))
            await made.play()
            await agent
    (spoken,) = made.spoken
    assert spoken.onset_ns < spoken.speech_end_ns < spoken.reply_ns
    assert phone.cause == 16


async def answer(media: MediaServer) -> None:
    """Greets for 200 ms, and answers for 200 ms once the caller has been silent for ten frames after speaking."""

    def speak() -> None:
        for _ in range(10):
            media.write(b"\x10\x01\x40" + LOUD)

    await media.heard(1)
    speak()
    seen, spoke, quiet = 0, False, 0
    while not (spoke and quiet >= 10):
        await media.heard(seen + 1)
        frames = [payload for kind, payload in media.messages if kind >= 0x10]
        for payload in frames[seen:]:
            spoke, quiet = spoke or loud(payload), 0 if loud(payload) else quiet + 1
        seen = len(frames)
    speak()
    await media.ended.wait()
