"""The supervisor: one process that starts all others, keeps them alive, and owns what must outlive them.

    supervisor -- tree, specs        who is restarted, and when it is too often       (decides)
               |- children           processes, progress board                        (does)
               |- warm_pool          audio actors that wait for a call
               |- media_door         AudioSocket listener, UUID -> call
               `- calls              rings, bells, connections, takeover

It answers on the bus as "supervisor". It does no work of its own that could hang: no name is looked up, no file is
read, no model is loaded once it runs. When it dies, everything does (`ipc.lifeline`), and systemd starts it again.
"""

import asyncio
import logging
import os
import resource
import signal
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from config.load import Config
from ipc import logs, prctl
from ipc.bus import Bus
from ipc.descriptors import DescriptorStore
from ipc.messages import (
    ActorChanged,
    CallList,
    CallOpened,
    CloseCall,
    ExpectMedia,
    ListCalls,
    OfferMedia,
    OpenCall,
    Problem,
)
from ipc.orders import Status, SystemStatus
from supervisor import ports, status, systemd
from supervisor.calls import Calls
from supervisor.children import Change, Children
from supervisor.instance import CannotRun, Instance
from supervisor.media_door import MediaDoor
from supervisor.specs import AUDIO, CALL_CONTROL, Group, house
from supervisor.warm_pool import WarmPool

log = logging.getLogger(__name__)

NAME = "supervisor"

OFFER_S = 5.0
"""For call-control to open a call that came straight from the dialplan. The caller hears nothing meanwhile."""

TICK_S = 1.0
"""How often the warm pool is looked at again (it may have cooled down), and the watchdog is fed at most."""

FINISH_S = 40.0
"""For the whole house to stop. Reached only when a killed process does not end, as one that waits for a dead disk."""

READY = "ready"
"""What systemd is told when nothing is lacking."""

OK, FAILED = 0, 1


def up(config: Config, run_dir: Path, groups: Sequence[Group] | None = None) -> int:
    """Runs the whole system until it is told to end; gives the exit code. What prevents it from starting is logged.

    `groups` are those of `house` unless told otherwise.
    """
    logs.set_up(NAME, config.settings.run.log_level)
    prctl.set_name("ringmaster")
    try:
        with Instance(run_dir) as instance:
            for name in instance.reap():
                log.warning("removed shared memory that a predecessor has left: %s", name)
            _raise_file_limit()
            prctl.adopt_orphans()
            return asyncio.run(Supervisor(config, instance, groups or house(config.settings)).run())
    except CannotRun as error:
        log.error("%s", error)
        return FAILED


