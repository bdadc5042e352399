"""A conversation actor's bus, and the engines' actors it talks to, each played by the test on a bus of its own.

    async with Cast(tmp_path, "tts.1", "tts.2") as cast:
        cast["tts.1"].answers = says_nothing
        await cast.engines.ask("tts", "", SPEAK, 1.0)

`dies` is what the supervisor's event brings about: the actor does not answer any more, and it is known.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from actors.pool import Engines
from ipc.bus import Bus, Refused
from ipc.messages import ActorChanged, Attend, Done, Finish, Hear, Message, Release, Speak
from ipc.thinking import CancelGenerate, Generate, Prepare, Reserve

PATIENCE_S = 20.0
COMMANDS = (Attend, Hear, Finish, Release, Speak, Reserve, Prepare, Generate, CancelGenerate)

M = TypeVar("M", bound=Message)

Answer = Message | Refused | None
"""What an actor answers a command with; None is silence."""


def agrees(command: Message) -> Answer:
    return Done()


def says_nothing(command: Message) -> Answer:
    return None


def refuses(command: Message) -> Answer:
    return Refused("no such call")


def is_busy(command: Message) -> Answer:
    return Refused("all recognisers are taken", busy=True)


class Player:
    """An engine's actor. `got` is what it was sent, in order."""

    def __init__(self, bus: Bus) -> None:
        self.name = bus.name
        self.got: list[Message] = []
        self.answers: Callable[[Message], Answer] = agrees
        self.curtain = asyncio.Event()
        """The test is over: who says nothing need say nothing no longer."""
        self._new = asyncio.Event()
        for kind in COMMANDS:
            bus.on(kind, self._take)

    async def _take(self, sender: str, command: Message) -> Message | None:
        self.got.append(command)
        self._new.set()
        answer = self.answers(command)
        if answer is None:
            await self.curtain.wait()
        if isinstance(answer, Refused):
            raise answer
        return answer

    def all(self, kind: type[M]) -> list[M]:
        return [command for command in self.got if isinstance(command, kind)]

    async def gets(self, kind: type[M], count: int = 1) -> list[M]:
        """Waits until it has got so many of this kind; all of them."""
        while len(self.all(kind)) < count:
            self._new.clear()
            try:
                await asyncio.wait_for(self._new.wait(), PATIENCE_S)
            except TimeoutError:
                raise AssertionError(f"{self.name} got no {kind.__name__}, but {self.got}") from None
        return self.all(kind)


class Cast:
    def __init__(self, run_dir: Path, *names: str) -> None:
        self._run_dir = run_dir
        self._names = names
        self._players: dict[str, Player] = {}
        self.lost: list[tuple[str, str, str, str]] = []
        """Role, actor, reason and successor, as the journal gets them."""

    def __getitem__(self, name: str) -> Player:
        return self._players[name]

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(2 * PATIENCE_S))
            for name in self._names:
                self._players[name] = Player(await stack.enter_async_context(Bus(self._run_dir, name)))
            self.bus = await stack.enter_async_context(Bus(self._run_dir, "conversation.1"))
            roles = dict.fromkeys(name.partition(".")[0] for name in self._names)
            self.engines = Engines(
                self.bus, {role: [name for name in self._names if name.startswith(f"{role}.")] for role in roles}
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for player in self._players.values():
            player.curtain.set()
        try:
            await self._stack.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            # What fails in the test itself is shown as it is, and not as the failure of a task among others.
            if error is None or group.split(lambda found: found is error)[1] is not None:
                raise

    def note_lost(self, role: str, actor: str, reason: str, successor: str) -> None:
        self.lost.append((role, actor, reason, successor))

    def dies(self, name: str) -> None:
        self._players[name].answers = says_nothing
        self.engines.note(ActorChanged(name=name, role=name.partition(".")[0], state="dead", pid=0, reason="killed"))

    def comes_back(self, name: str) -> None:
        """Under the same name, as a new process that knows nothing."""
        self._players[name].answers = agrees
        self.engines.note(ActorChanged(name=name, role=name.partition(".")[0], state="ready", pid=0))
