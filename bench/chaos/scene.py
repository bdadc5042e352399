"""The system under load, what is known of it, and its way back to full strength."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from pathlib import Path

from bench.chaos import harm, small_shm
from bench.load import usage
from bench.load.callers import Call, NotServed
from bench.load.venue import Setting, Venue, venue
from bench.system import APP
from ipc.bus import NoAnswer, Refused
from ipc.orders import ActorStatus, SystemStatus
from supervisor.instance import segment_prefix

FULL_S = 90.0
"""To full strength: most takes seconds, Asterisk is tried again every 30 s, a role that was given up after 60 s."""
LOOK_S = 0.1
ANSWER_S = 2.0
"""For a status: a supervisor that is stopped or is starting anew gives none."""
VOICE_NS = 200_000_000
"""A caller whose voice has not come back for so long has not got it back yet: ten frames."""
CALL_S = 10.0
"""For a new call to come up, on a machine that has other things to do as well."""
EACH_S = 0.1
"""Between two callers when the scene is set."""
TRIES = 3
"""To get all callers up, before anything is measured: on a machine that is busy with other things as well, the stand-in
may be too slow to say in time which call a connection belongs to."""

SHM_MB = 512
"""Of the system's own /dev/shm: 100 calls of 0.8 MB and 150 flight recorders find room three times over."""

MOST_DEATHS, DEATHS_S = 18, 61.0
"""Audio actors that may be killed within a minute: the 21st would have the pool degrade (`supervisor.specs`,
AUDIO_INTENSITY), which is another fault's subject."""

CONVERSATIONS = 2
"""Of the role: when one dies the other's callers are the control group."""

CHANGES = {"actors": {"restart": {"intensity": 100, "period_s": 60}}}
"""Ten deaths of a role in a row are the bench's, so its limit on restarts is raised from 5 a minute."""


class NotBack(Exception):
    """The system is not at full strength again. The text says what is missing."""


