"""Which processes there are and how they are kept alive, in OTP's words and with OTP's meanings (supervisor(3)).

Where a meaning is not OTP's, it is because a telephone system must rather serve fewer callers than none:

- OTP's supervisor gives up, and its parent with it, when restarts exceed the intensity. Ours degrades: the child that
  died last, and whoever depends on it, stays down (capacity 0) for a cool-down, and is then tried again.
- A child that says that it cannot do its work at all (`ipc.last_words`) is not started again before the cool-down.
- OTP starts a child when the one on its left has returned from `init`. Ours starts it at once, for models take seconds
  to load, unless its group `waits`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from config.roles import Role
from config.schema import Settings


class Strategy(Enum):
    """Who is restarted when one child of the group has died."""

    ONE_FOR_ONE = "one_for_one"
    """That child."""
    REST_FOR_ONE = "rest_for_one"
    """That child and those started after it: they are stopped from right to left, then started from left to right."""
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"
    """Nobody knows the children beforehand: they are all alike and are added while the system runs."""


class Restart(Enum):
    """Whether a child that has ended is started again."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only when it ended abnormally: by a signal, or with an exit code other than 0."""
    TEMPORARY = "temporary"
    """Never. Its end does not count as a restart, either."""


@dataclass(frozen=True)
class ChildSpec:
    name: str
    """Unique in the system: "stt.1". In a group that is SIMPLE_ONE_FOR_ONE, the common first part: "audio"."""
    role: str
    module: str
    """Run as `python -m`."""
    restart: Restart = Restart.PERMANENT
    shutdown_s: float = 5.0
    """From SIGTERM to SIGKILL."""
    start_s: float = 60.0
    """A child that is not ready by then is killed, which counts as a death."""
    stall_s: float | None = 10.0
    """A ready child whose progress stands still for so long is killed, which counts as a death. None never looks."""
    arguments: tuple[str, ...] = ()
    """After the name, on the command line."""
    cores: tuple[int, ...] = ()
    """CPU cores of its own; () for those of its role."""


@dataclass(frozen=True)
class Group:
    """What OTP calls a supervisor: children with one strategy and one limit on restarts."""

    name: str
    strategy: Strategy
    children: tuple[ChildSpec, ...]
    """From left to right: started in this order, stopped in the reverse one."""
    intensity: int = 5
    """Most restarts within `period_s`; one more degrades."""
    period_s: float = 60.0
    cool_down_s: float = 60.0
    """After so long what has degraded is tried again, with a full allowance of restarts."""
    waits: bool = False
    """Started only once every child of the groups on its left is ready, or has failed to become ready at least once."""

    @property
    def template(self) -> ChildSpec:
        """The spec that all children of a SIMPLE_ONE_FOR_ONE group share."""
        return self.children[0]


NURSERY = "nursery"
AUDIO = "audio"
CALL_CONTROL = "call-control"
CONVERSATION = "conversation"
GATEWAY = "gateway"
POOLS = ("stt", "llm", "tts", CONVERSATION)

AUDIO_WORKER = "actors.audio.worker"
"""Module whose `serve` is an audio actor's life; the nursery imports it before it forks."""

AUDIO_STALL_S = 1.0
"""An audio actor with a call makes progress 50 times a second, and while it does not, the caller hears nothing. This is
40 times the longest gap between two frames of 100 calls on a busy machine (24 ms)."""

AUDIO_INTENSITY = 20
"""Deaths of audio actors within the period. There are many of them, and a caller is waiting in each."""

MODEL_START_S = 120.0
"""From the start of an engine's process to ready. A model of several GB comes from a slow disk in a minute."""

AUDIO_START_S = 5.0
"""From the fork, with everything imported, to ready: 10 ms on an idle machine."""


def pools(settings: Settings) -> tuple[str, ...]:
    """Those of `POOLS` that calls need: a provider brings its own hearing, thinking and speech."""
    return (CONVERSATION,) if settings.default_provider else POOLS


def call_controls(settings: Settings) -> tuple[str, ...]:
    """Names of the actors that face an Asterisk: one for each. The first also serves calls that come straight over
    AudioSocket."""
    return (CALL_CONTROL, *(f"{CALL_CONTROL}.{name}" for name in settings.more_asterisks))


def _audio() -> Group:
    """All audio actors are alike, and come and go with the calls."""
    spec = ChildSpec(
        name=AUDIO,
        role=AUDIO,
        module=AUDIO_WORKER,
        restart=Restart.TRANSIENT,
        shutdown_s=1.0,
        start_s=AUDIO_START_S,
        stall_s=AUDIO_STALL_S,
    )
    return Group(
        name=AUDIO,
        strategy=Strategy.SIMPLE_ONE_FOR_ONE,
        children=(spec,),
        intensity=AUDIO_INTENSITY,
        cool_down_s=10.0,
    )


def house(
    settings: Settings, role: Role = "all", places: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[Group, ...]:
    """The whole system, from left to right, or the part of it that has this role (`config.roles`).

    settings: with numbers everywhere (`models.planned`). places: CPU cores by the actor's name, of those that have
    their own.
    """
    actors = settings.actors

    def group(name: str, *children: ChildSpec, waits: bool = False) -> Group:
        limits = actors.restart
        return Group(
            name=name,
            strategy=Strategy.ONE_FOR_ONE,
            children=children,
            intensity=limits.intensity,
            period_s=limits.period_s,
            cool_down_s=limits.period_s,
            waits=waits,
        )

    def pool(role: str) -> Group:
        count = getattr(actors, role).count
        children = (
            ChildSpec(
                name=f"{role}.{number}",
                role=role,
                module=f"actors.{role}",
                start_s=MODEL_START_S,
                stall_s=actors.stall_s,
                cores=(places or {}).get(f"{role}.{number}", ()),
            )
            for number in range(1, count + 1)
        )
        return group(role, *children)

    # The nursery's loop sleeps until it is asked for something, so its progress says nothing. That it hangs shows in a
    # request that it does not answer.
    nursery = ChildSpec(
        name=NURSERY, role=NURSERY, module="actors.audio.nursery", stall_s=None, arguments=(AUDIO_WORKER,)
    )

    def call_control(name: str) -> Group:
        """A group of its own for each: what its Asterisk does to one uses up no restarts of another."""
        spec = ChildSpec(name=name, role=CALL_CONTROL, module="actors.call_control", stall_s=actors.stall_s)
        return group(name, spec, waits=True)

    gateway = ChildSpec(name=GATEWAY, role=GATEWAY, module="actors.gateway", stall_s=actors.stall_s)
    lending = (group(GATEWAY, gateway),) if settings.gateway.enabled else ()
    if role == "ai-server":
        return (*(pool(name) for name in POOLS if name != CONVERSATION), *lending)
    return (
        group(NURSERY, nursery),
        _audio(),
        *(pool(role) for role in pools(settings)),
        *(call_control(name) for name in call_controls(settings)),
        *lending,
    )
