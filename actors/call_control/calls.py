"""The calls at work: each has one queue of events and one task that takes them in order through `legs.step`.

Commands are carried out beside it, several at a time; each comes back into the queue as an event. So a slow answer
holds up nothing, and everything that is known of a call is changed in one place.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from actors.call_control.commands import Abandon, Command, Note, Reply
from actors.call_control.events import Begun, Event, Failed, TimePassed, Why
from actors.call_control.legs import step, wake_ns
from actors.call_control.sessions import Session, SessionStore, Stage
from ipc.bus import Refused
from ipc.messages import CallNote, Message

log = logging.getLogger(__name__)


class Calls:
    def __init__(
        self,
        perform: Callable[[Command], Awaitable[Event]],
        tell: Callable[[str, CallNote], None],
        spawn: Callable[[Awaitable[None], str], object],
        changed: Callable[[int], None] = lambda calls: None,
    ) -> None:
        """perform: does a command. tell: takes a note to the conversation of a call. spawn: runs something beside this.
        changed: hears how many calls there are."""
        self.store = SessionStore()
        self._perform = perform
        self._tell = tell
        self._spawn = spawn
        self._changed = changed
        self._queues: dict[str, asyncio.Queue[Event]] = {}
        self._successors: dict[str, Session] = {}
        self._requests: dict[int, asyncio.Future[Reply]] = {}
        self._last_request = 0

    def begin(self, session: Session) -> None:
        """Runs the call from here on. While an earlier call under this id is still being cleared, it waits for that: a
        dialplan may bring the same channel back to us."""
        if session.call_id in self._queues:
            self._successors[session.call_id] = session
            return
        queue: asyncio.Queue[Event] = asyncio.Queue()
        queue.put_nowait(Begun())
        self._queues[session.call_id] = queue
        self.store.put(session)
        self._changed(len(self.store))
        self._spawn(self._run(session, queue), f"call {session.call_id}")

    def tell(self, call_id: str, event: Event) -> bool:
        """False when there is no such call."""
        queue = self._queues.get(call_id)
        if queue is not None:
            queue.put_nowait(event)
        return queue is not None

    def forget_successor(self, call_id: str) -> None:
        """The channel that came back has gone again before its turn."""
        self._successors.pop(call_id, None)

    def request(self) -> tuple[int, asyncio.Future[Reply]]:
        """A number for a request, and the future that its `Reply` fulfils."""
        self._last_request += 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._requests[self._last_request] = future
        return self._last_request, future

    def refuse_requests(self) -> None:
        """The actor ends: nobody will answer what is still waiting."""
        for request in tuple(self._requests):
            self._reply(Reply(request, refusal="call-control is stopping", busy=True))

    async def _run(self, session: Session, queue: asyncio.Queue[Event]) -> None:
        while session.stage is not Stage.OVER:
            event = await _next(queue, wake_ns(session, time.monotonic_ns()))
            if isinstance(event, Failed):
                level = logging.DEBUG if event.why is Why.GONE else logging.WARNING  # gone: as often as not
                log.log(level, "%s: %s failed: %s", session.call_id, type(event.command).__name__, event.text)
            before = session.stage
            session, commands = step(session, event, time.monotonic_ns())
            self.store.put(session)
            if session.stage is not before:
                log.info("%s: %s%s", session.call_id, session.stage, f" ({session.cause})" if session.cause else "")
            for command in commands:
                self._do(session.call_id, command, queue)
        self._end(session, queue)

    def _do(self, call_id: str, command: Command, queue: asyncio.Queue[Event]) -> None:
        match command:
            case Note(what=what, detail=detail):
                self._tell(call_id, CallNote(call_id=call_id, what=what, detail=detail))
            case Reply():
                self._reply(command)
            case Abandon(what=what, text=text):
                log.warning("%s could not be removed, and will be looked for again: %s", what, text)
            case _:
                self._spawn(self._perform_into(queue, command), f"{type(command).__name__} of {call_id}")

    async def _perform_into(self, queue: asyncio.Queue[Event], command: Command) -> None:
        queue.put_nowait(await self._perform(command))

    def _reply(self, reply: Reply) -> None:
        future = self._requests.pop(reply.request, None)
        if future is not None and not future.done():
            future.set_result(reply)

    def _end(self, session: Session, queue: asyncio.Queue[Event]) -> None:
        """Events that came too late are dropped, except that whoever waits for an answer gets one."""
        while not queue.empty():
            _, commands = step(session, queue.get_nowait(), time.monotonic_ns())
            for command in commands:
                self._do(session.call_id, command, queue)
        del self._queues[session.call_id]
        self.store.drop(session.call_id)
        self._changed(len(self.store))
        successor = self._successors.pop(session.call_id, None)
        if successor is not None:
            self.begin(successor)


async def _next(queue: asyncio.Queue[Event], wake: int | None) -> Event:
    if wake is None:
        return await queue.get()
    try:
        async with asyncio.timeout(max(0.0, (wake - time.monotonic_ns()) / 1e9)):
            return await queue.get()
    except TimeoutError:
        return TimePassed()


def answer(reply: Reply) -> Message | None:
    """What a bus handler gives back for it. Raises `Refused`."""
    if reply.refusal:
        raise Refused(reply.refusal, busy=reply.busy)
    return None
