"""The engines of the pipeline die, with a caller who talks: the turn continues.

All engines of the role are stopped when the caller begins to speak, so that one of them takes the question on and does
nothing with it. Then one of them is killed, in the middle of the question (stt) or just after it has been understood
(llm, tts), and the others go on. It counts where it died over its work, which the journal tells (`EngineLost`).
Without load: the embedded recogniser takes a third of a core for each caller who speaks.
"""

import asyncio
import contextlib
import os
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from bench.asterisk import Asterisk, Phone
from bench.asterisk.media.handset import Wire
from bench.chaos import harm
from bench.chaos.heard import Account, Limits
from bench.chaos.scene import CHANGES, NotBack
from bench.chaos.trial import Outcome
from bench.system import DIALPLAN, PASSWORD, USER, System, free_port, settings
from bench.voices import CallerVoice
from ipc import journal
from ipc.journal import AgentSaid, CallerSaid, EngineLost, Record
from ipc.messages import Journaled
from ipc.orders import ActorStatus

R = TypeVar("R", bound=Record)

TURN_S = 20.0
"""For a question to be answered to its end. Nothing takes so long unless it never comes."""
READY_S = 30.0
UNDISTURBED = 5
"""Questions before the first death: what a struck answer is compared with is the median of theirs."""
KILLS = 10
ATTEMPTS = 4
"""For each of them: with two of a role, every other one strikes the one that has the work."""
RECOVERY_MS = 1500.0
"""DESIGN, section 5: the turn continues within this."""
AT_WORK_S = 0.05
"""From the text of a question to the death of an engine that has been given work by it."""
QUIET_S = 0.7
"""Between the end of an answer and the next question: a person's pause."""
LOOK_S = 0.05

QUESTION, WORDS, ANSWER = "what are your opening hours", {"opening", "hours"}, "Monday to Friday"
VOICE = CallerVoice("en-us+m3", words_per_minute=150, pitch=45, noise_snr_db=30.0, seed=7)

SECTIONS = {**CHANGES, "turns": {"no_input": {"after_s": 120}}, "run": {"log_level": "warning"}}
"""Nobody asks a caller whether they are there who waits for an engine."""


@dataclass(frozen=True)
class Engine:
    name: str
    role: Literal["stt", "llm", "tts"]
    holds: str


ENGINES = (
    Engine("kill-stt", "stt", "A recogniser dies while the caller speaks: no word is lost, the answer comes in time."),
    Engine("kill-llm", "llm", "A language model dies over a question: the turn continues within 1.5 s."),
    Engine("kill-tts", "tts", "A synthesiser dies over an answer: the turn continues within 1.5 s."),
)


@dataclass(frozen=True)
class Asked:
    """A question and what came of it. answer_ms: from the end of the one to the first of the other on the wire; gap_ms:
    the longest time meanwhile without a frame at the phone; lost: the actors that died over it."""

    answer_ms: float
    gap_ms: float
    understood: bool
    answered: bool
    lost: frozenset[str]


