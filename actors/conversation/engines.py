"""Which actor of a role serves a call, and which one takes over when it dies or does not answer."""

import logging
from collections.abc import Callable

from ipc.bus import Bus, NoAnswer, Refused
from ipc.messages import ActorChanged, Message

log = logging.getLogger(__name__)

Lost = Callable[[str, str, str, str], None]
"""Called with the role, the actor that was lost, why, and the actor that took over ("" for none)."""


class NoEngine(Exception):
    """No actor of the role can take the work. The text says what each of them answered."""

    def __init__(self, reason: str, *, busy: bool) -> None:
        super().__init__(reason)
        self.busy = busy


class Engines:
    """The STT, LLM and TTS actors as this conversation actor knows them from the supervisor's events."""

    def __init__(self, bus: Bus, names: dict[str, list[str]]) -> None:
        """`names`: the actors of each role, the preferred one first."""
        self._bus = bus
        self._names = names
        self._dead: set[str] = set()
        self._turn = 0

    def note(self, event: ActorChanged) -> None:
        if event.state == "ready":
            self._dead.discard(event.name)
        else:
            self._dead.add(event.name)

    def order(self, role: str, current: str = "") -> list[str]:
        """Whom to ask, in order: `current` first if it lives, then the others in turn, those believed dead last."""
        names = self._names[role]
        self._turn += 1
        start = self._turn % len(names)
        rotated = names[start:] + names[:start]
        return sorted(rotated, key=lambda name: (name in self._dead, name != current))

    async def ask(self, role: str, current: str, command: Message, within: float) -> tuple[str, Message]:
        """The first actor that takes the command, and its reply. Raises `NoEngine` when none does."""
        answers: list[str] = []
        busy = True
        for name in self.order(role, current):
            try:
                return name, await self._bus.ask(name, command, within=within)
            except Refused as refused:
                answers.append(f"{name}: {refused}")
                busy = busy and refused.busy
            except NoAnswer as silence:
                answers.append(str(silence))
        raise NoEngine("; ".join(answers), busy=busy)
