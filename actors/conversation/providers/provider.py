"""The contract of a provider: a full agent in one service, which hears, thinks and speaks for itself.

    caller ==ear==> provider ==mouth==> caller

One that holds a session over the network fits as well as one of a few lines: it is opened for a call, is told when
there is something to hear, writes into the mouth when it has something to say, and is closed when the caller is gone.
tests/actors/conversation/providers holds every provider to what is said here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from config.agent import Agent
from config.schema import Settings
from ipc.journal import Record
from ipc.rings import Rings


@dataclass(frozen=True, slots=True)
class Engagement:
    """What a provider is given of the call that it is engaged for."""

    call_id: str
    rings: Rings
    """The call's ear and mouth. The provider is the mouth's writer, and the one who flushes it."""
    agent: Agent
    """Whom it is to be: prompt, voice, language, tools."""
    settings: Settings
    write: Callable[[Record], None]
    """Puts a record into the call's journal."""
    give_up: Callable[[str], None]
    """The provider cannot go on, for this reason: the caller is sent to where somebody can serve them."""


class NoProvider(Exception):
    """The provider cannot take the call. The text is for the operator."""

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        """busy: it may take the next one."""
        super().__init__(reason)
        self.busy = busy


class Provider(Protocol):
    """Made with an `Engagement` for each call. Everything happens in the actor's event loop: nothing here may block."""

    async def open(self, *, taken_over: bool) -> None:
        """Gets ready and begins to speak, if it speaks first. Raises `NoProvider`.

        A new call has a mouth that nobody has written to. taken_over: a predecessor died in the middle of the call;
        what it has written is still being heard, under the mouth's audible generation, and goes on to be.
        """

    def hear(self) -> None:
        """The audio actor has written to the ear: about every 20 ms, or after a stall once for many frames.

        It is the call's clock, too: each frame in the ear is 20 ms more room in the mouth.
        """

    async def close(self, cause: str) -> dict[str, int]:
        """The caller is gone, or was given up: ends all work at once. Nothing is written or read from then on.

        Gives figures for the journal, of which none is negative. Called once, also when `open` has failed.
        """
