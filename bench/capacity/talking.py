"""All talkers of a venue: looks at their lines, lets them speak, and gathers what the journals say of their turns."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.capacity.talker import Sounds, Talker, Turn
from bench.load import figures
from bench.load.callers import Call
from bench.load.sheet import SOUND, Head, Row
from config.schema import Turns
from ipc import journal
from ipc.bus import Bus
from ipc.journal import CallerSaid, TurnTimed
from ipc.messages import Journaled

LOOK_S = 0.04
"""Between two looks at all lines. It only makes pauses longer: what is measured is in the generator's sheet."""
RECORDS = 20_000
"""Of the journals, that are kept: more than the turns of one measurement."""


@dataclass(frozen=True)
class Understood:
    """One turn as the agent's journal has it. lag_ms: see the function of that name; None where nothing was
    understood."""

    at_ns: int
    understood: bool
    lag_ms: float | None


class Talking:
    def __init__(self, lines: Sequence[bytes], turns: Turns, seed: int = 1) -> None:
        """lines: what the callers say, as frames; () where they do not talk. turns: the rules of the agent's turns."""
        self._lines = lines
        self._turns = turns
        self._chance = random.Random(seed)
        self._talkers: dict[Call, Talker] = {}
        self._said: deque[Understood] = deque(maxlen=RECORDS)
        self._texts: dict[str, str] = {}  # of the turn that each call is in

    def add(self, call: Call) -> None:
        """It is up, and talks from now on until it is over."""
        if self._lines:
            own = random.Random(self._chance.random())
            self._talkers[call] = Talker(figures.now_ns(), own, len(self._lines))

    def remove(self, call: Call) -> None:
        self._talkers.pop(call, None)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            for call, talker in list(self._talkers.items()):
                if call.is_up:
                    self._look(call, talker)
            await asyncio.sleep(LOOK_S)

    def _look(self, call: Call, talker: Talker) -> None:
        row = call.row
        sounds = Sounds(row[Head.LINES], row[Head.LINE_END_NS], row[Head.AUDIBLE_NS])
        line = talker.look(figures.now_ns(), sounds, lambda since_ns: first_sound_ns(row, since_ns))
        if line is not None:
            call.say(self._lines[line])

    # -- what came of it

    def turns(self, begin_ns: int, end_ns: int) -> list[Turn]:
        """Those whose sentence ended between the two times and which are over."""
        all_turns = (turn for talker in self._talkers.values() for turn in talker.turns)
        return [turn for turn in all_turns if begin_ns <= turn.speech_end_ns < end_ns]

    def understood(self, begin_ns: int, end_ns: int) -> list[Understood]:
        """What the agent made of the sentences that it had the text of between the two times."""
        return [said for said in self._said if begin_ns <= said.at_ns < end_ns]

    async def follow(self, bus: Bus, conversations: int) -> None:
        """Reads along in the journals of so many conversation actors. Events may be lost; then a turn is missing."""
        for number in range(1, conversations + 1):
            await bus.subscribe(f"conversation.{number}", Journaled, self._journaled)

    async def _journaled(self, sender: str, event: Journaled) -> None:
        record = journal.decode(event.record)
        if isinstance(record, CallerSaid):
            self._texts[event.call_id] = record.text
            if not record.text:
                self._said.append(Understood(record.at_ns, False, None))
        elif isinstance(record, TurnTimed) and self._texts.get(event.call_id):
            self._said.append(Understood(record.heard_ns, True, lag_ms(record, self._turns)))


def lag_ms(timed: TurnTimed, turns: Turns) -> float:
    """How long after the silence that ends a turn its final text was there. While the recogniser has no word yet, the
    turn machine waits for a longer silence: that is a rule and not lateness, and shows in the turn's latency."""
    waited_ms = (timed.decided_ns - timed.last_speech_ns) / 1e6
    rules = turns.end_silence_ms, turns.unclear_end_silence_ms
    patience_ms = max((rule for rule in rules if rule <= waited_ms), default=0)
    return max(0.0, (timed.heard_ns - timed.last_speech_ns) / 1e6 - patience_ms)


def first_sound_ns(row: Row, since_ns: int) -> int:
    """When the first audible frame arrived after a time; 0 for none yet."""
    _, at, what = row.arrived()
    found = at[(at > since_ns) & (what == SOUND)]
    return int(np.min(found)) if len(found) else 0


@contextlib.asynccontextmanager
async def running(talking: Talking) -> AsyncIterator[None]:
    task = asyncio.create_task(talking.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
