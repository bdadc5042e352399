"""The supervisor: one process that starts all others, keeps them alive, and owns what must outlive them.

    supervisor -- tree, specs        who is restarted, and when it is too often       (decides)
               |- children           processes, progress board                        (does)
               |- warm_pool          audio actors that wait for a call
               |- media_door         AudioSocket listener, UUID -> call
               `- calls              rings, bells, connections, takeover
                  `- lines           what an awaited connection needs: an RTP port, a WebSocket that we dial

It answers on the bus as "supervisor". It does no work of its own that could hang: no file is read, no model is loaded
once it runs, and a name is looked up in a thread that nobody else waits for. When it dies, everything does
(`ipc.lifeline`), and systemd starts it again.
"""

import asyncio
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from config.load import Config
from ipc import logs, prctl
from ipc.actions import CallRefused
from ipc.bus import Bus
from ipc.descriptors import DescriptorStore
from ipc.messages import (
    ActorChanged,
    CallList,
    CallOpened,
    CloseCall,
    ConnectMedia,
    ExpectMedia,
    FileHeard,
    ListCalls,
    MediaAwaited,
    OfferMedia,
    OpenCall,
    Problem,
)
from ipc.orders import Drain, Dump, Dumped, RestartHouse, Status, SystemStatus
from ipc.sessions import CloseSession, OpenSession
from models import planned
from models.plan import Plan
from supervisor import handover, ports, restart, status, systemd
from supervisor.calls import Calls
from supervisor.children import Change, Children
from supervisor.flight import Flights
from supervisor.guard import Guard
from supervisor.handover import HandOver
from supervisor.instance import CannotRun, Instance
from supervisor.media_door import MediaDoor
from supervisor.restart import Restart
from supervisor.retune import Retune
from supervisor.sessions import Sessions
from supervisor.specs import AUDIO, CALL_CONTROL, CONVERSATION, Group, house
from supervisor.warm_pool import WarmPool

log = logging.getLogger(__name__)

NAME = "supervisor"

OFFER_S = 5.0
"""For call-control to open a call that came straight from the dialplan. The caller hears nothing meanwhile."""

TICK_S = 1.0
"""How often the warm pool is looked at again (it may have cooled down), and the watchdog is fed at most."""

FINISH_S = 40.0
"""For the whole house to stop. Reached only when a killed process does not end, as one that waits for a dead disk."""

SUPERVISOR_NICE = -5
"""As call-control, which asks it."""

READY = "ready"
"""What systemd is told when nothing is lacking."""

OK, FAILED = 0, 1


def up(
    config: Config, run_dir: Path, groups: Sequence[Group] | None = None, command: Sequence[str] | None = None
) -> int:
    """Runs the whole system until it is told to end; gives the exit code. What prevents it from starting is logged.

    `groups` are those of `house` unless told otherwise; `command` is what takes this program's place when the system is
    started anew (`supervisor.restart`): `ringmaster up`.
    """
    logs.set_up(NAME, config.settings.run.log_level)
    prctl.set_name("ringmaster")
    if command is None:
        options = ("--config", str(config.path), "--run-dir", str(run_dir), "--role", config.role)
        command = (sys.executable, "-m", "supervisor.cli", "up", *options)
    try:
        handed = handover.received(os.environ)
        with Instance(run_dir, handed.lock if handed else None) as instance:
            Flights(instance.run_dir, instance.segment_prefix).salvage()
            for name in instance.reap(handed.segments() if handed else ()):
                log.warning("removed shared memory that a predecessor has left: %s", name)
            _raise_file_limit()
            _be_prompt()
            prctl.adopt_orphans()
            config, plan = _planned(config, instance.run_dir)
            groups = groups or house(config.settings, config.role, plan.places)
            supervisor = Supervisor(config, instance, groups, handed)
            code = asyncio.run(supervisor.run())
            if supervisor.left is not None:
                handover.leap(supervisor.left, command)
            planned.forget(instance.run_dir)
            return code
    except CannotRun as error:
        log.error("%s", error)
    except OSError as error:
        log.error("cannot be started anew: %s", error)
    return FAILED


def _planned(config: Config, run_dir: Path) -> tuple[Config, Plan]:
    """The configuration with numbers for what is left to the hardware tier. Raises `CannotRun`, `ConfigError`."""
    try:
        return planned.begin(config, run_dir)
    except OSError as error:
        raise CannotRun(f"{run_dir} cannot be written to: {error.strerror}") from error


