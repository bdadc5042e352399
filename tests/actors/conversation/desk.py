"""A conversation actor in the test's own process: a real bus and real rings, with everybody else played by the test.

    async with Desk(tmp_path, settings, agent) as desk:
        await desk.call()                      # StartCall, as call-control sends it
        desk.says("i want a person")           # the caller speaks, and the recogniser understands this
        await desk.told(Transfer)              # call-control gets it

The engines' actors answer at once, and what they say is on the wire at once.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from msgspec import structs

from actors.conversation.__main__ import Conversations
from actors.conversation.call import Call
from config.agent import Agent
from config.load import Config
from config.schema import ModelActor, Settings
from ipc import actions, journal
from ipc.bus import Bus, Refused
from ipc.journal import Record
from ipc.messages import (
    ActorChanged,
    Attend,
    CallList,
    Done,
    EndCall,
    Finish,
    HangUp,
    Hear,
    Heard,
    ListCalls,
    Message,
    OpenedCall,
    Release,
    Speak,
    Speaking,
    Spoken,
    StartCall,
    Transfer,
)
from ipc.rings import BELLS, Bell
from ipc.thinking import CancelGenerate, Generate, Generated, Prepare, Reserve, Token, ToolWanted
from tests.actors.service import PATIENCE_S, OpenCall, Service

M = TypeVar("M", bound=Message)

CONTROL = "call-control.branch"
COMMANDS = (
    HangUp,
    Transfer,
    actions.Consult,
    actions.DecideConsult,
    actions.CancelConsult,
    actions.HoldCaller,
    actions.SendDigits,
    actions.RecordCall,
    actions.AskExtension,
    actions.SetResult,
    actions.AnswerCall,
)

Answers = dict[type[Message], Message | Refused]


class Desk:
    """`thinks`: what the caller said -> the answer's text, and the tool that it wants with its arguments."""

    def __init__(self, run_dir: Path, settings: Settings, agent: Agent) -> None:
        self.run_dir = run_dir
        one = ModelActor(count=1)
        self.settings = structs.replace(
            settings,
            agents=structs.replace(settings.agents, default_agent=agent.name),
            actors=structs.replace(settings.actors, stt=one, llm=one, tts=one),
        )
        # The service's own asker is conversation.1.
        self.service = Service(run_dir, "conversation.2", agents={agent.name: agent})
        self.service._config = Config(path=run_dir / "x.yaml", settings=self.settings, agents={agent.name: agent})
        self.thinks: dict[str, tuple[str, str, dict[str, str]]] = {}
        self.answers: Answers = {}
        """How call-control answers a kind of command; `Done` where nothing is said."""
        self.got: list[Message] = []
        """What call-control was told, in order."""
        self.attended: list[str] = []
        """The grammars that the recogniser was given."""
        self.refused: list[str] = []
        """What the supervisor has counted."""
        self.opened: tuple[OpenedCall, ...] = ()
        self.no_recogniser = False
        self.said: list[str] = []
        """Clauses that were spoken, in order."""
        self._heard: dict[str, str] = defaultdict(str)
        self._written: dict[tuple[str, int], int] = defaultdict(int)
        self._new = asyncio.Event()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.service)
            stack.push_async_callback(self._stop)
            bus = {name: await stack.enter_async_context(Bus(self.run_dir, name)) for name in self._others()}
            for kind in COMMANDS:
                bus[CONTROL].on(kind, self._control)
            bus["supervisor"].on(ListCalls, self._list)
            bus["supervisor"].on(actions.CallRefused, self._count)
            self.stt, self.llm, self.tts, self.control = (bus[n] for n in ("stt.1", "llm.1", "tts.1", CONTROL))
            for kind in (Attend, Hear, Finish, Release):
                self.stt.on(kind, self._listen)
            self.llm.on(Generate, self._think)
            for kind in (CancelGenerate, Prepare):
                self.llm.on(kind, self._ignore)
            for kind in (Reserve, Release):
                self.llm.on(kind, self._done)
            self.tts.on(Speak, self._speak)
            self.tts.on(Release, self._done)
            self.begin()
            self._stack = stack.pop_all()
        return self

    @staticmethod
    def _others() -> tuple[str, ...]:
        return (CONTROL, "supervisor", "stt.1", "llm.1", "tts.1")

    def begin(self) -> None:
        """The actor begins; a second time, it is its successor."""
        self.conversations = Conversations(self.service.actor)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _stop(self) -> None:
        for call_id in tuple(self.service.calls):
            await self.conversations.end(CONTROL, EndCall(call_id=call_id, cause="the test is over"))

    # -- everybody else

    async def _control(self, sender: str, command: Message) -> Message:
        self.got.append(command)
        self._new.set()
        answer = self.answers.get(type(command), Done())
        if isinstance(answer, Refused):
            raise answer
        return answer

    async def _list(self, sender: str, command: ListCalls) -> CallList:
        return CallList(calls=self.opened)

    async def _count(self, sender: str, note: actions.CallRefused) -> None:
        self.refused.append(note.reason)
        self._new.set()

    async def _ignore(self, sender: str, note: Message) -> None:
        pass

    async def _done(self, sender: str, command: Message) -> Done:
        return Done()

    async def _listen(self, sender: str, command: Message) -> Message:
        if isinstance(command, Attend) and self.no_recogniser:
            raise Refused("no recogniser of that kind")
        if isinstance(command, Attend):
            self.attended.append(command.grammar)
            self._new.set()
        if isinstance(command, Finish):
            return Heard(text=self._heard[command.call_id], confidence=1.0, frames=1, lost=0, took_ns=1)
        return Done()

    async def _think(self, sender: str, question: Generate) -> Done:
        said = question.lines[-1].text
        text, tool, arguments = self.thinks.get(said, (f"You said {said}.", "", {}))
        self.llm.tell(sender, Token(request=question.request, text=text))
        if tool:
            self.llm.tell(sender, ToolWanted(request=question.request, name=tool, arguments=arguments))
        self.llm.tell(sender, Generated(request=question.request))
        return Done()

    async def _speak(self, sender: str, clause: Speak) -> Done:
        call = self.service.calls[clause.call_id]
        key = (clause.call_id, clause.generation)
        first, samples = self._written[key], call.rings.payload // 2
        self._written[key] += samples
        self.said.append(clause.text)
        here = {"call_id": clause.call_id, "generation": clause.generation, "clause": clause.clause}
        self.tts.tell(sender, Speaking(**here, written_ns=time.monotonic_ns()))  # type: ignore[arg-type]
        spoken = Spoken(**here, first_sample=first, samples=samples, words=())  # type: ignore[arg-type]
        self.tts.tell(sender, spoken)
        if call.gauge.generation == clause.generation:
            call.mouth.note_played(clause.generation, first + samples, time.monotonic_ns())
        Bell(call.bells[BELLS.index("ear.conversation")]).ring()
        self._new.set()
        return Done()

    # -- what a test does

    async def call(self, call_id: str = "c1", **wanted: Any) -> OpenCall:
        """A call comes, and the agent has greeted. Raises `Refused`."""
        call = self.service.open_call(call_id)
        start = StartCall(
            call_id=call_id,
            segment=call.segment,
            agent="",
            caller_number=wanted.pop("caller_number", "5551234"),
            caller_name=wanted.pop("caller_name", "Ada"),
            arrived_ns=time.monotonic_ns(),
            **wanted,
        )
        await self.control.ask(self.service.name, start, within=PATIENCE_S)
        return call

    async def note(self, note: Message) -> None:
        """Call-control says so. It has been heard when this returns: notes and commands arrive in order."""
        self.control.tell(self.service.name, note)
        await self.control.ask(self.service.name, EndCall(call_id="none", cause=""), within=PATIENCE_S)

    def says(self, text: str, call_id: str = "c1", *, digit: str = "", in_s: float = 0.0) -> None:
        """Whoever is on the line says this, so many seconds from now as far as anybody knows, and is silent; or presses
        a key."""
        self._heard[call_id] = text
        call = self.service.calls[call_id]
        spoken = 20 if text else 0
        for number in range(spoken + 60):
            call.ear.write(
                bytes(call.rings.payload),
                captured_ns=time.monotonic_ns() + int(in_s * 1e9),
                level=-20.0,
                speech=number < spoken,
                digit=digit if number == 0 else "",
            )
        Bell(call.bells[BELLS.index("ear.conversation")]).ring()

    async def until(self, happened: Callable[[], Any], what: str) -> None:
        """Waits until it is so; everything that the actor does to others wakes it up."""
        async with asyncio.timeout(PATIENCE_S) as limit:
            while not happened():
                self._new.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._new.wait()
                if limit.expired():
                    break
        if not happened():
            raise AssertionError(f"not in {PATIENCE_S:g} s: {what}; call-control got {self.got}, heard was {self.said}")

    async def hears(self, text: str) -> None:
        """Waits until the agent says this."""
        await self.until(lambda: text in " ".join(self.said), f"the agent says {text!r}")

    async def told(self, kind: type[M]) -> M:
        """Waits until call-control is told this kind of thing; the first of them."""
        await self.until(lambda: self.all(kind), f"call-control gets {kind.__name__}")
        return self.all(kind)[0]

    def all(self, kind: type[M]) -> list[M]:
        return [command for command in self.got if isinstance(command, kind)]

    def records(self, call_id: str = "c1") -> list[Record]:
        return list(journal.read(journal.path(self.run_dir, call_id)))

    def results(self) -> dict[str, str]:
        """The channel variables, as the dialplan gets them."""
        found: dict[str, str] = {}
        for command in self.all(actions.SetResult):
            found |= command.variables
        return found

    async def gives_up(self, role: str) -> None:
        """The supervisor has no actor of this role any more."""
        event = ActorChanged(name=f"{role}.1", role=role, state="degraded", pid=0, reason="died too often")
        await self.conversations.actor_changed("supervisor", event)

    async def dies(self) -> None:
        """The actor is gone without a word; its successor has the same name, and the call is still open."""
        for call_id, call in tuple(self.conversations._calls.items()):
            line = call._line if isinstance(call, Call) else call.line
            line.stop_listening()
            if isinstance(call, Call) and call._timer:
                call._timer.cancel()
            open_call = self.service.calls[call_id]
            self.opened += (
                OpenedCall(call_id=call_id, segment=open_call.segment, rate=8000, media_uuid="", audio_actor=""),
            )
        self.begin()
        await self.conversations.resume()
