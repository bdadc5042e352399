"""How long call-control itself takes to set calls up: `python -m bench.setup_time --calls 200 --rate 20`.

The whole system beside the stand-in Asterisk, in which phones dial at a rate; each call is answered by the provider
`loopback`. From StasisStart (sent by the stand-in) to the moment at which both legs are in the bridge, less all time in
which Asterisk had the ball: while it worked on a request of that call, and from the answer to the originate until the
media leg's StasisStart was sent. What is left is ours: call-control, supervisor, conversation, and the ways between.
Two requests that Asterisk works on at the same time count once.

At the end everybody hangs up, and nothing may be left: channels, bridges, sockets, rings, descriptors.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.asterisk import Asterisk
from bench.load.venue import Setting, Venue, venue
from supervisor.instance import segment_prefix

GOAL_MS = 100.0
"""p99 of our own time."""
SETTLE_S = 20.0
WARM_UP = 5
"""Calls before those that are measured."""

Span = tuple[int, int]


@dataclass
class Setup:
    """One call while it is set up. Times are monotonic ns, as the stand-in saw them."""

    began: int
    spans: list[Span] = field(default_factory=list)
    """When Asterisk had the ball."""
    joined: int = 0
    """When the second leg was in the bridge; 0 before."""
    legs: int = 0

    @property
    def own_ms(self) -> float:
        return (self.joined - self.began - covered(self.spans, self.began, self.joined)) / 1e6

    @property
    def whole_ms(self) -> float:
        return (self.joined - self.began) / 1e6


def covered(spans: list[Span], begin: int, end: int) -> int:
    """How much of the time between begin and end is in at least one of the spans."""
    total, reached = 0, begin
    for first, last in sorted(spans):
        first, last = max(first, reached), min(last, end)
        if last > first:
            total += last - first
            reached = last
    return total


class Watch:
    """A `bench.asterisk.exchange.Watcher`."""

    def __init__(self, asterisk: Asterisk) -> None:
        self.setups: dict[str, Setup] = {}
        self._calls_of_legs: dict[str, str] = {}
        self._made: dict[str, int] = {}
        """When the originate of a media leg was answered."""
        asterisk.watch(self)

    def entered(self, channel_id: str, sent_ns: int) -> None:
        call = self._calls_of_legs.get(channel_id)
        if call is None:
            self.setups[channel_id] = Setup(sent_ns)
        elif (made := self._made.get(channel_id)) is not None and made < sent_ns:
            self.setups[call].spans.append((made, sent_ns))

    def request(self, method: str, path: str, query: dict[str, str], received_ns: int, answered_ns: int) -> None:
        if path == "channels":
            call, leg = query.get("appArgs", "").partition(",")[2], query.get("channelId", "")
            self._calls_of_legs[leg], self._made[leg] = call, answered_ns
        else:
            thing = path.split("/")[1] if "/" in path else ""
            call = self._calls_of_legs.get(thing, thing.removeprefix("call-"))
        setup = self.setups.get(call)
        if setup is None or setup.joined:
            return
        setup.spans.append((received_ns, answered_ns))
        if path.endswith("/addChannel"):
            setup.legs += 1
            setup.joined = answered_ns if setup.legs == 2 else 0


async def measure(calls: int, rate: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="ringmaster-setup-") as folder:
        setting = Setting(calls=calls, dense=25, warm=4)
        async with venue(setting, Path(folder)) as place:
            # The first calls open what is kept for all: connections between actors, and to Asterisk.
            await place.hang_up(await place.calls(WARM_UP))
            before = descriptors(place)
            watch = Watch(place.asterisk)
            made = await place.calls(calls, each_s=1 / rate)
            setups = [setup for setup in watch.setups.values() if setup.joined]
            await place.hang_up(made)
            left = await nothing_left(place, before)
        own = np.array([setup.own_ms for setup in setups])
        whole = np.array([setup.whole_ms for setup in setups])
    return {
        "calls": calls,
        "rate": rate,
        "bridged": len(setups),
        "own_ms": {"p50": float(np.quantile(own, 0.5)), "p99": float(np.quantile(own, 0.99)), "max": float(own.max())},
        "with_asterisk_ms": {"p50": float(np.quantile(whole, 0.5)), "p99": float(np.quantile(whole, 0.99))},
        "left": left,
    }


def descriptors(place: Venue) -> dict[str, int]:
    """Open descriptors of those who must not keep any of a call."""
    names = ("call-control", "conversation.1", "nursery")
    counts = {name: len(list(Path(f"/proc/{place.pids[name]}/fd").iterdir())) for name in names}
    counts["supervisor"] = len(list(Path(f"/proc/{place.system.process.pid}/fd").iterdir()))
    return counts


async def nothing_left(place: Venue, before: dict[str, int]) -> list[str]:
    """What is still there when everything had time to go."""
    left: list[str] = []
    for _ in range(int(SETTLE_S * 10)):
        left = leftovers(place, before)
        if not left:
            break
        await asyncio.sleep(0.1)
    return left


def leftovers(place: Venue, before: dict[str, int]) -> list[str]:
    left = [f"channel {name}" for name in place.asterisk.channels]
    left += [f"bridge {name}" for name in place.asterisk.bridges]
    prefix = f"{segment_prefix(place.system.run_dir)}call-"
    left += [f"segment {file.name}" for file in Path("/dev/shm").glob(f"{prefix}*")]
    # Audio actors that wait are the pool's: a descriptor for each in the supervisor comes and goes with them.
    spare = defaultdict(int, {"supervisor": 4 * place.setting.warm})
    for name, count in descriptors(place).items():
        if count > before[name] + spare[name]:
            left.append(f"{count - before[name]} descriptors of {name}")
    return left


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.setup_time", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rate", type=float, default=20.0, help="new calls a second")
    arguments = parser.parse_args()
    result = asyncio.run(measure(arguments.calls, arguments.rate))
    print(json.dumps(result, indent=2))
    own = result["own_ms"]
    fine = not result["left"] and result["bridged"] == arguments.calls
    return 0 if fine and isinstance(own, dict) and own["p99"] <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
