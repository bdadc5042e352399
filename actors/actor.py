"""The life of every actor that is on the bus: `run(role)` is its whole main program.

    async def serve(actor: Actor) -> None:
        engine = load(actor.settings)           # as long as it takes, up to the supervisor's limit
        actor.bus.on(Speak, engine.speak)
        actor.ready()                           # from now on it is given work, and must show progress
        await actor.stopping.wait()             # SIGTERM; the supervisor kills whoever takes too long
        await engine.close()

    if __name__ == "__main__":
        run(serve)

Audio actors do without this: their loop blocks, and owns no bus (`actors.audio`).
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from actors import scheduling, trouble
from actors.catalogue import Unusable
from config.load import Config, load
from config.problem import ConfigError
from config.schema import Settings
from ipc import last_words, logs
from ipc.bus import Bus
from ipc.lifeline import Lifeline
from ipc.progress import Progress, State
from models import planned

log = logging.getLogger(__name__)

BUMP_S = 0.2
"""The loop shows progress five times a second: `actors.stall_s` is never less than a few of them."""

FAILED, WRONG_USE = 1, 2
"""Exit codes."""


class Actor:
    """What a role gets to work with."""

    def __init__(self, lifeline: Lifeline, config: Config, bus: Bus, progress: Progress) -> None:
        self.lifeline = lifeline
        self.name = lifeline.name
        self.config = config
        self.bus = bus
        self.progress = progress
        self.stopping = asyncio.Event()
        """Set when the actor has been told to end."""

    @property
    def settings(self) -> Settings:
        return self.config.settings

    @property
    def run_dir(self) -> Path:
        return self.lifeline.run_path

    @property
    def number(self) -> int:
        """Which of its role, from 1: 2 for "stt.2"."""
        tail = self.name.rpartition(".")[2]
        return int(tail) if tail.isdigit() else 1

    def ready(self) -> None:
        """Tells the supervisor that the actor can do its work: models are loaded and have been exercised."""
        self.progress.show(State.READY)
        self.lifeline.tell()
        log.info("ready")

    def set_calls(self, calls: int) -> None:
        """Shows on how many calls the actor is working."""
        self.progress.set_calls(calls)


def run(role: Callable[[Actor], Awaitable[None]]) -> None:
    """Lives the actor's life and ends the process: 0 when it was told to end, 1 when the role failed or returned early.

    A role that raises `Unusable` is not started again for a while, and the operator reads why. Any other error: exit
    code 1, and its traceback in the log. Starting again is the supervisor's business.
    """
    # Ctrl-C in a terminal goes to every process of it. Only the supervisor acts on it, and tells the actors in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        lifeline = Lifeline.from_environment(os.environ)
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(WRONG_USE)
    progress = lifeline.hold()
    logs.set_up(lifeline.name, "info")
    try:
        config = planned.applied(load(Path(lifeline.config)), lifeline.run_path)
    except ConfigError as error:
        log.error("%s", error)
        sys.exit(WRONG_USE)
    logs.set_up(lifeline.name, config.settings.run.log_level)
    scheduling.take(lifeline.placement)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_live(role, lifeline, config, progress)))


async def _live(
    role: Callable[[Actor], Awaitable[None]], lifeline: Lifeline, config: Config, progress: Progress
) -> int:
    loop = asyncio.get_running_loop()
    lifeline.watch(loop)
    async with Bus(lifeline.run_path, lifeline.name) as bus:
        actor = Actor(lifeline, config, bus, progress)
        loop.add_signal_handler(signal.SIGTERM, actor.stopping.set)
        bus.spawn(_show_progress(progress), "progress")
        trouble.goes_over(bus)
        try:
            await role(actor)
        except Unusable as reason:
            log.error("%s", reason)
            last_words.leave(lifeline.run_path, lifeline.name, str(reason))
            return last_words.EXIT_CODE
        progress.show(State.STOPPING)
    if actor.stopping.is_set():
        return 0
    log.error("ended without having been told to")
    return FAILED


async def _show_progress(progress: Progress) -> None:
    while True:
        progress.bump()
        await asyncio.sleep(BUMP_S)