def _raise_file_limit() -> None:
    """Each call takes eight descriptors here, and a thousand may knock at the door: the usual 1024 are too few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _be_prompt() -> None:
    """It computes little, and every call that comes or goes waits for it. Children begin as normal ones."""
    try:
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, SUPERVISOR_NICE)
    except PermissionError:
        log.debug("runs as a normal process: niceness below 0 is not permitted")


def _resumes(group: Group) -> bool:
    return group.waits or group.name == CONVERSATION


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


class Supervisor:
    """Lives once: `run`."""

    def __init__(
        self, config: Config, instance: Instance, groups: Sequence[Group], handed: HandOver | None = None
    ) -> None:
        """`handed` is what a predecessor has left, whose calls go on."""
        self.left: HandOver | None = None
        """What this one leaves, after `run`, to the program that is to take its place."""
        self._config = config
        self._handed = handed
        # Who resumes calls wants engines at once. Where there are no calls, everybody loads beside the others.
        self._groups = groups if handed is None else [replace(group, waits=_resumes(group)) for group in groups]
        self._instance = instance
        self._started = time.monotonic()
        self._gauge = status.Gauge()
        self._problems: dict[str, str] = {}
        self._takes_calls = any(group.name == AUDIO for group in groups)
        """False where engines only serve other machines (`config.roles`)."""
        self._stopping = False
        self._told_up = False
        self._told_status = ""

    async def run(self) -> int:
        """Raises `CannotRun`."""
        stop = self._note_signals()
        restart.heed_signals()
        self._make()
        try:
            async with Bus(self._instance.run_dir, NAME) as bus:
                self._bus = bus
                self._wire()
                if self._handed is not None:
                    self._restart.take_over(self._handed)
                store = DescriptorStore(self._instance.run_dir, self._bells)
                bus.spawn(store.serve(), "descriptors")
                bus.spawn(self._children.watch(), "watch")
                bus.spawn(self._tick(), "tick")
                bus.spawn(self._guard.watch(), "guard")
                door = bus.spawn(self._door.serve(), "media door") if self._takes_calls else None
                self._children.begin()
                if door is not None:
                    log.info("starting; AudioSocket on %s:%d", self._config.settings.audiosocket.host, self._door.port)
                await _first(stop, self._restart.wanted)
                self._stopping = True
                if not stop.is_set():
                    systemd.notify(systemd.reloading(time.monotonic_ns()))
                    await self._restart.let_go()
                if not stop.is_set():
                    restart.hold_signals()
                    self.left = self._restart.state()
                    self._retune.take_back()
                else:
                    log.info("stopping")
                    systemd.notify("STOPPING=1")
                    if door is not None:
                        door.cancel()
                    await self._finish()
        finally:
            if self.left is None:
                self._children.close()
            else:
                self._children.let_go()
        log.info("stopped" if self.left is None else "leaves to its successor")
        return OK

    def _make(self) -> None:
        """All parts, and the port: what can be missing on this machine is missing here, before anything is started."""
        settings, prefix = self._config.settings, self._instance.segment_prefix
        try:
            run_dir = self._instance.run_dir
            self._children = Children(self._groups, self._config, run_dir, f"{prefix}board", self._handed)
        except OSError as error:
            raise CannotRun(str(error)) from error
        self._pool = WarmPool(self._children, settings.audio)
        # The bus comes later than its users.
        publish, tell = lambda event: self._bus.publish(event), lambda peer, note: self._bus.tell(peer, note)
        self._calls = Calls(self._pool, self._children, prefix, settings, publish, tell)
        self._sessions = Sessions(prefix)
        self._retune = Retune(self._children, self._pool, self._config.path)
        self._guard = Guard(self._children, self._calls)
        self._door = MediaDoor(settings.audiosocket, self._calls, self._offer)
        try:
            if self._takes_calls:
                self._door.listen(self._handed.listener if self._handed else None)
        except OSError as error:
            self._children.close()
            address = settings.audiosocket
            raise CannotRun(ports.explain(error, address.host, address.port, "audiosocket")) from error
        self._children.flights.record_own()
        parts = (self._instance, self._children, self._pool, self._calls, self._door)
        self._restart = Restart(*parts, self._config.path)

    def _note_signals(self) -> asyncio.Event:
        """The handlers only note that a signal came; SIGHUP too, unless whoever started us had it ignored (nohup)."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in restart.SIGNALS:
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
        self._bus.on(ConnectMedia, self._connect_media)
        self._bus.on(FileHeard, self._file_heard)
        self._bus.on(CloseCall, self._close_call)
        self._bus.on(ListCalls, self._list_calls)
        self._bus.on(OpenSession, self._sessions.open)
        self._bus.on(CloseSession, self._sessions.close)
        self._bus.on(Status, self._status)
        self._bus.on(Drain, self._drain)
        self._bus.on(RestartHouse, self._restart.order)
        self._bus.on(Dump, self._dump)
        self._bus.on(Problem, self._note_problem)
        self._bus.on(CallRefused, self._note_refused)
        self._retune.wire(self._bus)

    # -- children

    def _changed(self, name: str, role: str, change: Change, pid: int, reason: str) -> None:
        self._bus.publish(ActorChanged(name=name, role=role, state=change, pid=pid, reason=reason))
        if change == "ready":
            self._pool.became_ready(name)
            self._retune.became_ready(name, role, pid)
        if change == "dead":
            self._problems.pop(name, None)
            self._sessions.owner_ended(name)
        self._tell_systemd()

    def _ended(self, name: str) -> None:
        actor = self._pool.ended(name)
        if actor is not None:
            self._calls.actor_ended(actor)
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
        if not self._told_up and status.up(self._children):
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
        if not self._takes_calls:
            return missing
        if not self._children.tree.admits(AUDIO):
            missing.append("audio actors keep dying, no new ones are made for a while; see the log for why")
        elif not self._pool.has_room and not self._calls.full:
            missing.append("no audio actor waits for a call")
        if self._calls.draining:
            missing.append("draining: no new calls are taken (`ringmaster drain --off` takes that back)")
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

    def _bells(self, owner_id: str) -> Sequence[int] | None:
        """Those of a call or of a session."""
        bells = self._calls.bells(owner_id)
        return self._sessions.bells(owner_id) if bells is None else bells

    async def _open_call(self, sender: str, command: OpenCall) -> CallOpened:
        return self._calls.open(command, sender)

    async def _expect_media(self, sender: str, command: ExpectMedia) -> MediaAwaited:
        return self._calls.expect(command.call_id, command.media_uuid, command.wire)

    async def _connect_media(self, sender: str, command: ConnectMedia) -> None:
        await self._calls.connect(command)

    async def _file_heard(self, sender: str, note: FileHeard) -> None:
        self._calls.file_heard(note)

    async def _close_call(self, sender: str, command: CloseCall) -> None:
        await self._calls.close(command.call_id)

    async def _list_calls(self, sender: str, command: ListCalls) -> CallList:
        return CallList(calls=self._calls.listing())

    async def _note_refused(self, sender: str, message: CallRefused) -> None:
        self._calls.refused[message.reason] += 1

    async def _note_problem(self, sender: str, note: Problem) -> None:
        if note.text:
            log.warning("%s: %s", sender, note.text)
            self._problems[sender] = note.text
        else:
            self._problems.pop(sender, None)

    async def _drain(self, sender: str, order: Drain) -> None:
        log.info("draining: no new calls are taken" if order.on else "new calls are taken again")
        self._calls.draining = order.on
        self._tell_systemd()

    async def _dump(self, sender: str, order: Dump) -> Dumped:
        living = ((child.spec, self._children.process(child.name)) for child in self._children.tree)
        alive = [(spec, process) for spec, process in living if process is not None]
        return await self._children.flights.dump(order.names, alive)

    async def _status(self, sender: str, command: Status) -> SystemStatus:
        actors = await status.actors(self._children, self._gauge, self._started)
        told = (f"{name}: {text}" for name, text in self._problems.items())
        return SystemStatus(
            version=version("ringmaster"),
            pid=os.getpid(),
            uptime_s=time.monotonic() - self._started,
            ready=self._ready,
            actors=actors,
            calls=self._calls.listing(),
            warm_audio=len(self._pool),
            media_refused=dict(self._door.refused + self._calls.media_refused),
            calls_refused=dict(self._calls.refused),
            draining=self._calls.draining,
            max_call_s=self._config.settings.turns.max_call_s,
            problems=(*self._lacking, *status.excuses(self._children), *self._guard.problems, *told),
            role=self._config.role,
        )