class Talk:
    """One caller who asks the same again and again. Made by `conversation`."""

    def __init__(self, system: System, asterisk: Asterisk) -> None:
        self._system = system
        self._asterisk = asterisk
        self._question = VOICE.say(QUESTION, 8000)
        self._records: list[Record] = []
        self._stirred = asyncio.Event()
        self._phone: Phone | None = None
        self.usual_ms = 0.0
        """Of undisturbed answers."""

    async def begin(self) -> None:
        """Somebody calls, and asks until it is known how long an answer usually takes."""
        await self._system.bus.subscribe("conversation.1", Journaled, self._journaled)
        self._phone = self._asterisk.dial("1000", caller_id="5551234")
        async with asyncio.timeout(TURN_S):
            await self._record(AgentSaid, 0)
        self.usual_ms = statistics.median([(await self.ask()).answer_ms for _ in range(UNDISTURBED)])

    async def _journaled(self, sender: str, event: Journaled) -> None:
        self._records.append(journal.decode(event.record))
        self._stirred.set()

    async def _record(self, kind: type[R], mark: int, which: Callable[[R], bool] = lambda record: True) -> R:
        while True:
            self._stirred.clear()
            for record in self._records[mark:]:
                if isinstance(record, kind) and which(record):
                    return record
            await self._stirred.wait()

    @property
    def is_over(self) -> bool:
        return self._phone is None or self._phone.ended.is_set()

    async def ask(
        self, at_first: Sequence[int] = (), kill: int = 0, when: Literal["speaking", "understood"] = "speaking"
    ) -> Asked:
        """One question, until the answer is over. at_first: processes that are stopped as the caller begins; `kill` is
        that of them which dies. Raises `TimeoutError` when there is no answer."""
        assert self._phone is not None
        await asyncio.sleep(QUIET_S)
        phone, frames, mark = self._phone, list[Wire](), len(self._records)
        phone.on_frame(frames.append)  # in a media thread; a list's append is one step
        try:
            async with asyncio.timeout(TURN_S):
                for pid in at_first:
                    os.kill(pid, signal.SIGSTOP)
                ended = await self._speak(phone, at_first if when == "speaking" else (), kill)
                said = await self._record(CallerSaid, mark)
                if when == "understood":
                    await asyncio.sleep(AT_WORK_S)
                    _strike(at_first, kill)
                answer = await self._record(AgentSaid, mark, lambda record: record.kind == "answer")
        finally:
            _strike(at_first, kill)
            phone.on_frame(None)
        told = self._records[mark:]
        return Asked(
            answer_ms=(answer.first_ns - ended) / 1e6,
            gap_ms=float(np.diff([wire.at_ns for wire in frames]).max()) / 1e6,
            understood=set(said.text.split()) >= WORDS and said.lost_frames == 0,
            answered=ANSWER in answer.heard,
            lost=frozenset(record.actor for record in told if isinstance(record, EngineLost)),
        )

    async def _speak(self, phone: Phone, stopped: Sequence[int], kill: int) -> int:
        """Gives when its last frame went out."""
        pcm, size = self._question.astype("<i2").tobytes(), phone.frame_bytes
        middle = len(pcm) // size // 2 * size
        first, second = phone.say(pcm[:middle]), phone.say(pcm[middle:])
        await first
        _strike(stopped, kill)
        return await second

    async def actors(self, role: str) -> list[ActorStatus]:
        return [actor for actor in (await self._system.status(READY_S)).actors if actor.role == role]

    async def full_strength(self) -> None:
        """Raises `NotBack`."""
        deadline = time.monotonic() + READY_S
        while True:
            status = await self._system.status(READY_S)
            if status.ready and all(actor.state == "ready" for actor in status.actors):
                return
            if time.monotonic() > deadline:
                raise NotBack(f"not at full strength after {READY_S:g} s: {', '.join(status.problems)}")
            await asyncio.sleep(LOOK_S)


def _strike(stopped: Sequence[int], kill: int) -> None:
    """One dies, the others go on. The second time nothing happens any more."""
    with contextlib.suppress(ProcessLookupError):
        if kill:
            harm.kill(kill)
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def trial(engine: Engine, talk: Talk, repeat: int | None = None) -> Outcome:
    """Like `trial.trial`, of an engine."""
    kills = repeat or KILLS
    outcome = Outcome(engine.name, engine.holds, Limits(recovery_ms=RECOVERY_MS))
    began = time.monotonic()
    try:
        for attempt in range(kills * ATTEMPTS):
            if outcome.strikes == kills:
                break
            await _once(engine, talk, attempt, outcome)
    except (TimeoutError, NotBack) as error:
        outcome.broken.append(str(error) or f"a question was not answered within {TURN_S:g} s")
    if outcome.strikes < kills and not outcome.broken:
        outcome.broken.append(f"only {outcome.strikes} of {kills} deaths met an engine at work")
    outcome.notes.append(f"an undisturbed answer begins {talk.usual_ms:.0f} ms after the question (median)")
    outcome.judge()
    outcome.seconds = time.monotonic() - began
    return outcome


async def _once(engine: Engine, talk: Talk, attempt: int, outcome: Outcome) -> None:
    await talk.full_strength()
    actors = await talk.actors(engine.role)
    victim = actors[attempt % len(actors)]
    when: Literal["speaking", "understood"] = "speaking" if engine.role == "stt" else "understood"
    asked = await talk.ask([actor.pid for actor in actors], victim.pid, when)
    if victim.name not in asked.lost:
        return
    outcome.strikes += 1
    if not asked.understood:
        outcome.broken.append("a question was not understood")
    if not asked.answered:
        outcome.broken.append("a question was not answered rightly")
    late = asked.answer_ms - talk.usual_ms
    outcome.took_ms["answer begins later by"].append(late)
    outcome.accounts.append(Account(hit=True, call_lost=talk.is_over, gap_ms=asked.gap_ms, recovery_ms=max(0.0, late)))


@contextlib.asynccontextmanager
async def conversation(folder: Path) -> AsyncIterator[Talk]:
    """A system with the pipeline that ships, and one caller who has been greeted. Raises `NotReady`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ringmaster-") as run_dir:
        asterisk = Asterisk(DIALPLAN, user=USER, password=PASSWORD)
        async with asterisk, System(folder, Path(run_dir), settings(asterisk.port, free_port(), SECTIONS)) as system:
            await system.until_ready()
            await system.until_connected(asterisk)
            talk = Talk(system, asterisk)
            await talk.begin()
            yield talk
