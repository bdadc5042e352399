"""The calls at work: each has one queue of events and one task that takes them in order through `legs.step`.

Commands are carried out beside it, several at a time; each comes back into the queue as an event. So a slow answer
holds up nothing, and everything that is known of a call is changed in one place. What a step has made of the call is on
disk (`store`) before the commands that follow from it are carried out.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from actors.call_control.commands import Abandon, Command, Judge, Note, Reply, Tell
from actors.call_control.events import Begun, Event, Failed, TimePassed, Why
from actors.call_control.kept import AT_ONCE
from actors.call_control.legs import step, wake_ns
from actors.call_control.sessions import Session, SessionStore, Stage
from actors.call_control.store import Store
from ipc.bus import Refused
from ipc.messages import CallNote, Message

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Item:
    """What has happened to a call."""

    event: Event
    answers: Command | None = None
    """The command that it answers."""


@dataclass
class Course:
    """A call at work."""

    session: Session
    queue: asyncio.Queue[Item] = field(default_factory=asyncio.Queue)
    waiting: list[Command] = field(default_factory=list)
    """Commands that have not been answered."""


@dataclass(frozen=True)
class Beginning:
    """With what a call begins. Of one that goes on after a restart: what it has missed, and what it waits for."""

    session: Session
    missed: Sequence[Event] = ()
    waiting: Sequence[Command] = ()
    """Commands to be carried out (again)."""


class Calls:
    def __init__(
        self,
        kept: Store,
        perform: Callable[[Command], Awaitable[Event]],
        tell: Callable[[str, Message], None],
        spawn: Callable[[Awaitable[None], str], object],
        changed: Callable[[int], None] = lambda calls: None,
        judge: Callable[[Judge], None] = lambda judge: None,
    ) -> None:
        """kept: where each step is written. perform: does a command. tell: takes a note to the conversation of a call.
        spawn: runs something beside this. changed: hears how many calls there are. judge: hears which transports work.
        """
        self.store = SessionStore()
        self._kept = kept
        self._perform = perform
        self._tell = tell
        self._spawn = spawn
        self._changed = changed
        self._judge = judge
        self._courses: dict[str, Course] = {}
        self._successors: dict[str, Beginning] = {}
        self._requests: dict[int, asyncio.Future[Reply]] = {}
        # Requests that a predecessor has left in the sessions have lower numbers: nobody here waits for their answers.
        self._last_request = time.monotonic_ns()

    def begin(self, session: Session, missed: Sequence[Event] = (), waiting: Sequence[Command] = ()) -> None:
        """Runs the call from here on. While an earlier call under this id is still being cleared, it waits for that: a
        dialplan may bring the same channel back to us.

        missed, waiting: of a call that goes on after a restart, see `Beginning`.
        """
        beginning = Beginning(session, missed, waiting)
        if session.call_id in self._courses:
            self._successors[session.call_id] = beginning
            return
        items = [Item(event, event.command if isinstance(event, Failed) else None) for event in missed]
        course = Course(session, waiting=[*waiting, *(item.answers for item in items if item.answers is not None)])
        for item in (*items, Item(Begun())):
            course.queue.put_nowait(item)
        self._courses[session.call_id] = course
        self.store.put(session)
        self._kept.begin(session, course.waiting, time.monotonic_ns())
        self._changed(len(self.store))
        self._spawn(self._run(course), f"call {session.call_id}")
        for command in waiting:
            self._do(course, command)

    def tell(self, call_id: str, event: Event) -> bool:
        """False when there is no such call."""
        course = self._courses.get(call_id)
        if course is not None:
            course.queue.put_nowait(Item(event))
        return course is not None

    def forget_successor(self, call_id: str) -> None:
        """The channel that came back has gone again before its turn."""
        self._successors.pop(call_id, None)

    def request(self) -> tuple[int, asyncio.Future[Reply]]:
        """A number for a request, and the future that its `Reply` fulfils."""
        self._last_request += 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._requests[self._last_request] = future
        return self._last_request, future

    def ask(self, call_id: str, event: Callable[[int], Event]) -> asyncio.Future[Reply] | None:
        """Tells a call what somebody wants of it: `event` is given the number of their request. None when there is no
        such call."""
        if call_id not in self._courses:
            return None
        request, reply = self.request()
        self.tell(call_id, event(request))
        return reply

    def refuse_requests(self) -> None:
        """The actor ends: nobody will answer what is still waiting."""
        for request in tuple(self._requests):
            self._reply(Reply(request, refusal="call-control is stopping", busy=True))

    async def _run(self, course: Course) -> None:
        now = time.monotonic_ns()
        while course.session.stage is not Stage.OVER:
            # As of the step, not as of now: what became due while the step was being written, by a slow disk, is due.
            item = await _next(course.queue, wake_ns(course.session, now))
            event, before, now = item.event, course.session, time.monotonic_ns()
            if isinstance(event, Failed):
                level = logging.DEBUG if event.why is Why.GONE else logging.WARNING  # gone: as often as not
                log.log(level, "%s: %s failed: %s", before.call_id, type(event.command).__name__, event.text)
            session, commands = step(before, event, now)
            course.session = session
            if item.answers in course.waiting:
                course.waiting.remove(item.answers)
            course.waiting += [command for command in commands if not isinstance(command, AT_ONCE)]
            self.store.put(session)
            self._kept.step(before, event, session, course.waiting, now)
            if session.stage is not before.stage:
                log.info("%s: %s%s", session.call_id, session.stage, f" ({session.cause})" if session.cause else "")
            for command in commands:
                self._do(course, command)
        await self._kept.end(course.session, time.monotonic_ns())
        self._end(course)

    def _do(self, course: Course, command: Command) -> None:
        call_id = course.session.call_id
        match command:
            case Note(what=what, detail=detail):
                self._tell(call_id, CallNote(call_id=call_id, what=what, detail=detail))
            case Tell(message=message):
                self._tell(call_id, message)
            case Judge():
                self._judge(command)
            case Reply():
                self._reply(command)
            case Abandon(what=what, text=text):
                log.warning("%s could not be removed, and will be looked for again: %s", what, text)
            case _:
                self._spawn(self._perform_for(course, command), f"{type(command).__name__} of {call_id}")

    async def _perform_for(self, course: Course, command: Command) -> None:
        course.queue.put_nowait(Item(await self._perform(command), command))

    def _reply(self, reply: Reply) -> None:
        future = self._requests.pop(reply.request, None)
        if future is not None and not future.done():
            future.set_result(reply)

    def _end(self, course: Course) -> None:
        """Events that came too late are dropped, except that whoever waits for an answer gets one."""
        session = course.session
        while not course.queue.empty():
            _, commands = step(session, course.queue.get_nowait().event, time.monotonic_ns())
            for command in commands:
                self._do(course, command)
        del self._courses[session.call_id]
        self.store.drop(session.call_id)
        self._changed(len(self.store))
        successor = self._successors.pop(session.call_id, None)
        if successor is not None:
            self.begin(successor.session, successor.missed, successor.waiting)


async def _next(queue: asyncio.Queue[Item], wake: int | None) -> Item:
    if wake is None:
        return await queue.get()
    try:
        async with asyncio.timeout(max(0.0, (wake - time.monotonic_ns()) / 1e9)):
            return await queue.get()
    except TimeoutError:
        return Item(TimePassed())


def answer(reply: Reply) -> Message | None:
    """What a bus handler gives back for it. Raises `Refused`."""
    if reply.refusal:
        raise Refused(reply.refusal, busy=reply.busy)
    return None
