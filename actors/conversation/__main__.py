"""`python -m actors.conversation`: one conversation actor, started by the supervisor. It holds many calls."""

import logging
import time
from datetime import UTC, datetime

import msgspec

from actors import open_call
from actors.actor import Actor, run
from actors.conversation.call import Call, CallSetting
from actors.conversation.engines import Engines, NoEngine
from actors.conversation.resume import Past, past
from actors.conversation.turns import Turns
from config.agent import Agent
from config.grammar import grammar
from ipc import journal
from ipc.bus import NoAnswer, Refused
from ipc.ear import EarReader
from ipc.journal import CallStarted, Journal
from ipc.messages import (
    ActorChanged,
    CallList,
    CallNote,
    Done,
    EndCall,
    Generated,
    ListCalls,
    Partial,
    Placed,
    Speaking,
    Spoken,
    StartCall,
    Token,
    ToolWanted,
)
from ipc.mouth import MouthGauge
from ipc.rings import EAR_SLOTS, FRAME_NS, Rings

log = logging.getLogger(__name__)

SUPERVISOR = "supervisor"
ENGINE_ROLES = ("stt", "llm", "tts")


class Conversations:
    """The calls of one conversation actor."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._bus = actor.bus
        settings = actor.settings
        names = {
            role: [f"{role}.{number}" for number in range(1, getattr(settings.actors, role).count + 1)]
            for role in ENGINE_ROLES
        }
        self._engines = Engines(actor.bus, names)
        self._calls: dict[str, Call] = {}
        self._grammars = {name: grammar(agent) for name, agent in actor.config.agents.items()}
        self._bus.on(Partial, self.take_by_call)
        self._bus.on(Speaking, self.take_by_call)
        self._bus.on(Placed, self.take_by_call)
        self._bus.on(Spoken, self.take_by_call)
        self._bus.on(Token, self.take_by_request)
        self._bus.on(ToolWanted, self.take_by_request)
        self._bus.on(Generated, self.take_by_request)
        self._bus.on(StartCall, self.start)
        self._bus.on(EndCall, self.end)
        self._bus.on(CallNote, self.note)

    def _agent(self, name: str) -> Agent:
        agents = self._actor.config.agents
        agent = agents.get(name or self._actor.settings.agents.default_agent)
        if agent is None:
            raise Refused(f"there is no agent {name!r}; there are {', '.join(sorted(agents))}")
        return agent

    async def start(self, sender: str, message: StartCall) -> Done:
        agent = self._agent(message.agent)
        for role in ENGINE_ROLES:
            if self._engines.given_up(role):
                raise Refused(f"no {role} actor is in service", busy=True)
        pipeline = self._actor.settings.active_pipeline
        engines = self._actor.settings.pipelines[pipeline]
        age = (time.monotonic_ns() - message.arrived_ns) / 1e9
        started = CallStarted(
            at_ns=time.monotonic_ns(),
            call_id=message.call_id,
            holder=self._actor.name,
            agent=agent.name,
            pipeline=pipeline,
            engines={"stt": engines.stt, "llm": engines.llm, "tts": engines.tts},
            caller_number=message.caller_number,
            caller_name=message.caller_name,
            rate=0,
            arrived_ns=message.arrived_ns,
            wall=datetime.fromtimestamp(time.time() - age, UTC).isoformat(timespec="milliseconds"),
        )
        await self._open(message.call_id, message.segment, agent, started)
        return Done()

    async def _open(
        self, call_id: str, segment: str, agent: Agent, started: CallStarted | None, before: Past | None = None
    ) -> None:
        settings = self._actor.settings
        rings, bell = await open_call.attach(self._actor.run_dir, call_id, segment, "ear_conversation")
        turns = Turns(
            settings.turns,
            settings.vad.start_frames,
            agent,
            generation=MouthGauge(rings).generation,
            history=before.history if before else None,
            turn=before.turn if before else 0,
        )
        unseen = _unseen_from(rings, before) if before else 0
        setting = CallSetting(call_id, segment, agent, self._grammars[agent.name], unseen)
        file = Journal(journal.path(self._actor.run_dir, call_id))
        call = self._calls[call_id] = Call(setting, self._bus, self._engines, rings, bell, file, turns)
        self._actor.set_calls(len(self._calls))
        if started is not None:
            call.write(msgspec.structs.replace(started, rate=rings.rate))
        try:
            await call.open(taken_over=before is not None)
        except NoEngine as error:
            await self._close(call_id, "no engine")
            raise Refused(str(error), busy=error.busy) from error

    async def end(self, sender: str, message: EndCall) -> Done:
        await self._close(message.call_id, message.cause)
        return Done()

    async def _close(self, call_id: str, cause: str) -> None:
        call = self._calls.pop(call_id, None)
        if call is not None:
            await call.close(cause)
            self._actor.set_calls(len(self._calls))

    async def note(self, sender: str, message: CallNote) -> None:
        if call := self._calls.get(message.call_id):
            call.note(message)

    async def take_by_call(self, sender: str, message: Partial | Speaking | Placed | Spoken) -> None:
        if call := self._calls.get(message.call_id):
            call.take(message)

    async def take_by_request(self, sender: str, message: Token | ToolWanted | Generated) -> None:
        if call := self._calls.get(message.request.rpartition("#")[0]):
            call.take(message)

    async def actor_changed(self, sender: str, event: ActorChanged) -> None:
        if event.role not in ENGINE_ROLES:
            return
        self._engines.note(event)
        if event.state in ("dead", "degraded"):
            for call in self._calls.values():
                call.actor_lost(event.name, event.reason or event.state)
        if event.state == "degraded" and self._engines.given_up(event.role):
            for call in self._calls.values():
                call.cannot_go_on(f"no {event.role} actor is in service: {event.reason}")

    async def resume(self) -> None:
        """Takes over the calls that a predecessor of the same name held."""
        try:
            opened = await self._bus.expect(SUPERVISOR, ListCalls(), CallList, within=5)
        except (NoAnswer, Refused) as error:
            log.error("cannot know which calls are under way: %s", error)
            return
        for known in opened.calls:
            file = journal.path(self._actor.run_dir, known.call_id)
            before = past(journal.read(file)) if file.exists() else None
            if before is None or before.started.holder != self._actor.name or known.call_id in self._calls:
                continue
            try:
                await self._open(known.call_id, known.segment, self._agent(before.started.agent), None, before)
            except Refused as refused:
                log.error("call %s could not be taken over: %s", known.call_id, refused)
            else:
                log.info("call %s taken over in the middle, %d lines", known.call_id, len(before.history.lines))


def _unseen_from(rings: Rings, before: Past) -> int:
    """The frame at which the predecessor stopped: one comes every 20 ms, and the ear holds the last 30 s."""
    frames = (time.monotonic_ns() - before.until_ns) // FRAME_NS
    return max(0, EarReader(rings).position - min(frames, EAR_SLOTS - 1))


async def serve(actor: Actor) -> None:
    conversations = Conversations(actor)
    await actor.bus.subscribe(SUPERVISOR, ActorChanged, conversations.actor_changed)
    await conversations.resume()
    actor.ready()
    await actor.stopping.wait()


if __name__ == "__main__":
    run(serve)
