"""A synthetic caller: speaks its lines in turn, waits for the agent to finish, or interrupts it, and hangs up.

It knows nothing but what is on the wire: when the agent speaks it hears by level, as a person would. What it did, and
when, is in `Spoken`; the wire itself is in the phone's log.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from actors.vad import level_dbfs
from bench.asterisk.media.handset import Wire
from bench.asterisk.phone import Phone
from bench.voices import CallerVoice
from ipc.rings import FRAME_NS

VOICED_DBFS = -50.0
"""The agent speaks where a frame is louder than this; its silence is digital."""
DONE_NS = 700_000_000
"""An agent that has been silent for this long has finished: longer than any pause within a reply."""
ANSWER_S = 15.0
"""A caller who hears nothing for so long goes on with the next line."""


@dataclass(frozen=True)
class Line:
    """What the caller says next, and what is expected to come of it."""

    text: str = ""
    """"" waits for the agent without a word."""
    heard: tuple[str, ...] = ()
    """Words that the agent must have understood; () where nothing may have been."""
    reply: str = ""
    """Text that the agent's answer must contain."""
    interrupt_after_ms: int = 0
    """Speaks when the agent has been speaking for so long, instead of waiting until it has finished."""
    press: str = ""
    """Keys pressed instead of speaking."""


@dataclass
class Spoken:
    """What became of one line, by the wire. Times are CLOCK_MONOTONIC ns; 0 for what did not happen."""

    line: Line
    onset_ns: int = 0
    """The caller's first audible frame."""
    speech_end_ns: int = 0
    """The end of the caller's last audible frame."""
    silent_ns: int = 0
    """For an interruption: the end of the last frame in which the agent went on speaking."""
    reply_ns: int = 0
    """The agent's first audible frame after that."""

    @property
    def voice_to_voice_ms(self) -> float | None:
        return (self.reply_ns - self.speech_end_ns) / 1e6 if self.reply_ns else None

    @property
    def silence_ms(self) -> float | None:
        """From the caller's onset to the agent's silence."""
        return max(0.0, (self.silent_ns - self.onset_ns) / 1e6) if self.silent_ns else None


@dataclass
class AgentOnWire:
    """When the agent was last heard to begin and to go on speaking."""

    began_ns: int = 0
    last_ns: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, wire: Wire) -> None:
        if level_dbfs(wire.pcm) > VOICED_DBFS:
            if wire.at_ns - self.last_ns > DONE_NS:
                self.began_ns = wire.at_ns
            self.last_ns = wire.at_ns
        self.changed.set()


class Caller:
    """One call by one voice."""

    def __init__(self, phone: Phone, voice: CallerVoice, lines: Sequence[Line]) -> None:
        self._phone = phone
        self._voice = voice
        self._lines = lines
        self._agent = AgentOnWire()
        self.spoken: list[Spoken] = []

    async def play(self) -> None:
        """The whole call, until the agent has hung up or the last line's answer is over; then hangs up itself."""
        said = [self._voice.say(line.text, self._phone.rate) if line.text else None for line in self._lines]
        queue = self._phone.listen()
        listening = asyncio.create_task(self._listen(queue))
        try:
            await self._phone.answered.wait()
            await self._agent_begins(time.monotonic_ns())
            for line, pcm in zip(self._lines, said, strict=True):
                await self._wait_for_turn(line)
                if self._phone.ended.is_set():
                    break
                if pcm is not None:
                    await self._speak(line, pcm)
                elif line.press:
                    await self._press(line)
            await self._agent_finishes()
            self._phone.hang_up()
            await self._phone.ended.wait()
        finally:
            listening.cancel()

    async def _listen(self, queue: asyncio.Queue[Wire]) -> None:
        while True:
            self._agent.hear(await queue.get())

    async def _wait_for_turn(self, line: Line) -> None:
        if not line.interrupt_after_ms:
            await self._agent_finishes()
            return
        enough = line.interrupt_after_ms * 1_000_000
        while self._agent.last_ns - self._agent.began_ns < enough and not self._over_or_done():
            await self._next_frame()

    async def _next_frame(self) -> None:
        self._agent.changed.clear()
        over = asyncio.create_task(self._phone.ended.wait())
        frame = asyncio.create_task(self._agent.changed.wait())
        _, pending = await asyncio.wait((over, frame), return_when=asyncio.FIRST_COMPLETED, timeout=1.0)
        for task in pending:
            task.cancel()

    async def _agent_begins(self, since_ns: int) -> bool:
        """Waits until the agent speaks; False when it does not."""
        while self._agent.last_ns <= since_ns and not self._phone.ended.is_set():
            if time.monotonic_ns() - since_ns > ANSWER_S * 1e9:
                return False
            await self._next_frame()
        return self._agent.last_ns > since_ns

    async def _agent_finishes(self) -> None:
        while not self._over_or_done():
            await self._next_frame()

    def _over_or_done(self) -> bool:
        return self._phone.ended.is_set() or time.monotonic_ns() - self._agent.last_ns >= DONE_NS

    async def _speak(self, line: Line, pcm: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
        spoken = Spoken(line)
        self.spoken.append(spoken)
        sent_before = len(self._phone.log.sent)
        talking = self._agent.last_ns if line.interrupt_after_ms else 0
        if await self._phone.speak(pcm.astype("<i2").tobytes()) is None:
            return
        frames = [wire for wire in self._phone.log.sent[sent_before:] if level_dbfs(wire.pcm) > VOICED_DBFS]
        spoken.onset_ns, spoken.speech_end_ns = frames[0].at_ns, frames[-1].at_ns + FRAME_NS
        if talking:
            spoken.silent_ns = self._agent.last_ns + FRAME_NS
        since = max(spoken.speech_end_ns, self._agent.last_ns)
        if await self._agent_begins(since):
            heard = self._phone.log.heard
            spoken.reply_ns = next(
                (wire.at_ns for wire in heard if wire.at_ns > since and level_dbfs(wire.pcm) > VOICED_DBFS), 0
            )

    async def _press(self, line: Line) -> None:
        spoken = Spoken(line, onset_ns=time.monotonic_ns())
        self.spoken.append(spoken)
        await self._phone.press(line.press)
        spoken.speech_end_ns = time.monotonic_ns()
        if await self._agent_begins(spoken.speech_end_ns):
            spoken.reply_ns = self._agent.began_ns
