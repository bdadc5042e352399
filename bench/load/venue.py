"""The real system, the stand-in Asterisk and the callers, all up: where a rung, or another bench, takes place."""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.asterisk import Asterisk
from bench.load import burner, usage
from bench.load.callers import SPEECH_EVERY, Call, Callers, Manner, NotServed
from bench.system import COMMAND, DIALPLAN, PASSWORD, USER, Sections, System, free_port, settings
from ipc.messages import ActorChanged, CallList, ListCalls, OpenedCall
from supervisor.instance import segment_prefix

Flow = Literal["ari", "direct"]

WARM = 8
"""Audio actors kept ready: a fork takes about 2 ms, so so many bridge 10 arrivals that come at once."""
SPARE_CALLS = 8
"""On top of `audio.max_calls`: a call counts until its process has gone, its successor may be there by then."""
UP_S = 20.0
ANSWER_S = 20.0
GONE_LIMIT_S = 10.0
LOOK_S = 0.002
"""Between two looks at whether a call's segment is still there."""

CALLS_PER_GENERATOR = 450
"""What one carries with half a core (400 calls: 45 % measured)."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is up.

    calls:        most at once
    flow:         "ari": a phone dials, call-control answers, bridges and originates; "direct": AudioSocket alone
    provider:     the agent: "loopback" gives callers their own voice back, "speaker" talks without end and can be
                  interrupted; callers behave accordingly. "" is the pipeline that ships
    dense:        calls per audio process
    warm:         audio processes kept ready for the next calls
    conversations: processes of the role conversation
    priority:     real-time priority that the audio actors ask for; None leaves the default
    unprivileged: the system gets neither real-time priority nor negative niceness
    launcher:     a module and its arguments, by which the system is started instead
    beside:       processes that burn a core each meanwhile, at niceness 0
    generators:   0: as many as the calls need
    changes:      settings by section, over all of the above
    """

    calls: int
    flow: Flow = "ari"
    provider: str = "loopback"
    dense: int = 1
    warm: int = WARM
    conversations: int = 1
    priority: int | None = None
    unprivileged: bool = False
    launcher: Sequence[str] = ()
    beside: int = 0
    generators: int = 0
    seed: int = 1
    changes: Sections = field(default_factory=dict)

    def sections(self, ari_port: int, audio_port: int) -> Sections:
        audio: dict[str, Any] = {
            "warm": self.warm,
            "max_calls": self.calls + SPARE_CALLS,
            "calls_per_process": self.dense,
        }
        if self.priority is not None:
            audio["priority"] = self.priority
        made: dict[str, Any] = {
            "audio": audio,
            "actors": {"conversation": {"count": self.conversations}},
            "run": {"log_level": "warning"},
        }
        for name, section in self.changes.items():
            made[name] = {**made.get(name, {}), **section} if isinstance(section, Mapping) else section
        whole: dict[str, Any] = dict(settings(ari_port, audio_port, made))
        whole["default_provider"] = self.provider
        return whole

    def manner(self) -> Manner:
        return Manner(
            marks=self.provider == "loopback",
            speech_every=SPEECH_EVERY if self.provider == "speaker" else 0,
            listens=self.provider not in ("loopback", "speaker"),
        )


