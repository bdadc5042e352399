"""Audio actors that wait for a call: forked ahead of need by the nursery, so that a call takes one in no time.

    forking --Born--> starting --ready--> warm --take--> taken --> its call (`supervisor.calls`)
                                           ^--give_back--'

Each actor serves one call and ends with it; the pool forks the next one as soon as one is taken. When the nursery dies
its children live on, and its successor fills the pool again.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from ipc import descriptors
from ipc.descriptors import MediaMessage
from ipc.lifeline import Born, Lifeline
from supervisor.children import Children
from supervisor.specs import AUDIO, NURSERY
from supervisor.tree import State

log = logging.getLogger(__name__)

FORK_S = 5.0
"""A nursery that has not answered by then hangs: a fork takes milliseconds. It is killed, and its successor asked."""


@dataclass(eq=False)
class AudioActor:
    """One audio actor, and our end of its control socket."""

    name: str
    control: socket.socket
    stage: Literal["starting", "warm", "taken"] = "starting"
    used: bool = False
    """Has been given a connection."""


@dataclass
class _Birth:
    """An actor that the nursery has been asked for."""

    lifeline: Lifeline
    actor: AudioActor
    deadline: asyncio.TimerHandle


class WarmPool:
    def __init__(self, children: Children, warm: int, most: int) -> None:
        """Keeps `warm` actors waiting, but never more than `most` in all, taken ones included."""
        self.on_message: Callable[[AudioActor, MediaMessage], None] = lambda *_: None
        self.on_warm: Callable[[], None] = lambda: None
        """Called when another actor waits: somebody may have been waiting for one."""
        self._children = children
        # Without a single one no call could ever be taken.
        self._target = max(1, warm)
        self._most = most
        self._nursery: socket.socket | None = None
        self._births: dict[str, _Birth] = {}
        self._actors: dict[str, AudioActor] = {}
        self._last_number = 0

    def __len__(self) -> int:
        """How many wait."""
        return sum(actor.stage == "warm" for actor in self._actors.values())

    @property
    def full(self) -> bool:
        """True when as many as may be are in calls."""
        return sum(actor.stage == "taken" for actor in self._actors.values()) >= self._most

    # -- for calls

    def take(self) -> AudioActor | None:
        """The one that has waited longest; None when nobody waits."""
        for actor in self._actors.values():
            if actor.stage == "warm":
                actor.stage = "taken"
                self.fill()
                return actor
        return None

    def give_back(self, actor: AudioActor) -> None:
        """It was taken, and not used: it can wait for another call."""
        actor.stage = "warm"
        self.on_warm()

    def discharge(self, actor: AudioActor) -> None:
        """Its call is over: it is to end by itself, upon the end of its control socket."""
        self._children.tree.retire(actor.name)
        self._forget_control(actor)

    # -- what happens to processes

    def fill(self) -> None:
        """Asks the nursery for as many actors as are missing."""
        tree = self._children.tree
        while (
            self._nursery is not None
            and tree.admits(AUDIO)
            and tree[NURSERY].state is State.READY
            and self._waiting < self._target
            and len(self._actors) + len(self._births) < self._most + self._target
        ):
            self._order(self._nursery)

    @property
    def _waiting(self) -> int:
        """How many wait, or will in a moment."""
        return len(self._births) + sum(actor.stage != "taken" for actor in self._actors.values())

    def nursery_came(self, control: socket.socket) -> None:
        """A nursery has been started, and answers on this socket once it is ready."""
        control.setblocking(False)
        self._nursery = control
        asyncio.get_running_loop().add_reader(control, self._hear_nursery, control)

    def became_ready(self, name: str) -> None:
        if name == NURSERY:
            self.fill()
        elif name in self._actors:
            self._actors[name].stage = "warm"
            self.on_warm()

    def ended(self, name: str) -> None:
        """Forgets it. `fill` comes later: whoever has lost an actor is to take one first."""
        if name == NURSERY:
            self._lose_nursery()
        actor = self._actors.pop(name, None)
        if actor is not None:
            self._forget_control(actor)

    # -- the nursery

    def _order(self, nursery: socket.socket) -> None:
        self._last_number += 1
        spec = self._children.tree.add(AUDIO, f"{AUDIO}.{self._last_number}", time.monotonic())
        lifeline = self._children.lifeline(spec, outlives_parent=True)
        ours, theirs = descriptors.pair()
        ours.setblocking(False)
        deadline = asyncio.get_running_loop().call_later(
            FORK_S, self._children.stalled, NURSERY, f"did not fork {spec.name} within {FORK_S:g} s"
        )
        self._births[spec.name] = _Birth(lifeline, AudioActor(spec.name, ours), deadline)
        with theirs:
            try:
                socket.send_fds(nursery, [msgspec.json.encode(lifeline)], [theirs.fileno()])
            except OSError as error:
                # It is dead, which its pidfd is about to tell, or hangs, which the deadline will.
                log.warning("cannot reach the nursery: %s", error)

    def _hear_nursery(self, nursery: socket.socket) -> None:
        body, files = descriptors.receive_packet(nursery)
        if not body:
            asyncio.get_running_loop().remove_reader(nursery)
            return
        born = msgspec.json.decode(body, type=Born)
        birth = self._births.pop(born.name)
        birth.deadline.cancel()
        self._actors[born.name] = birth.actor
        asyncio.get_running_loop().add_reader(birth.actor.control, self._hear, birth.actor)
        self._children.adopt(birth.lifeline, born.pid, files[0])

    def _lose_nursery(self) -> None:
        if self._nursery is not None:
            asyncio.get_running_loop().remove_reader(self._nursery)
            self._nursery.close()
            self._nursery = None
        for birth in list(self._births.values()):
            # If it was born after all, it finds its control socket closed, and ends.
            birth.deadline.cancel()
            birth.actor.control.close()
            self._children.abandon(birth.lifeline)
        self._births.clear()

    # -- the actors

    def _hear(self, actor: AudioActor) -> None:
        try:
            received = descriptors.receive(actor.control)
        except ValueError as error:
            self._children.stalled(actor.name, str(error))
            return
        if received is None:
            asyncio.get_running_loop().remove_reader(actor.control)
            return
        message, files = received
        for file in files:
            os.close(file)
        self.on_message(actor, message)

    @staticmethod
    def _forget_control(actor: AudioActor) -> None:
        if actor.control.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(actor.control)
            actor.control.close()
