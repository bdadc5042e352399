"""The engines of this machine as clients elsewhere have them: through the same actors and messages as conversations do.

    client ==WebSocket==> gateway ==ear==> STT actor        recognising.py
    client <==WebSocket== gateway <==mouth== TTS actor      voicing.py
    client <--WebSocket-- gateway <--notes-- LLM actor      answering.py

In place of a call there is a session: rings that the supervisor makes for us, with the gateway where the audio actor
would be (`ipc.sessions`).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from itertools import count
from typing import Any, Protocol

from actors import open_call, pool
from actors.actor import Actor
from actors.pool import Engines
from ipc.bus import NoAnswer, Refused
from ipc.messages import ActorChanged, Message, Partial, Placed, Speaking, Spoken
from ipc.orders import Status, SystemStatus
from ipc.rings import Bell, Rings
from ipc.sessions import CloseSession, OpenSession, SessionOpened
from ipc.thinking import Generated, Token, ToolWanted

log = logging.getLogger(__name__)

SUPERVISOR = "supervisor"
SUPERVISOR_S = 3.0
"""For rings to be made: it takes 0.2 ms, and the supervisor does nothing that takes long."""

PREFIX = "lent~"
"""With what the ids begin under which engines know our sessions. No call's id does."""


class Borrower(Protocol):
    """One use of one engine's actor."""

    actor: str
    """Who serves it; "" for nobody."""

    def take(self, note: Message) -> None:
        """A note that came for it."""

    def actor_lost(self, reason: str) -> None:
        """Its actor has died, or was given up."""


class Session:
    """Rings of our own, and the bell at their other end."""

    def __init__(self, lending: "Lending", session_id: str, segment: str, rings: Rings, bell: Bell) -> None:
        self.id = session_id
        self.segment = segment
        self.rings = rings
        self.bell = bell
        self._lending = lending

    async def close(self) -> None:
        self.bell.close()
        self.rings.close()
        with contextlib.suppress(NoAnswer, Refused):
            await self._lending.bus.ask(SUPERVISOR, CloseSession(session_id=self.id), within=SUPERVISOR_S)


class Lending:
    """What all clients share."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.bus = actor.bus
        self.config = actor.config
        self.engines = Engines(actor.bus, pool.names(actor.settings.actors), pool.first(actor.settings.actors))
        pipeline = actor.settings.pipelines[actor.settings.active_pipeline]
        self.engine_names = {role: str(getattr(pipeline, role)) for role in pool.ROLES}
        self._ready: set[str] = set()
        """Actors of engines."""
        self._borrowers: dict[str, Borrower] = {}
        """By session, or by request of an LLM actor."""
        self._born = time.monotonic_ns()
        self._numbers = count(1)
        self.bus.on(Partial, self._take_by_call)
        self.bus.on(Speaking, self._take_by_call)
        self.bus.on(Placed, self._take_by_call)
        self.bus.on(Spoken, self._take_by_call)
        self.bus.on(Token, self._take_by_request)
        self.bus.on(ToolWanted, self._take_by_request)
        self.bus.on(Generated, self._take_by_request)

    async def look(self) -> None:
        """Who is ready already. To be called once events are heard."""
        status = await self.bus.expect(SUPERVISOR, Status(), SystemStatus, within=SUPERVISOR_S)
        self._ready |= {actor.name for actor in status.actors if actor.role in pool.ROLES and actor.state == "ready"}

    @property
    def ready(self) -> tuple[str, ...]:
        """Roles of which an actor is ready."""
        return tuple(role for role in pool.ROLES if any(name.startswith(f"{role}.") for name in self._ready))

    def new_id(self) -> str:
        """For a session, or a call of an LLM actor: never used again, not by a successor either."""
        return f"{PREFIX}{self._born:x}~{next(self._numbers)}"

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[Any]:
        return self.bus.spawn(work, name)

    async def open_session(self, rate: int, wanted: open_call.Wanted) -> Session:
        """Raises `Refused` and `NoAnswer`."""
        session_id = self.new_id()
        command = OpenSession(session_id=session_id, rate=rate)
        opened = await self.bus.expect(SUPERVISOR, command, SessionOpened, within=SUPERVISOR_S)
        rings, bell = await open_call.attach(self.actor.run_dir, session_id, opened.segment, wanted)
        return Session(self, session_id, opened.segment, rings, bell)

    # -- who is told what

    def add(self, key: str, borrower: Borrower) -> None:
        self._borrowers[key] = borrower
        self.actor.set_calls(len(self._borrowers))

    def remove(self, key: str) -> None:
        self._borrowers.pop(key, None)
        self.actor.set_calls(len(self._borrowers))

    async def _take_by_call(self, sender: str, note: Partial | Speaking | Placed | Spoken) -> None:
        if borrower := self._borrowers.get(note.call_id):
            borrower.take(note)

    async def _take_by_request(self, sender: str, note: Token | ToolWanted | Generated) -> None:
        if borrower := self._borrowers.get(note.request):
            borrower.take(note)

    async def actor_changed(self, sender: str, event: ActorChanged) -> None:
        if event.role not in pool.ROLES:
            return
        self.engines.note(event)
        if event.state == "ready":
            self._ready.add(event.name)
        else:
            self._ready.discard(event.name)
        if event.state in ("dead", "degraded"):
            for borrower in [some for some in self._borrowers.values() if some.actor == event.name]:
                borrower.actor_lost(event.reason or event.state)
