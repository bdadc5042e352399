"""Audio actors that wait for a call: forked ahead of need by the nursery, so that a call takes one in no time.

    forking --Born--> starting --ready--> warm --take--> serving --the last call leaves it--> leaving
                                           ^--it was never given a connection--'

Each actor serves up to `density` calls (`audio.calls_per_process`) and ends with the last of them; the pool forks the
next one as soon as one is taken. When the nursery dies its children live on, and its successor fills the pool again.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from config.schema import Audio
from ipc import descriptors
from ipc.descriptors import MediaMessage
from ipc.lifeline import Born, Lifeline
from supervisor.children import Children
from supervisor.specs import AUDIO, NURSERY
from supervisor.tree import State

log = logging.getLogger(__name__)

FORK_S = 5.0
"""A nursery that has not answered by then hangs: a fork takes milliseconds. It is killed, and its successor asked."""

RESERVE = 4
"""While more than one in so many of the warm ones waits, those that were taken are replaced within a second, and not at
once: 50 callers who come within a second need the CPU themselves (setting a call up takes 40 ms of it, a birth 10)."""

UNLIMITED = 1_000_000
"""Calls on one actor, where nothing but the density bounds them."""


@dataclass(eq=False)
class AudioActor:
    """One audio actor, and our end of its control socket."""

    name: str
    control: socket.socket
    stage: Literal["starting", "warm", "serving", "leaving"] = "starting"
    used: bool = False
    """Has been given a connection."""
    calls: set[str] = field(default_factory=set)
    """Ids of those that have a place on it."""
    attached: int = 0
    """Connections that it serves."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its process has ended."""
    company: int = UNLIMITED
    """Most calls that it may have until `wary_until`: one of them has been in the deaths of others."""
    wary_until: float = 0.0
    recycled: bool = False
    """It is to be replaced by a fresh one, which then has its calls (`supervisor.retune`)."""

    def room(self, most: int, now: float) -> int:
        """How many more calls may come to it, where `most` may share an actor."""
        if self.recycled:
            return 0
        most = min(most, self.company) if now < self.wary_until else most
        return most - len(self.calls)


@dataclass
class _Birth:
    """An actor that the nursery has been asked for."""

    lifeline: Lifeline
    actor: AudioActor
    deadline: asyncio.TimerHandle


