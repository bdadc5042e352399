"""What a supervisor leaves to the program that takes its place, when it is started anew in the middle of calls.

    old program: state -> JSON in a memory file -> descriptors made inheritable -> exec -> new program: state again

It is the same process before and after (its id, and what the kernel knows of its children, stay), so that descriptors
keep their numbers, and neither systemd nor an audio actor notices. What goes along: the right to the run directory,
the AudioSocket listener, the two ends of the death pipe (whose writing end must never close, or every audio actor
ends), the bell, the progress board, and each open call with its rings, bells, media connection (of whichever wire, also
a UDP port that still waits for Asterisk) and audio actor.

The two programs may be of different versions. A field that one of them does not know is left out, or has its default;
`VERSION` counts changes that this does not bridge.
"""

import os
from collections.abc import Iterator, MutableMapping, Sequence
from importlib.metadata import version
from typing import Literal, NoReturn

import msgspec

from ipc.messages import Wire
from supervisor.instance import CannotRun
from supervisor.specs import CALL_CONTROL

VERSION = 1

VARIABLE = "RINGMASTER_HANDOVER"
"""In the environment of the new program: the descriptor of the memory file."""

NONE = -1
"""No descriptor."""


class HandedActor(msgspec.Struct, frozen=True, kw_only=True):
    """An audio actor that serves calls."""

    name: str
    pid: int
    pidfd: int
    control: int
    """Our end of its control socket."""
    slot: int
    """Of the progress board."""
    born_s: float = 0.0
    """CLOCK_MONOTONIC."""
    used: bool = True
    flight: str = ""
    """Segment of its flight recorder."""


class HandedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A media connection, as in `supervisor.call.Line`, but for its descriptor."""

    uuid: str
    wire: Wire = "audiosocket"
    codec: str = ""
    peer_host: str = ""
    peer_port: int = 0


class HandedCall(msgspec.Struct, frozen=True, kw_only=True):
    """An open call, as in `supervisor.call.Call`."""

    call_id: str
    owner: str = CALL_CONTROL
    rate: int
    segment: str
    bells: tuple[int, ...]
    playback: Literal["stream", "file"] = "stream"
    media_uuid: str
    """Of the connection that was expected last."""
    wire: Wire = "audiosocket"
    """Of that one."""
    awaited: bool
    waiting: int = NONE
    """The socket of an awaited `rtp`."""
    media: int = NONE
    """The connection that carries the call, which is `served`."""
    served: HandedLine | None = None
    actor: str = ""
    """Name; "" for one that waits for an audio actor."""
    attached: bool = False
    begun: bool = False
    outdated: bool = False
    replaced: int = 0
    opened_ns: int = 0


class HandOver(msgspec.Struct, frozen=True, kw_only=True):
    version: int = VERSION
    program: str = msgspec.field(default_factory=lambda: version("ringmaster"))
    lock: int
    """Of the run directory."""
    listener: int
    """Of AudioSocket; `NONE` where no calls are taken."""
    death: int
    """Reading end of the death pipe."""
    life: int
    """Its writing end."""
    bell: int
    board: str
    """Segment of the progress board."""
    actors: tuple[HandedActor, ...] = ()
    calls: tuple[HandedCall, ...] = ()
    last_actor: int = 0
    last_segment: int = 0
    """Numbers that names have been made of."""
    draining: bool = False
    calls_refused: dict[str, int] = msgspec.field(default_factory=dict)
    media_refused: dict[str, int] = msgspec.field(default_factory=dict)

    def descriptors(self) -> Iterator[int]:
        own = (self.lock, self.listener, self.death, self.life, self.bell)
        yield from (descriptor for descriptor in own if descriptor != NONE)
        for actor in self.actors:
            yield from (actor.pidfd, actor.control)
        for call in self.calls:
            yield from call.bells
            yield from (descriptor for descriptor in (call.media, call.waiting) if descriptor != NONE)

    def segments(self) -> set[str]:
        """Names in shared memory that are still in use."""
        used = {self.board, *(call.segment for call in self.calls), *(actor.flight for actor in self.actors)}
        return used - {""}


class _Head(msgspec.Struct):
    """What every version can read of every other."""

    version: int = 0
    program: str = "?"


def write(state: HandOver) -> int:
    """A memory file that holds it; the descriptor is the caller's."""
    memory = os.memfd_create("ringmaster-handover")
    os.write(memory, msgspec.json.encode(state))
    return memory


def read(memory: int) -> HandOver:
    """Raises `CannotRun` when it was written by a program that this one does not understand."""
    text = os.pread(memory, os.fstat(memory).st_size, 0)
    try:
        return msgspec.json.decode(text, type=HandOver)
    except msgspec.DecodeError as error:
        raise CannotRun(f"cannot take over from {_origin(text)}: {error}. Stop it, and start this one") from error


def _origin(text: bytes) -> str:
    ours = f"this is {version('ringmaster')} (version {VERSION})"
    try:
        head = msgspec.json.decode(text, type=_Head)
    except msgspec.DecodeError:
        return f"a program that left something else than a hand-over; {ours}"
    return f"Ringmaster {head.program} (hand-over of version {head.version}); {ours}"


def received(environment: MutableMapping[str, str]) -> HandOver | None:
    """What this program was started with, None when nothing. It goes no further: not into children's environment, nor
    do they inherit the descriptors. Raises `CannotRun`."""
    number = environment.pop(VARIABLE, None)
    if number is None:
        return None
    memory = int(number)
    try:
        state = read(memory)
    finally:
        os.close(memory)
    for descriptor in state.descriptors():
        os.set_inheritable(descriptor, False)
    return state


def leap(state: HandOver, command: Sequence[str]) -> NoReturn:
    """This process goes on as `command`. Raises `OSError` when that cannot be run."""
    memory = write(state)
    for descriptor in (*state.descriptors(), memory):
        os.set_inheritable(descriptor, True)
    os.execve(command[0], list(command), {**os.environ, VARIABLE: str(memory)})
