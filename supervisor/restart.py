"""Everything but the audio actors in calls is started anew, the supervisor included, and no caller is cut off.

    order --rehearsal fails--> refused, nothing has changed
      '-----rehearsal goes well--> door rests, children stop from right to left, all but audio actors in calls
                                   --> the state is handed over, exec (`supervisor.handover`)
                                   --> new program: adopts actors and calls, starts all others, which resume the calls

Meanwhile the audio actors go on by themselves: they keep the clock, write the ear, and play what is in the mouth.
New connections wait in the listener's queue.
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from ipc.bus import Refused
from ipc.orders import RestartHouse
from supervisor import handover
from supervisor.calls import Calls
from supervisor.children import Children
from supervisor.handover import HandOver
from supervisor.instance import Instance
from supervisor.media_door import MediaDoor
from supervisor.warm_pool import AudioActor, WarmPool

log = logging.getLogger(__name__)

REHEARSAL_S = 20.0
"""For an interpreter to import everything and read the configuration: 0.5 s on an idle machine."""

REST_S = 1.0
"""For connections that are at the door: Asterisk sends its UUID with the first packet."""

STOP_S = 40.0
"""For everybody else to stop. Reached only when a killed process does not end, as one that waits for a dead disk."""

SETTLE_S = 3.0
"""For calls that are just being closed, which takes 2 s at most."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Those that end the system. Between the two programs they wait."""


class Restart:
    def __init__(
        self, instance: Instance, children: Children, pool: WarmPool, calls: Calls, door: MediaDoor, config: Path
    ) -> None:
        self.wanted = asyncio.Event()
        """Set once nothing stands against it."""
        self._instance = instance
        self._children = children
        self._pool = pool
        self._calls = calls
        self._door = door
        self._config = config
        self._rehearsing = False

    async def order(self, sender: str, order: RestartHouse) -> None:
        """Raises `Refused`."""
        if self._rehearsing or self.wanted.is_set() or self._children.tree.finishing:
            raise Refused("the system is being started anew or stopped already", busy=True)
        self._rehearsing = True
        try:
            await self._rehearse()
        finally:
            self._rehearsing = False
        log.info("to be started anew; %d calls go on", len(self._calls))
        self.wanted.set()

    async def _rehearse(self) -> None:
        memory = handover.write(self.state())
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.rehearsal", str(self._config)],
                env={**os.environ, handover.VARIABLE: str(memory)},
                pass_fds=[memory],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                process_group=0,
            )
        except OSError as error:
            raise Refused(f"the new program cannot be run: {error}; nothing has been changed") from error
        finally:
            os.close(memory)
        self._children.helpers.add(process.pid)
        try:
            # In a thread, for it reads until the end and waits; it is killed at the deadline, and then over.
            _, told = await asyncio.to_thread(process.communicate, timeout=REHEARSAL_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Refused(f"the new program did not start within {REHEARSAL_S:g} s; nothing has been changed") from None
        finally:
            self._children.helpers.discard(process.pid)
        if process.returncode:
            reason = told.decode(errors="replace").strip()
            raise Refused(f"the new program could not go on from here; nothing has been changed. It says:\n{reason}")

    # -- the old program

    async def let_go(self) -> None:
        """Returns when only what is handed over is left."""
        await asyncio.gather(self._door.rest(REST_S), self._calls.rest(REST_S))
        try:
            async with asyncio.timeout(STOP_S):
                await self._children.finish(self._pool.serves)
        except TimeoutError:
            log.error("not everything has stopped after %g s; going on without the rest", STOP_S)
        await self._calls.settle(SETTLE_S)

    def state(self) -> HandOver:
        """As it is at this moment."""
        death, life, bell = self._children.ties
        return HandOver(
            lock=self._instance.lock_fd,
            listener=self._door.listener_fd,
            death=death,
            life=life,
            bell=bell,
            board=self._children.board,
            actors=tuple(
                self._children.handed(actor.name, actor.control.fileno(), used=actor.used)
                for actor in self._pool.serving()
            ),
            calls=self._calls.handed(),
            last_actor=self._pool.last_number,
            last_segment=self._calls.last_number,
            draining=self._calls.draining,
            calls_refused=dict(self._calls.refused),
            media_refused=dict(self._door.refused + self._calls.media_refused),
        )

    # -- the new program

    def take_over(self, handed: HandOver) -> None:
        """Those who have died while nobody looked are found dead at once, by their pidfd."""
        actors: dict[str, AudioActor] = {}
        for living in handed.actors:
            actor = AudioActor(living.name, socket.socket(fileno=living.control), used=living.used)
            own = [call for call in handed.calls if call.actor == living.name]
            actor.calls = {call.call_id for call in own}
            actor.attached = sum(call.attached for call in own)
            actors[living.name] = actor
            self._children.take_over(living)
            self._pool.adopt(actor)
        self._pool.last_number = handed.last_actor
        self._calls.adopt(handed.calls, actors)
        self._calls.last_number = handed.last_segment
        self._calls.draining = handed.draining
        self._calls.refused.update(handed.calls_refused)
        self._door.refused.update(handed.media_refused)
        log.info("goes on with %d calls on %d audio actors", len(handed.calls), len(actors))


def hold_signals() -> None:
    """Whoever wants the system to end between the two programs waits for the second."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def heed_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
