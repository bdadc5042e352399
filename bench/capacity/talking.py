"""All talkers of a venue: looks at their lines, lets them speak, and gathers what the journals say of their turns."""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence

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


class Talking:
    def __init__(self, lines: Sequence[bytes], turns: Turns, seed: int = 1) -> None:
        """lines: what the callers say, as frames; () where they do not talk. turns: the rules of the agent's turns."""
        self._lines = lines
        self._turns = turns
        self._chance = random.Random(seed)
        self._talkers: dict[Call, Talker] = {}
        self._said: deque[tuple[int, bool]] = deque(maxlen=RECORDS)  # when, whether it was understood
        self._lags: deque[tuple[int, float]] = deque(maxlen=RECORDS)  # when, ms

    @property
    def talk(self) -> bool:
        """The callers have something to say."""
        return bool(self._lines)

    def add(self, call: Call) -> None:
        """It is up, and talks from now on until it is over."""
        if self.talk:
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
        """Those whose sentence ended between the two times. Who still waits has waited for so long at least: without
        them a system that answers nobody any more would look like a fast one."""
        now = figures.now_ns()
        waiting = (talker.waiting(now) for talker in self._talkers.values())
        over = (turn for talker in self._talkers.values() for turn in talker.turns)
        known = [*over, *(turn for turn in waiting if turn is not None)]
        return [turn for turn in known if begin_ns <= turn.speech_end_ns < end_ns]

    async def each_had_a_turn(self, begin_ns: int, within_s: float) -> None:
        """Until everybody whose call is up has spoken a sentence to its end since then and heard the answer, or has
        waited in vain; at most so long."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and any(
            call.is_up and not (talker.turns and talker.turns[-1].speech_end_ns >= begin_ns)
            for call, talker in self._talkers.items()
        ):
            await asyncio.sleep(LOOK_S)

    def understood(self, begin_ns: int, end_ns: int) -> float | None:
        """Share of the sentences that the agent took down between the two times and in which it understood anything."""
        said = [understood for at, understood in self._said if begin_ns <= at < end_ns]
        return sum(said) / len(said) if said else None

    def lags_ms(self, begin_ns: int, end_ns: int) -> list[float]:
        """Of the turns whose answers began between the two times; see `lag_ms`."""
        return [lag for at, lag in self._lags if begin_ns <= at < end_ns]

    async def follow(self, bus: Bus, conversations: int) -> None:
        """Reads along in the journals of so many conversation actors. Events may be lost; then a turn is missing."""
        for number in range(1, conversations + 1):
            await bus.subscribe(f"conversation.{number}", Journaled, self._journaled)

    async def _journaled(self, sender: str, event: Journaled) -> None:
        record = journal.decode(event.record)
        if isinstance(record, CallerSaid):
            self._said.append((record.at_ns, bool(record.text)))
        elif isinstance(record, TurnTimed):
            self._lags.append((record.at_ns, lag_ms(record, self._turns)))


def lag_ms(timed: TurnTimed, turns: Turns) -> float:
    """How long after the silence that ends a turn its final text was there. While the recogniser has no word yet, the
    turn machine waits for a longer silence: that is a rule and not lateness, and shows in the turn's latency. Where the
    filler came before the text, nobody knows yet; then it is as late as that at least."""
    heard_ns = timed.heard_ns or timed.at_ns
    waited_ms = (timed.decided_ns - timed.last_speech_ns) / 1e6
    rules = turns.end_silence_ms, turns.unclear_end_silence_ms
    patience_ms = max((rule for rule in rules if rule <= waited_ms), default=0)
    return max(0.0, (heard_ns - timed.last_speech_ns) / 1e6 - patience_ms)


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
