"""What an operator asks of the running system, through the command line: `ipc.messages` in shape, units and rules.

All of it goes to the supervisor, which acts on it at once.
"""

from typing import Literal

import msgspec

from ipc.messages import Message, OpenedCall

# -- how it is ---------------------------------------------------------------------------------------------------------


class Status(Message, frozen=True):
    """How the system is. Answer: `SystemStatus`."""


class ActorStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str
    role: str
    pid: int
    state: Literal["starting", "ready", "stopping", "restarting", "degraded"]
    cores: tuple[int, ...]
    scheduling: str
    """What was granted, such as "fifo:20", "nice:-10" or "normal"."""
    cpu_percent: float
    """Of one core, since the last look."""
    memory_mb: float
    """Private memory (USS)."""
    restarts: int
    calls: int
    uptime_s: float
    note: str = ""
    """Why it is degraded or was last restarted; "" when all is well."""


class SystemStatus(Message, frozen=True):
    version: str
    pid: int
    uptime_s: float
    ready: bool
    actors: tuple[ActorStatus, ...]
    calls: tuple[OpenedCall, ...]
    warm_audio: int
    """Audio actors that wait for a call."""
    media_refused: dict[str, int]
    """Media connections that were dropped, by reason."""
    calls_refused: dict[str, int] = msgspec.field(default_factory=dict)
    """Calls that were not opened, by reason: "full", "draining", "no audio actor", ..."""
    draining: bool = False
    """No new call is taken; those that are open go on."""
    max_call_s: int = 0
    """`turns.max_call_s`: how long a call may last."""
    problems: tuple[str, ...] = ()
    """One clear sentence each, with the remedy."""
    role: str = "all"
    """Which part of the system this is: all, ai-server, engine."""


# -- retuning ----------------------------------------------------------------------------------------------------------


class SetCores(Message, frozen=True):
    """Run these processes on these cores, now and whenever one is started anew. Answer: `Retuned`.

    Refused, with nothing changed, where the target is unknown or the system may not use one of the cores.
    """

    target: str
    """An actor ("stt.1"), a role ("stt"), or "supervisor"."""
    cores: tuple[int, ...]
    """CPU cores by number; () is all those with which the system was started."""


class SetPriority(Message, frozen=True):
    """Give these processes this urgency, now and whenever one is started anew. Answer: `Retuned`.

    Refused, with nothing changed, where the target is unknown or the kernel does not permit us such an urgency.
    """

    target: str
    """As in `SetCores`."""
    realtime: int = 0
    """SCHED_FIFO priority 1..99; 0 is none."""
    nice: int = 0
    """-20..19; counts where `realtime` is 0."""


class SetDensity(Message, frozen=True):
    """From now on one audio actor takes up to so many calls; open calls stay where they are. Answer: `Retuned`."""

    calls_per_process: int


class Recycle(Message, frozen=True):
    """Replace these processes by fresh ones, one after the other, without the loss of a call. Answer: `Retuned`.

    It is given when the last one is ready, which takes as long as that many starts.
    """

    target: str
    """As in `SetCores`; not "supervisor"."""


class Granted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One process after a retuning, as the kernel tells it."""

    name: str
    pid: int
    """0 where none runs at the moment."""
    cores: tuple[int, ...]
    scheduling: str
    """As in `ActorStatus`."""
    problem: str = ""
    """What was not granted, or not done, with the remedy."""


class Retuned(Message, frozen=True):
    actors: tuple[Granted, ...]
    """Those whom the order was about."""
    config: str
    """Path of the configuration file with which the system was started."""


# -- the flight recorders ----------------------------------------------------------------------------------------------


class Dump(Message, frozen=True):
    """Write down the last minute of these processes, and where each of their threads stands. Answer: `Dumped`."""

    names: tuple[str, ...] = ()
    """Empty for everybody, the supervisor included."""


class Dumped(Message, frozen=True):
    path: str
    """Of the file, which holds one process after another."""
    processes: tuple[str, ...]
    """Who is in it."""
    silent: tuple[str, ...]
    """Of these, who did not show its stacks in time: hanging in the kernel, stopped, or without a recorder."""


# -- maintenance -------------------------------------------------------------------------------------------------------


class Drain(Message, frozen=True):
    """Take no new calls; those that are open go on. Or take them again. Answer: `Done`."""

    on: bool


class RestartHouse(Message, frozen=True):
    """Start everything anew, the supervisor included, with the code and the settings as they are on disk now. Only the
    audio actors that serve calls go on, and with them the calls. Answer: `Done` once nothing stands against it.

    Refused, with nothing changed, where the new program says that it could not run, or could not take over.
    """