def _raise_file_limit() -> None:
    """Each call takes seven descriptors here, and a thousand may knock at the door: the usual 1024 are too few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Supervisor:
    """Lives once: `run`."""

    def __init__(self, config: Config, instance: Instance, groups: Sequence[Group]) -> None:
        self._config = config
        self._groups = groups
        self._instance = instance
        self._started = time.monotonic()
        self._gauge = status.Gauge()
        self._problems: dict[str, str] = {}
        self._stopping = False
        self._told_up = False
        self._told_status = ""

    async def run(self) -> int:
        """Raises `CannotRun`."""
        stop = self._note_signals()
        self._make()
        try:
            async with Bus(self._instance.run_dir, NAME) as bus:
                self._bus = bus
                self._wire()
                store = DescriptorStore(self._instance.run_dir, self._calls.bells)
                bus.spawn(store.serve(), "descriptors")
                bus.spawn(self._children.watch(), "watch")
                bus.spawn(self._tick(), "tick")
                door = bus.spawn(self._door.serve(), "media door")
                self._children.begin()
                log.info("starting; AudioSocket on %s:%d", self._config.settings.audiosocket.host, self._door.port)
                await stop.wait()
                log.info("stopping")
                self._stopping = True
                systemd.notify("STOPPING=1")
                door.cancel()
                await self._finish()
        finally:
            self._children.close()
        log.info("stopped")
        return OK

    def _make(self) -> None:
        """All parts, and the port: what can be missing on this machine is missing here, before anything is started."""
        settings, prefix = self._config.settings, self._instance.segment_prefix
        try:
            self._children = Children(self._groups, self._config, self._instance.run_dir, f"{prefix}board")
        except OSError as error:
            raise CannotRun(str(error)) from error
        self._pool = WarmPool(self._children, settings.audio.warm, settings.audio.max_calls)
        self._calls = Calls(self._pool, self._children, prefix, lambda event: self._bus.publish(event))
        self._door = MediaDoor(settings.audiosocket, self._calls, self._offer)
        try:
            self._door.listen()
        except OSError as error:
            self._children.close()
            address = settings.audiosocket
            raise CannotRun(ports.explain(error, address.host, address.port, "audiosocket")) from error

    def _note_signals(self) -> asyncio.Event:
        """The handlers only note that a signal came; SIGHUP too, unless whoever started us had it ignored (nohup)."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, stop.set)
        return stop

    def _wire(self) -> None:
        """Who hears of what."""
        self._children.on_change = self._changed
        self._children.on_control = self._pool.nursery_came
        self._children.on_end = self._ended
        self._bus.on(OpenCall, self._open_call)
        self._bus.on(ExpectMedia, self._expect_media)
        self._bus.on(CloseCall, self._close_call)
        self._bus.on(ListCalls, self._list_calls)
        self._bus.on(Status, self._status)
        self._bus.on(Problem, self._note_problem)

    # -- children

    def _changed(self, name: str, role: str, change: Change, pid: int, reason: str) -> None:
        self._bus.publish(ActorChanged(name=name, role=role, state=change, pid=pid, reason=reason))
        if change == "ready":
            self._pool.became_ready(name)
        if change == "dead":
            self._problems.pop(name, None)
        self._tell_systemd()

    def _ended(self, name: str) -> None:
        self._pool.ended(name)
        self._calls.actor_ended(name)
        self._pool.fill()

    async def _tick(self) -> None:
        """Now and then: whatever no event tells."""
        watchdog_s = systemd.watchdog_s(os.environ)
        while True:
            self._pool.fill()
            self._tell_systemd()
            if watchdog_s is not None:
                systemd.notify("WATCHDOG=1")
            await asyncio.sleep(min(TICK_S, watchdog_s or TICK_S))

    def _tell_systemd(self) -> None:
        """How the system is, when that has changed; the log is told what matters of it."""
        if self._stopping:
            return
        # Not `_ready` itself: a system that lacks an engine serves callers with its fallback, and stays up.
        if not self._told_up and self._children.tree.capacity(CALL_CONTROL):
            self._told_up = systemd.notify("READY=1")
        word = "; ".join(self._lacking) or READY
        if word == self._told_status or not systemd.notify(f"STATUS={word}"):
            return
        if word == READY:
            log.info("ready (up for %.1f s)", time.monotonic() - self._started)
        elif self._told_status == READY:
            log.warning("not ready: %s", word)
        self._told_status = word

    @property
    def _lacking(self) -> list[str]:
        """What the system needs and does not have, one sentence each."""
        missing = [f"no {group} actor is ready" for group in status.lacking(self._children)]
        if not self._children.tree.admits(AUDIO):
            missing.append("audio actors keep dying, no new ones are made for a while; see the log for why")
        elif not len(self._pool) and not self._pool.full:
            missing.append("no audio actor waits for a call")
        return missing

    @property
    def _ready(self) -> bool:
        return not self._lacking

    async def _finish(self) -> None:
        """The children from right to left, then what is left of the calls. New callers no longer come in."""
        self._calls.begin_to_end()
        try:
            async with asyncio.timeout(FINISH_S):
                await self._children.finish()
        except TimeoutError:
            log.error("not everything has stopped after %g s; leaving the rest to the kernel", FINISH_S)
        await self._calls.close_all()

    # -- commands

    async def _offer(self, media_uuid: str) -> None:
        await self._bus.ask(CALL_CONTROL, OfferMedia(media_uuid=media_uuid), within=OFFER_S)

    async def _open_call(self, sender: str, command: OpenCall) -> CallOpened:
        return self._calls.open(command)

    async def _expect_media(self, sender: str, command: ExpectMedia) -> None:
        self._calls.expect(command.call_id, command.media_uuid)

    async def _close_call(self, sender: str, command: CloseCall) -> None:
        await self._calls.close(command.call_id)

    async def _list_calls(self, sender: str, command: ListCalls) -> CallList:
        return CallList(calls=self._calls.listing())

    async def _note_problem(self, sender: str, note: Problem) -> None:
        if note.text:
            log.warning("%s: %s", sender, note.text)
            self._problems[sender] = note.text
        else:
            self._problems.pop(sender, None)

    async def _status(self, sender: str, command: Status) -> SystemStatus:
        actors = await status.actors(self._children, self._gauge, self._started)
        return SystemStatus(
            version=version("ringmaster"),
            pid=os.getpid(),
            uptime_s=time.monotonic() - self._started,
            ready=self._ready,
            actors=actors,
            calls=self._calls.listing(),
            warm_audio=len(self._pool),
            media_refused=dict(self._door.refused),
            problems=(*self._lacking, *(f"{name}: {text}" for name, text in self._problems.items())),
        )
