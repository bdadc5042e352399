"""The decisions of supervision, and none of its effects: what has happened to which child, and when, gives what to do.

    begin, ready, ended, stalled, look, finish  --->  Start, Stop, Kill, Degrade

Time is data (seconds on any clock that does not go back), so that hours of crashes are tested in microseconds. Whoever
carries out the actions reports what came of them: `Stop` and `Kill` are done when `ended` is called, `Start` when
`ready` is.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from supervisor.specs import ChildSpec, Group, Restart, Strategy


class State(Enum):
    DOWN = "down"
    """Not started yet, or ended and not to be started again."""
    RESTARTING = "restarting"
    """Ended, and to be started once those that go with it have stopped."""
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    DEGRADED = "degraded"
    """Given up until the cool-down is over."""


_ALIVE = (State.STARTING, State.READY, State.STOPPING)


@dataclass(frozen=True)
class Start:
    spec: ChildSpec


@dataclass(frozen=True)
class Stop:
    """In an orderly way, with the spec's time-out."""

    name: str


@dataclass(frozen=True)
class Kill:
    """At once."""

    name: str
    reason: str


@dataclass(frozen=True)
class Degrade:
    """Tell everybody that this child, or this group, is out of service for a while. Nothing else is to be done."""

    name: str
    reason: str


Action = Start | Stop | Kill | Degrade


class _Plan(Enum):
    """What becomes of a child of whom something other than going on is wanted."""

    START = "start"
    """Stop it if it lives, then start it."""
    STAY_DOWN = "stay down"


@dataclass(eq=False)
class Child:
    spec: ChildSpec
    state: State = State.DOWN
    since: float = 0.0
    """When the state began."""
    restarts: int = 0
    note: str = ""
    """Why it was last restarted, or is degraded."""
    ending: str = ""
    """How it last ended."""
    _plan: _Plan | None = None
    _doomed: str = ""
    """Why it has been killed, while its end has not been reported."""
    retired: bool = False
    """Its work is done: its end will be no death."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def alive(self) -> bool:
        return self.state in _ALIVE

    @property
    def settled(self) -> bool:
        """True when it is up, or has shown that waiting for it may be of no use."""
        if self.restarts or self.state in (State.READY, State.DEGRADED):
            return True
        return self.state is State.DOWN and self._plan is None

    def _enter(self, state: State, now: float) -> None:
        self.state, self.since = state, now


class _Pool:
    """A group at run time."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.dynamic = group.strategy is Strategy.SIMPLE_ONE_FOR_ONE
        self.children: list[Child] = [] if self.dynamic else [Child(spec) for spec in group.children]
        self.begun = False
        self.degraded_at: float | None = None
        """Of a dynamic group; in the others each child has its own state."""
        self._deaths: deque[float] = deque()

    def exceeded_by_death(self, now: float) -> bool:
        """Counts a death that calls for a restart; True when that is one too many."""
        self._deaths.append(now)
        while self._deaths[0] < now - self.group.period_s:
            self._deaths.popleft()
        return len(self._deaths) > self.group.intensity

    def forgive(self) -> None:
        self._deaths.clear()

    def with_dependants(self, child: Child) -> list[Child]:
        """The child and whoever goes down with it, from left to right."""
        if self.group.strategy is Strategy.REST_FOR_ONE:
            return self.children[self.children.index(child) :]
        return [child]


