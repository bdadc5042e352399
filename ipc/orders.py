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
    problems: tuple[str, ...] = ()
    """One clear sentence each, with the remedy."""