class Scene:
    """Made by `scene`."""

    def __init__(self, place: Venue, wanted: int, own_shm: bool) -> None:
        self.place = place
        self.wanted = wanted
        self.own_shm = own_shm
        self.calls: list[Call] = []
        """Those that are to go on."""
        self.supervisor = place.system.process.pid
        self._deaths: deque[float] = deque()
        self._prefix = segment_prefix(place.system.run_dir)

    # -- what is there

    async def status(self) -> SystemStatus:
        """Raises `NoAnswer`."""
        return await self.place.system.status(ANSWER_S)

    async def status_in_the_end(self) -> SystemStatus:
        """Asks again where an answer was lost with the supervisor's former life. Raises `NotBack`."""
        deadline = time.monotonic() + FULL_S
        while time.monotonic() < deadline:
            with contextlib.suppress(NoAnswer, Refused):
                return await self.status()
        raise NotBack(f"the supervisor has not answered for {FULL_S:g} s")

    async def actors(self, role: str) -> list[ActorStatus]:
        """Those that are ready; of the role audio, those that serve a call."""
        found = [actor for actor in (await self.status_in_the_end()).actors if actor.role == role]
        found = [actor for actor in found if actor.state == "ready"]
        return [actor for actor in found if actor.calls] if role == "audio" else found

    async def served_by(self, actors: Iterable[ActorStatus]) -> set[Call]:
        """The calls whose rings these processes look into."""
        segments = {name for actor in actors for name in harm.mapped(actor.pid, self._prefix)}
        opened = await self.place.opened()
        return {
            call
            for call in self.calls
            if (found := opened.get(call.media_uuid)) is not None and found.segment in segments
        }

    @property
    def shm(self) -> Path:
        """The system's /dev/shm, as it is seen from here."""
        return Path(f"/proc/{self.supervisor}/root/dev/shm") if self.own_shm else Path("/dev/shm")

    def segments(self, kind: str = "call") -> list[str]:
        begin = f"{self._prefix}{kind}"
        return sorted(path.name for path in self.shm.iterdir() if path.name.startswith(begin))

    def left(self) -> list[str]:
        """Of calls, when there should be none: what is still in memory, in the stand-in, and at work."""
        kept = self.place.setting.warm
        audio = sum(usage.role(found) == "audio" for found in usage.tree(self.supervisor).values())
        left = [f"segment {name}" for name in self.segments()]
        left += [f"channel {name}" for name in self.place.asterisk.channels]
        left += [f"bridge {name}" for name in self.place.asterisk.bridges]
        return left + ([f"{audio - kept} audio actors more than wait"] if audio > kept else [])

    # -- callers

    async def new_call(self, within: float = CALL_S) -> float | None:
        """One more caller comes, is served, and hangs up again: ms from dialling to the agent's first frame. None when
        they were not served."""
        began = time.monotonic_ns()
        call = await self.place.call()
        try:
            await call.up(within)
            took = (call.first_ns - began) / 1e6
        except (NotServed, TimeoutError):
            took = None
        await self.send_home([call])
        return took

    async def send_home(self, calls: Sequence[Call]) -> None:
        """They hang up; returns when they are off the line."""
        for call in calls:
            call.hang_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CALL_S):
                for call in calls:
                    await call.over.wait()
        for call in calls:
            call.forget()

    async def top_up(self) -> None:
        """As many callers as wanted, all of them up. Raises `NotBack` when they are not served."""
        for call in self.calls:
            if not call.is_up:
                call.forget()
        self.calls = [call for call in self.calls if call.is_up]
        refused = len(self.place.refused)
        for _ in range(TRIES):
            if missing := self.wanted - len(self.calls):
                self.calls += await self.place.calls(missing, EACH_S)
        if missing := self.wanted - len(self.calls):
            reasons = ", ".join(sorted(set(self.place.refused[refused:])))
            raise NotBack(f"{missing} new calls were not served: {reasons}")

    # -- waiting

    async def full_strength(self, within: float = FULL_S) -> None:
        """Every process is there, as many audio actors wait as should, Asterisk is connected, no call is open that has
        no caller, and all callers hear themselves. Raises `NotBack`."""
        lacking = ["the supervisor does not answer"]
        try:
            async with asyncio.timeout(within):
                while lacking:
                    with contextlib.suppress(NoAnswer, Refused):
                        lacking = self._lacking(await self.status())
                    if lacking:
                        await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise NotBack(f"not at full strength after {within:g} s: {', '.join(lacking)}") from None

    def _lacking(self, status: SystemStatus) -> list[str]:
        living = [call for call in self.calls if call.is_up]
        lacking = [f"{actor.name} is {actor.state}" for actor in status.actors if actor.state != "ready"]
        lacking += [] if status.ready else list(status.problems)
        if status.warm_audio < self.place.setting.warm:
            lacking.append(f"{status.warm_audio} audio actors wait")
        if APP not in self._applications:
            lacking.append("Asterisk is not connected")
        if len(status.calls) != len(living):
            lacking.append(f"{len(status.calls)} calls are open for {len(living)} callers")
        now = time.monotonic_ns()
        mute = sum(call.heard(now - VOICE_NS, now).longest_without_mark_ms >= VOICE_NS / 1e6 for call in living)
        return lacking + ([f"{mute} callers do not hear themselves"] if mute else [])

    @property
    def _applications(self) -> Sequence[str]:
        try:
            return self.place.asterisk.applications
        except RuntimeError:  # it is not running
            return ()

    async def replaced(self, before: Collection[ActorStatus], within: float = FULL_S) -> None:
        """Their successors of the same name are ready. Not of audio actors, which have none. Raises `NotBack`."""
        old = {actor.name: actor.pid for actor in before}
        try:
            async with asyncio.timeout(within):
                while True:
                    with contextlib.suppress(NoAnswer, Refused):
                        actors = (await self.status()).actors
                        ready = [actor for actor in actors if actor.state == "ready" and actor.name in old]
                        if sum(actor.pid != old[actor.name] for actor in ready) == len(old):
                            return
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise NotBack(f"{', '.join(old)}: not replaced within {within:g} s") from None

    async def allowance(self, deaths: int) -> None:
        """Waits until so many audio actors may die."""
        now = time.monotonic()
        while self._deaths and self._deaths[0] < now - DEATHS_S:
            self._deaths.popleft()
        many = len(self._deaths) + deaths - MOST_DEATHS
        if many > 0 and self._deaths:
            await asyncio.sleep(self._deaths[min(many, len(self._deaths)) - 1] + DEATHS_S - now)
        self._deaths.extend([time.monotonic()] * deaths)


@contextlib.asynccontextmanager
async def scene(calls: int, folder: Path) -> AsyncIterator[Scene]:
    """The system with so many calls on it. Raises `NotReady`, `NoGenerator` or `NotBack`."""
    own = small_shm.possible()
    launcher = ("bench.chaos.small_shm", str(SHM_MB)) if own else ()
    setting = Setting(calls=2 * calls, conversations=CONVERSATIONS, changes=CHANGES, launcher=launcher)
    async with venue(setting, folder) as place:
        made = Scene(place, calls, own)
        await made.top_up()
        await made.full_strength()
        yield made