class Tree:
    """All groups, from left to right."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._pools = [_Pool(group) for group in groups]
        # By name, for there are hundreds of audio actors, and each event names one.
        self._places = {child.name: (pool, child) for pool in self._pools for child in pool.children}
        self._finishing = False
        self._spared: Callable[[str], bool] = lambda _: False

    # -- what is the case

    def __iter__(self) -> Iterator[Child]:
        """All children, from left to right."""
        return (child for pool in self._pools for child in pool.children)

    def __getitem__(self, name: str) -> Child:
        """Raises `KeyError`."""
        return self._places[name][1]

    def capacity(self, group: str) -> int:
        """How many children of the group are ready."""
        return sum(child.state is State.READY for child in self._pool(group).children)

    def admits(self, group: str) -> bool:
        """True when a child may be added to this SIMPLE_ONE_FOR_ONE group."""
        return self._pool(group).degraded_at is None and not self._finishing

    @property
    def finishing(self) -> bool:
        """True once `finish` has been called."""
        return self._finishing

    def __contains__(self, name: object) -> bool:
        return name in self._places

    @property
    def finished(self) -> bool:
        """True when everything has stopped after `finish`, but for what is spared."""
        return self._finishing and not any(child.alive and not self._spared(child.name) for child in self)

    # -- what has happened

    def begin(self, now: float) -> list[Action]:
        """Once, at first."""
        return self._advance(now)

    def add(self, group: str, name: str, now: float) -> ChildSpec:
        """A new child of a SIMPLE_ONE_FOR_ONE group, which the caller starts right away. Asks for `admits` before."""
        return self._append(group, name, State.STARTING, now)

    def adopt(self, group: str, name: str, now: float) -> ChildSpec:
        """The same, of one that is at work already."""
        return self._append(group, name, State.READY, now)

    def _append(self, group: str, name: str, state: State, now: float) -> ChildSpec:
        pool = self._pool(group)
        child = Child(replace(pool.group.template, name=name))
        child._enter(state, now)
        pool.children.append(child)
        self._places[name] = (pool, child)
        return child.spec

    def retire(self, name: str) -> None:
        """The child's work is done: however it ends from now on, its end is no death."""
        self[name].retired = True

    def recycle(self, name: str, now: float) -> list[Action]:
        """A fresh process for a child that is ready, and for whoever goes down with it: told to end, then started. That
        is no death, and no restart. Nothing comes of it for a child that is not ready, for a fresh one comes anyhow."""
        pool, child = self._places[name]
        if child.state is not State.READY or child._doomed or pool.dynamic:
            return []
        for affected in pool.with_dependants(child):
            if affected.alive:
                affected._plan = _Plan.START
        return self._advance(now)

    def ready(self, name: str, now: float) -> list[Action]:
        child = self[name]
        if child.state is State.STARTING and not child._doomed:
            child._enter(State.READY, now)
        return self._advance(now)

    def stalled(self, name: str, reason: str, now: float) -> list[Action]:
        """The child lives but does not work: it is killed, and what follows is decided when its end is reported."""
        child = self[name]
        if child._doomed or child.state not in (State.STARTING, State.READY):
            return []
        child._doomed = reason
        return [Kill(name, reason)]

    def ended(self, name: str, *, abnormal: bool, reason: str, now: float, hopeless: bool = False) -> list[Action]:
        """`hopeless`: by its own account it would only end again, before the cool-down at least."""
        pool, child = self._places[name]
        reason, abnormal = child._doomed or reason, abnormal or bool(child._doomed)
        child._doomed, child.ending = "", reason
        was_told = child.state is State.STOPPING
        child._enter(State.DOWN, now)
        if pool.dynamic:
            pool.children.remove(child)
            del self._places[name]
        if was_told or self._finishing or child.retired or not _calls_for_restart(child.spec.restart, abnormal):
            return self._advance(now)
        child.note = reason
        if hopeless and not pool.dynamic:
            return self._give_up(pool, child, reason) + self._advance(now)
        if pool.exceeded_by_death(now):
            return self._degrade(pool, child, now) + self._advance(now)
        if not pool.dynamic:
            child.restarts += 1
            for affected in pool.with_dependants(child):
                if affected.state is not State.DEGRADED:
                    affected._plan = _Plan.START
        return self._advance(now)

    def look(self, now: float) -> list[Action]:
        """To be called now and then: who has taken too long to start, and who has cooled down."""
        actions: list[Action] = []
        for pool in self._pools:
            if pool.degraded_at is not None and now - pool.degraded_at >= pool.group.cool_down_s:
                pool.degraded_at = None
                pool.forgive()
            for child in pool.children:
                waited = now - child.since
                if child.state is State.STARTING and waited >= child.spec.start_s:
                    actions += self.stalled(child.name, f"not ready after {child.spec.start_s:g} s", now)
                if child.state is State.DEGRADED and waited >= pool.group.cool_down_s and not self._finishing:
                    pool.forgive()
                    child.restarts += 1
                    child._plan = _Plan.START
        return actions + self._advance(now)

    def finish(self, now: float, spared: Callable[[str], bool] = lambda _: False) -> list[Action]:
        """Stop everything, from right to left. Whoever is `spared`, by name, at the time lives on."""
        self._finishing, self._spared = True, spared
        return self._advance(now)

    # -- what is to be done

    def _degrade(self, pool: _Pool, child: Child, now: float) -> list[Action]:
        limit = f"{pool.group.intensity} restarts in {pool.group.period_s:g} s"
        note = f"more than {limit}; the last: {child.name}: {child.note}"
        if pool.dynamic:
            pool.degraded_at = now
            return [Degrade(pool.group.name, note)]
        return self._give_up(pool, child, note)

    @staticmethod
    def _give_up(pool: _Pool, child: Child, note: str) -> list[Action]:
        actions: list[Action] = []
        for affected in pool.with_dependants(child):
            affected.note = note
            affected._plan = _Plan.STAY_DOWN
            actions.append(Degrade(affected.name, note))
        return actions

    def _advance(self, now: float) -> list[Action]:
        """Whatever can be done now of what is planned."""
        if self._finishing:
            return self._stop_next(now)
        actions: list[Action] = []
        left_is_settled = True
        for pool in self._pools:
            if pool.dynamic and pool.begun:
                continue  # its children are started by whoever adds them
            if not pool.begun and (left_is_settled or not pool.group.waits):
                pool.begun = True
                # Who is in a dynamic group by now is at work already, handed over by a predecessor.
                for child in () if pool.dynamic else pool.children:
                    child._plan = _Plan.START
            actions += self._carry_on(pool, now)
            left_is_settled = left_is_settled and pool.begun and all(child.settled for child in pool.children)
        return actions

    @staticmethod
    def _carry_on(pool: _Pool, now: float) -> list[Action]:
        """The pool's plans: first stops, one at a time from right to left; then starts, from left to right."""
        for child in pool.children:
            if not child.alive and child._plan is _Plan.STAY_DOWN:
                child._plan = None
                child._enter(State.DEGRADED, now)
            elif not child.alive and child._plan is _Plan.START:
                child._enter(State.RESTARTING, child.since)
        if any(child.state is State.STOPPING for child in pool.children):
            return []
        for child in reversed(pool.children):
            if child.alive and child._plan is not None:
                child._enter(State.STOPPING, now)
                return [Stop(child.name)]
        actions: list[Action] = []
        for child in pool.children:
            if child._plan is _Plan.START:
                child._plan = None
                child._enter(State.STARTING, now)
                actions.append(Start(child.spec))
        return actions

    def _stop_next(self, now: float) -> list[Action]:
        """One child at a time; the children of a dynamic group all at once."""
        for pool in reversed(self._pools):
            alive = [child for child in pool.children if child.alive and not self._spared(child.name)]
            stopping = [child for child in alive if child.state is State.STOPPING]
            if pool.dynamic:
                chosen = [child for child in alive if child not in stopping]
            else:
                chosen = [] if stopping else alive[-1:]
            for child in chosen:
                child._enter(State.STOPPING, now)
            if alive:
                return [Stop(child.name) for child in chosen]
        return []

    def _pool(self, group: str) -> _Pool:
        return next(pool for pool in self._pools if pool.group.name == group)


def _calls_for_restart(restart: Restart, abnormal: bool) -> bool:
    return restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and abnormal)
