"""What a caller hears of a provider that comes in bursts, late or slowly, with and without adaptive buffering.

    python -m bench.bursts            a table
    python -m bench.bursts --json

The real playout on a call's real rings, in virtual time: twenty replies of six seconds each. A provider is a list of
when how much of a reply has been made. Bad luck is seeded, the same for both.
"""

import argparse
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from actors.audio.playout import Playout
from config.media import Streaming
from ipc import rings as ring
from ipc.mouth import MouthGauge, MouthWriter
from ipc.rings import FRAME_MS, FRAME_NS, Rings

RATE = 8000
REPLIES = 20
REPLY_FRAMES = 300
GIVEN_UP_FRAMES = 3000
"""A reply that has not been heard after a minute is not going to be."""

Made = list[tuple[int, int]]
"""Of one reply: at how many ms from its beginning how many frames more have been made."""

HEARD, HOLE, QUIET = "#", "_", "."


class Talk:
    """One call's mouth, a writer and the playout, and the clock."""

    def __init__(self, rings: Rings, streaming: Streaming, playback: str = "stream", call_id: str = "call") -> None:
        self.rings = rings
        self.streaming = streaming
        self.writer = MouthWriter(rings)
        self.gauge = MouthGauge(rings)
        self.playback = playback
        self.call_id = call_id
        self.playout = Playout(rings, streaming, playback, call_id)
        self.now = 1_000_000_000
        self.wire: list[bytes | None] = []
        """What has been sent: None is silence."""
        self.holes = 0

    def take_over(self) -> None:
        """The audio actor dies, and another one goes on."""
        self.playout = Playout(self.rings, self.streaming, self.playback, self.call_id)

    def write(self, frames: int, *, end: bool = False, live: bool = False, generation: int | None = None) -> None:
        """Each frame is the count of frames that its generation has by then."""
        spoken = self.gauge.generation if generation is None else generation
        for left in range(frames, 0, -1):
            number = self.writer.offset(spoken) // (self.rings.payload // 2) + 1
            pcm = number.to_bytes(2, "little") * (self.rings.payload // 2)
            last = end and left == 1
            assert self.writer.write(pcm, spoken, self.now, end=last, live=live), "the mouth is full"

    def tick(self) -> str:
        """20 ms; gives what the caller hears: one of `HEARD`, `HOLE`, `QUIET`."""
        self.now += FRAME_NS
        taken = self.playout.take(self.now)
        self.wire.append(taken[0] if taken else None)
        if taken is not None:
            self.playout.mouth.note_played(taken[1], len(taken[0]) // 2, self.now)
            return HEARD
        self.holes += self.playout.underrun
        return HOLE if self.playout.underrun else QUIET

    def ticks(self, count: int) -> str:
        return "".join(self.tick() for _ in range(count))

    def reply(self, made: Made, *, live: bool = False) -> str:
        """A new reply after a short pause, made as it says; what the caller hears until its last frame is heard."""
        self.tick()
        self.gauge.flush()
        whole = sum(frames for _, frames in made)
        coming, written, sounds = list(made), 0, ""
        while sounds.count(HEARD) < whole and len(sounds) < GIVEN_UP_FRAMES:
            while coming and coming[0][0] <= len(sounds) * FRAME_MS:
                frames = coming.pop(0)[1]
                written += frames
                self.write(frames, end=written == whole, live=live)
            sounds += self.tick()
        return sounds


@contextmanager
def rings_of_a_call(rate: int = RATE) -> Iterator[Rings]:
    name = f"ringmaster-bursts-{os.getpid()}"
    ring.create(name, rate)
    view = Rings(name)
    try:
        yield view
    finally:
        view.close()
        ring.unlink(name)


# -- providers --------------------------------------------------------------------------------------------------------


def fast(chance: random.Random) -> Made:
    """An engine at three times the speed of speech."""
    return [(200 * number, 30) for number in range(REPLY_FRAMES // 30)]


def big_bursts(chance: random.Random) -> Made:
    """600 ms of speech every 500 ms."""
    return [(500 * number, 30) for number in range(REPLY_FRAMES // 30)]


def late_bursts(chance: random.Random) -> Made:
    """300 ms of speech every 300 ms, each up to 200 ms late."""
    made, at = [], 0
    for number in range(REPLY_FRAMES // 15):
        at = max(at, 300 * number + int(chance.uniform(0, 200)))
        made.append((at, 15))
    return made


def hiccups(chance: random.Random) -> Made:
    """Frame by frame in real time; every other reply stops once, for 240 ms, and catches up."""
    stop = int(chance.uniform(50, 250)) if chance.random() < 0.5 else REPLY_FRAMES
    return [
        (FRAME_MS * (stop + 12) if stop <= number < stop + 12 else FRAME_MS * number, 1)
        for number in range(REPLY_FRAMES)
    ]


def slow(chance: random.Random) -> Made:
    """Frame by frame at 0.8 of the speed of speech."""
    return [(number * FRAME_MS * 10 // 8, 1) for number in range(REPLY_FRAMES)]


PROVIDERS: tuple[Callable[[random.Random], Made], ...] = (fast, big_bursts, late_bursts, hiccups, slow)

ADAPTIVE = Streaming(file_fallback=False)
PLAIN = Streaming(file_fallback=False, jitter_buffer_ms=FRAME_MS, low_watermark_ms=0)


@dataclass(frozen=True)
class Outcome:
    provider: str
    adaptive: bool
    delivered: float
    """Share of the frames that were due, from a reply's first to its last, that held speech."""
    holes_a_reply: float
    longest_hole_ms: int
    start_delay_ms: int
    """From a reply's first sample in the mouth to its first on the wire, at the mean."""


def measure(provider: Callable[[random.Random], Made], *, adaptive: bool, seed: int) -> Outcome:
    chance = random.Random(seed)
    heard = due = holes = longest = delay = 0
    with rings_of_a_call() as rings:
        talk = Talk(rings, ADAPTIVE if adaptive else PLAIN)
        for _ in range(REPLIES):
            made = provider(chance)
            sounds = talk.reply(made)
            begun = sounds.index(HEARD)
            runs = [run for run in sounds[begun:].split(HEARD) if run]
            heard += sounds.count(HEARD)
            due += len(sounds) - begun
            holes += len(runs)
            longest = max([longest, *map(len, runs)])
            delay += begun - -(-made[0][0] // FRAME_MS)
    return Outcome(
        provider.__name__,
        adaptive,
        round(heard / due, 4),
        round(holes / REPLIES, 2),
        longest * FRAME_MS,
        round(delay * FRAME_MS / REPLIES),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.bursts", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outcomes = [
        measure(provider, adaptive=adaptive, seed=options.seed) for provider in PROVIDERS for adaptive in (False, True)
    ]
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes]))
        return 0
    print(f"{'provider':<12} {'adaptive':<9} {'delivered':>9} {'holes/reply':>12} {'longest ms':>11} {'start ms':>9}")
    for each in outcomes:
        print(
            f"{each.provider:<12} {'yes' if each.adaptive else 'no':<9} {each.delivered:>9.4f} {each.holes_a_reply:>12}"
            f" {each.longest_hole_ms:>11} {each.start_delay_ms:>9}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