class Venue:
    """Made by `venue`."""

    def __init__(
        self, setting: Setting, system: System, asterisk: Asterisk, callers: Callers, audio_port: int, folder: Path
    ) -> None:
        self.setting = setting
        self.system = system
        self.asterisk = asterisk
        self.callers = callers
        self.audio_port = audio_port
        self.folder = folder
        """Settings and log of the system."""
        self.refused: list[str] = []
        """Why calls were not served."""
        self.pids: dict[str, int] = {}
        """Of every actor, by name."""

    async def call(self) -> Call:
        """One caller, by the setting's flow; not up yet."""
        if self.setting.flow == "ari":
            return self.callers.dial(self.asterisk)
        return await self.callers.direct(self.audio_port)

    async def calls(self, count: int, each_s: float = 0.1) -> list[Call]:
        """So many callers, one every `each_s`; those that came up. For the others see `refused`."""
        made: list[Call] = []
        begin = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, begin + number * each_s - time.monotonic()))
            made.append(await self.call())
        served = await asyncio.gather(*(self.is_served(call) for call in made))
        return [call for call, fine in zip(made, served, strict=True) if fine]

    async def is_served(self, call: Call) -> bool:
        """Waits until the call is up. One that is not is noted in `refused`, and ended."""
        try:
            await call.up(UP_S)
        except (NotServed, TimeoutError) as error:
            self.refused.append(str(error) or f"not up within {UP_S:g} s")
            call.hang_up()
            return False
        return True

    async def opened(self) -> dict[str, OpenedCall]:
        """The system's open calls by the UUID of their media connection."""
        answer = await self.system.bus.expect("supervisor", ListCalls(), CallList, within=ANSWER_S)
        return {call.media_uuid: call for call in answer.calls}

    async def hang_up(self, calls: Sequence[Call], each_s: float = 0.0) -> list[float]:
        """Ends them; for each the ms from hanging up until its audio process (where it has one for itself) and its
        segment are gone. inf for a call that was not gone within 10 s."""
        opened = await self.opened()
        leaving = []
        for call in calls:
            leaving.append(asyncio.ensure_future(self._gone(call, opened.get(call.media_uuid))))
            await asyncio.sleep(each_s)
        took = await asyncio.gather(*leaving)
        return [ms for ms in took if ms is not None]

    async def _gone(self, call: Call, opened: OpenedCall | None) -> float | None:
        pidfd = -1
        if opened is not None and self.setting.dense == 1:
            with contextlib.suppress(ProcessLookupError, KeyError):
                pidfd = os.pidfd_open(self.pids[opened.audio_actor])
        try:
            call.hang_up()
            try:
                async with asyncio.timeout(GONE_LIMIT_S):
                    await call.over.wait()
                    if opened is None:
                        return None
                    gone = await _ended(pidfd) if pidfd >= 0 else 0
                    gone = max(gone, await _missing(Path("/dev/shm") / opened.segment))
            except TimeoutError:
                return float("inf")
        finally:
            if pidfd >= 0:
                os.close(pidfd)
        return (gone - call.hung_up_ns) / 1e6

    def shared_mb(self) -> float:
        """All of the system's segments."""
        return usage.shared_mb(segment_prefix(self.system.run_dir))

    async def _changed(self, sender: str, change: ActorChanged) -> None:
        self.pids[change.name] = change.pid


async def _ended(pidfd: int) -> int:
    """When the process had ended."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def note() -> None:
        loop.remove_reader(pidfd)
        if not ended.done():
            ended.set_result(time.monotonic_ns())

    loop.add_reader(pidfd, note)
    try:
        return await ended
    finally:
        loop.remove_reader(pidfd)


async def _missing(path: Path) -> int:
    """When it was seen that the file is not there: at most 2 ms after it went, where the event loop is not busy."""
    while path.exists():
        await asyncio.sleep(LOOK_S)
    return time.monotonic_ns()


@contextlib.asynccontextmanager
async def venue(setting: Setting, folder: Path | None = None) -> AsyncIterator[Venue]:
    """All of it up, and down again at the end. `folder` keeps the system's settings and log.

    Raises `bench.system.NotReady` or `NoGenerator`.
    """
    usage.most_open_files()
    async with contextlib.AsyncExitStack() as stack:
        # Not under `folder`: nobody knows how long its path is.
        run_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringmaster-")))
        kept = folder or run_dir
        kept.mkdir(parents=True, exist_ok=True)
        generators = setting.generators or -(-setting.calls // CALLS_PER_GENERATOR)
        callers = await stack.enter_async_context(Callers(setting.manner(), generators, setting.seed))
        asterisk = Asterisk(DIALPLAN, user=USER, password=PASSWORD, media=callers)
        await stack.enter_async_context(asterisk)
        audio_port = free_port()
        launcher = ("bench.load.unprivileged",) if setting.unprivileged else setting.launcher
        command = (COMMAND[0], "-m", *launcher, *COMMAND) if launcher else COMMAND
        system = System(kept, run_dir, setting.sections(asterisk.port, audio_port), command)
        await stack.enter_async_context(system)
        place = Venue(setting, system, asterisk, callers, audio_port, kept)
        await system.bus.subscribe("supervisor", ActorChanged, place._changed)
        await system.until_ready(setting.warm)
        await system.until_connected(asterisk)
        place.pids.update({actor.name: actor.pid for actor in (await system.status(ANSWER_S)).actors})
        await stack.enter_async_context(burner.burning(setting.beside))
        yield place