class WarmPool:
    def __init__(self, children: Children, audio: Audio) -> None:
        self.on_message: Callable[[AudioActor, MediaMessage], None] = lambda *_: None
        self.on_room: Callable[[], None] = lambda: None
        """Called when there is room for another call: somebody may have been waiting for it."""
        self.density = audio.calls_per_process
        """Most calls that one actor is given. A change holds for calls that come from then on."""
        self._children = children
        # Without a single one no call could ever be taken.
        self._target = max(1, audio.warm)
        # Whoever serves has a call at least: more processes than these would be of no use.
        self._most = audio.max_calls + self._target
        self.cores = len(os.sched_getaffinity(0) if isinstance(audio.cores, str) else audio.cores)
        """On how many they run."""
        # A birth takes 10 ms of CPU, which the callers who come at the same time need for themselves.
        self._at_once = len(os.sched_getaffinity(0))
        self._nursery: socket.socket | None = None
        self._births: dict[str, _Birth] = {}
        # One for each birth, closed when its pidfd is about to come: where this process may open no more files, the
        # newborn would be lost on its way to us, and the nursery be taken for one that hangs.
        self._places: list[int] = []
        self._actors: dict[str, AudioActor] = {}
        self._starting: set[str] = set()
        self._warm: dict[str, AudioActor] = {}  # of these, those that wait, the longest waiting first
        self._serving: dict[str, AudioActor] = {}
        self.last_number = 0
        """Of the audio actor that was asked for last."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._warm)

    @property
    def has_room(self) -> bool:
        """True when another call would find an actor."""
        now = time.monotonic()
        return bool(self._warm) or any(actor.room(self.density, now) > 0 for actor in self._serving.values())

    def serves(self, name: str) -> bool:
        return name in self._serving

    def serving(self) -> tuple[AudioActor, ...]:
        return tuple(self._serving.values())

    # -- for calls

    def take(
        self, call_id: str, *, spread: bool = False, company: int = UNLIMITED, wary_until: float = 0.0
    ) -> AudioActor | None:
        """An actor with a place for this call; None when there is none.

        As long as fewer actors serve than they have cores, one that waits is preferred; then the one that serves the
        fewest. `spread` prefers one that waits at all events: those whose actor has died are not to meet again.
        `company`: how many calls, this one included, may share the actor until `wary_until` (CLOCK_MONOTONIC, s).
        """
        now = time.monotonic()
        most = max(1, min(self.density, company))
        serving = min(
            (actor for actor in self._serving.values() if actor.room(most, now) > 0),
            key=lambda actor: len(actor.calls),
            default=None,
        )
        warm = next(iter(self._warm.values()), None)
        fresh_first = spread or len(self._serving) < self.cores
        actor = (warm or serving) if fresh_first else (serving or warm)
        if actor is None:
            return None
        if wary_until > now:
            actor.company = min(actor.company, company) if actor.wary_until > now else company
            actor.wary_until = max(actor.wary_until, wary_until)
        actor.calls.add(call_id)
        if actor is warm:
            del self._warm[actor.name]
            self._serving[actor.name] = actor
            actor.stage = "serving"
            if self._waiting <= max(1, self._target // RESERVE):
                self.fill()
        return actor

    def leave(self, actor: AudioActor, call_id: str) -> bool:
        """The call needs its place no more. True when it was the last: the actor is then to end by itself, upon the end
        of its control socket, unless it was never used and can wait for another call."""
        actor.calls.discard(call_id)
        if actor.calls or actor.stage != "serving":
            self.on_room()
            return False
        del self._serving[actor.name]
        if not actor.used:
            self._greet(actor)
            return False
        actor.stage = "leaving"
        self._children.tree.retire(actor.name)
        self._forget_control(actor)
        return True

    def count_media(self, actor: AudioActor, change: int) -> None:
        """It serves one connection more, or less. While it serves any, it is looked at more often."""
        actor.attached += change
        actor.used = True
        self._children.hurry(actor.name, actor.attached > 0)

    @staticmethod
    def when_writable(actor: AudioActor, proceed: Callable[[AudioActor], None]) -> None:
        """`proceed` is called once, when the actor has read enough for another message."""
        loop = asyncio.get_running_loop()

        def writable() -> None:
            loop.remove_writer(actor.control)
            proceed(actor)

        loop.add_writer(actor.control, writable)

    # -- for the operator

    def recycle(self, names: Collection[str]) -> list[str]:
        """Those of these actors that are to be ended once they are `replaceable`: the waiting first, then the serving.
        Those that are only just starting are fresh, and those that are leaving end by themselves."""
        old = [actor for actor in (*self._warm.values(), *self._serving.values()) if actor.name in names]
        for actor in old:
            actor.recycled = True
        self.fill()
        return [actor.name for actor in old]

    def spare(self) -> None:
        """Whoever is left of those takes calls again."""
        for actor in self._actors.values():
            actor.recycled = False

    def replaceable(self, name: str) -> bool:
        """True when a fresh actor waits, so that neither the calls of this one nor the next caller miss it; and when it
        waits itself, and no fresh one may be forked beside so many."""
        if any(not actor.recycled for actor in self._warm.values()):
            return True
        return name in self._warm and len(self._actors) + len(self._births) >= self._most

    # -- what happens to processes

    def fill(self) -> None:
        """Asks the nursery for as many actors as are missing."""
        tree = self._children.tree
        while (
            self._nursery is not None
            and tree.admits(AUDIO)
            and tree[NURSERY].state is State.READY
            and self._waiting < self._target
            and len(self._actors) + len(self._births) < self._most
            and len(self._births) + len(self._starting) < self._at_once
        ):
            try:
                self._order(self._nursery)
            except OSError as error:
                log.error("no audio actor can be started: %s", error.strerror)
                return

    @property
    def _waiting(self) -> int:
        """How many wait, or will in a moment."""
        return len(self._births) + len(self._starting) + sum(not actor.recycled for actor in self._warm.values())

    def nursery_came(self, control: socket.socket) -> None:
        """A nursery has been started, and answers on this socket once it is ready."""
        control.setblocking(False)
        self._nursery = control
        asyncio.get_running_loop().add_reader(control, self._hear_nursery, control)

    def became_ready(self, name: str) -> None:
        if name == NURSERY:
            self.fill()
        elif name in self._actors:
            self._greet(self._actors[name])

    def _greet(self, actor: AudioActor) -> None:
        self._starting.discard(actor.name)
        actor.stage = "warm"
        self._warm[actor.name] = actor
        self.on_room()
        self.fill()

    def ended(self, name: str) -> AudioActor | None:
        """Forgets it, and gives it if it was an audio actor. `fill` comes later: whoever has lost an actor is to take
        one first."""
        if name == NURSERY:
            self._lose_nursery()
        actor = self._actors.pop(name, None)
        if actor is not None:
            self._starting.discard(name)
            self._warm.pop(name, None)
            self._serving.pop(name, None)
            self._forget_control(actor)
            actor.stage = "leaving"
            actor.gone.set()
        return actor

    # -- the nursery

    def _order(self, nursery: socket.socket) -> None:
        # First of all: it raises `OSError` where no more files may be opened.
        ours, theirs = descriptors.pair()
        try:
            self._places.append(os.dup(ours.fileno()))
        except OSError:
            ours.close()
            theirs.close()
            raise
        ours.setblocking(False)
        self.last_number += 1
        spec = self._children.tree.add(AUDIO, f"{AUDIO}.{self.last_number}", time.monotonic())
        lifeline = self._children.lifeline(spec, outlives_parent=True)
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
        if self._places:
            os.close(self._places.pop())
        body, files = descriptors.receive_packet(nursery)
        if not body:
            asyncio.get_running_loop().remove_reader(nursery)
            return
        born = msgspec.json.decode(body, type=Born)
        birth = self._births.pop(born.name)
        birth.deadline.cancel()
        self.adopt(birth.actor)
        self._children.adopt(birth.lifeline, born.pid, files[0])

    def _lose_nursery(self) -> None:
        if self._nursery is not None:
            asyncio.get_running_loop().remove_reader(self._nursery)
            self._nursery.close()
            self._nursery = None
        while self._places:
            os.close(self._places.pop())
        for birth in list(self._births.values()):
            # If it was born after all, it finds its control socket closed, and ends.
            birth.deadline.cancel()
            birth.actor.control.close()
            self._children.abandon(birth.lifeline)
        self._births.clear()

    # -- the actors

    def adopt(self, actor: AudioActor) -> None:
        """It lives: newly born, or with calls that it served before there was this pool."""
        self._actors[actor.name] = actor
        if actor.calls:
            actor.stage = "serving"
            self._serving[actor.name] = actor
            self._children.hurry(actor.name, actor.attached > 0)
        else:
            self._starting.add(actor.name)
        asyncio.get_running_loop().add_reader(actor.control, self._hear, actor)

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
            asyncio.get_running_loop().remove_writer(actor.control)
            actor.control.close()
