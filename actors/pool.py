"""Which actor of a role serves a call, and which one takes over when it dies or does not answer."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from config.schema import Actors
from ipc.bus import Bus, NoAnswer, Refused
from ipc.messages import ActorChanged, Message

log = logging.getLogger(__name__)

DOUBT_S = 10.0
"""An actor that did not answer is asked last for so long: the supervisor has killed it by then, or it was only busy."""

PATIENCE_S = 10.0
"""In the middle of a call an engine is waited for, when all are down: one is started again within a second or two."""

ROLES = ("stt", "llm", "tts")

Lost = Callable[[str, str, str, str], None]
"""Called with the role, the actor that was lost, why, and the actor that took over ("" for none)."""


class NoEngine(Exception):
    """No actor of the role can take the work. The text says what each of them answered."""

    def __init__(self, reason: str, *, busy: bool) -> None:
        super().__init__(reason)
        self.busy = busy


def names(actors: Actors) -> dict[str, list[str]]:
    """The actors of each role, as they are configured."""
    return {role: [f"{role}.{number}" for number in range(1, getattr(actors, role).count + 1)] for role in ROLES}


def first(actors: Actors) -> frozenset[str]:
    """The roles whose calls go to the first actor that has room (`actors.<role>.spread`)."""
    return frozenset(role for role in ROLES if getattr(actors, role).spread == "first")


class Engines:
    """The STT, LLM and TTS actors as one who asks them knows them from the supervisor's events."""

    def __init__(self, bus: Bus, names: dict[str, list[str]], first: frozenset[str] = frozenset()) -> None:
        """`names`: the actors of each role. `first`: roles whose actors stand by for the first one."""
        self._bus = bus
        self._names = names
        self._first = first
        self._dead: set[str] = set()
        self._degraded: set[str] = set()
        self._doubted: dict[str, float] = {}
        self._asking: dict[str, set[asyncio.Future[None]]] = {}
        self._back = asyncio.Event()
        self._turn = 0

    def note(self, event: ActorChanged) -> None:
        if event.state == "ready":
            self._dead.discard(event.name)
            self._degraded.discard(event.name)
            self._doubted.pop(event.name, None)
            self._back.set()
            return
        self._dead.add(event.name)
        if event.state == "degraded":
            self._degraded.add(event.name)
        for died in self._asking.get(event.name, ()):
            if not died.done():
                died.set_result(None)

    def doubt(self, name: str) -> None:
        """It has not done what it took on: the others are asked first, for a while."""
        self._doubted[name] = time.monotonic() + DOUBT_S

    def given_up(self, role: str) -> bool:
        """True when the supervisor has given up every actor of this role: none comes back within a call's patience."""
        return self._degraded.issuperset(self._names[role])

    def order(self, role: str, current: str = "") -> list[str]:
        """Whom to ask, in order: `current` first if all is well with it, then the others in turn or in their order, the
        dead last."""
        names = self._names[role]
        self._turn += 1
        start = 0 if role in self._first else self._turn % len(names)
        rotated = names[start:] + names[:start]
        now = time.monotonic()

        def rank(name: str) -> tuple[bool, bool, bool]:
            return name in self._dead, self._doubted.get(name, 0.0) > now, name != current

        return sorted(rotated, key=rank)

    async def ask(
        self, role: str, current: str, command: Message, within: float, patience: float = PATIENCE_S
    ) -> tuple[str, Message]:
        """The first actor that takes the command, and its reply. Raises `NoEngine` when none does.

        `within` is for each of them, in seconds. While none is there, waits for one up to `patience` seconds.
        """
        until = time.monotonic() + patience
        while True:
            self._back.clear()
            try:
                return await self._ask_all(self.order(role, current), command, within)
            except NoEngine as error:
                if error.busy is False or not await self._one_comes_back(until):
                    raise

    async def _ask_all(self, names: Sequence[str], command: Message, within: float) -> tuple[str, Message]:
        answers: list[str] = []
        busy = True
        for name in names:
            try:
                return name, await self.ask_one(name, command, within)
            except Refused as refused:
                answers.append(f"{name}: {refused}")
                busy = busy and refused.busy
            except NoAnswer as silence:
                answers.append(str(silence))
        raise NoEngine("; ".join(answers), busy=busy)

    async def _one_comes_back(self, until: float) -> bool:
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await self._back.wait()
        except TimeoutError:
            return False
        return True

    async def ask_one(self, name: str, command: Message, within: float) -> Message:
        """Like `Bus.ask`, but does not wait for the deadline of an actor that is dead. Raises `Refused`, `NoAnswer`."""
        if name in self._dead:
            raise NoAnswer(f"{name} is down")
        died: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking.setdefault(name, set()).add(died)
        asking = asyncio.ensure_future(self._bus.ask(name, command, within=within))
        try:
            await asyncio.wait((asking, died), return_when=asyncio.FIRST_COMPLETED)
            if died.done():  # also where the answer came in its last moment: what it has taken on, it will not do
                raise NoAnswer(f"{name} died before it had answered {type(command).__name__}")
            return await asking
        except NoAnswer:
            self.doubt(name)
            raise
        finally:
            self._asking[name].discard(died)
            asking.cancel()
