"""`python -m actors.conversation`: one conversation actor, started by the supervisor. It holds many calls."""

import logging
import time
from datetime import UTC, datetime

from msgspec import structs

from actors import open_call
from actors.actor import Actor, run
from actors.conversation.call import Call, CallSetting
from actors.conversation.engines import Engines, NoEngine
from actors.conversation.line import Line
from actors.conversation.pressure import Pressure
from actors.conversation.provided import ProvidedCall, ProvidedSetting
from actors.conversation.providers import providers
from actors.conversation.providers.provider import NoProvider
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
        self._pressure = Pressure(settings.turns.refuse_above_ms)
        self._calls: dict[str, Call | ProvidedCall] = {}
        if settings.default_provider:
            # Now, and not when the first caller waits.
            providers.load(settings.default_provider)
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
        settings = self._actor.settings
        provider, pipeline, engines = settings.default_provider, "", {}
        if not provider:
            pipeline = settings.active_pipeline
            engines = structs.asdict(settings.pipelines[pipeline])
            for role in ENGINE_ROLES:
                if self._engines.given_up(role):
                    raise Refused(f"no {role} actor is in service", busy=True)
            if self._pressure.too_high(time.monotonic_ns()):
                log.warning("call %s refused: answers take longer than `turns.refuse_above_ms`", message.call_id)
                raise Refused("answers take longer than `turns.refuse_above_ms` allows for another call", busy=True)
        age = (time.monotonic_ns() - message.arrived_ns) / 1e9
        started = CallStarted(
            at_ns=time.monotonic_ns(),
            call_id=message.call_id,
            holder=self._actor.name,
            agent=agent.name,
            pipeline=pipeline,
            engines=engines,
            caller_number=message.caller_number,
            caller_name=message.caller_name,
            rate=0,
            arrived_ns=message.arrived_ns,
            wall=datetime.fromtimestamp(time.time() - age, UTC).isoformat(timespec="milliseconds"),
            provider=provider,
        )
        await self._open(message.call_id, message.segment, agent, started)
        return Done()

    async def _open(
        self, call_id: str, segment: str, agent: Agent, started: CallStarted, before: Past | None = None
    ) -> None:
        """`before`: what a predecessor made of the call, which it began with `started`."""
        rings, bell = await open_call.attach(self._actor.run_dir, call_id, segment, "ear_conversation")
        line = Line(call_id, segment, self._bus, rings, bell, Journal(journal.path(self._actor.run_dir, call_id)))
        line.wrote = self._pressure.note
        call = self._provided(line, agent, started) if started.provider else self._piped(line, agent, before)
        self._calls[call_id] = call
        self._actor.set_calls(len(self._calls))
        if before is None:
            line.write(structs.replace(started, rate=rings.rate))
        try:
            await call.open(taken_over=before is not None)
        except (NoEngine, NoProvider) as error:
            await self._close(call_id, "no engine" if isinstance(error, NoEngine) else "no provider")
            raise Refused(str(error), busy=error.busy) from error

    def _piped(self, line: Line, agent: Agent, before: Past | None) -> Call:
        """A call that a pipeline holds."""
        settings = self._actor.settings
        turns = Turns(
            settings.turns,
            settings.vad.start_frames,
            agent,
            generation=line.gauge.generation,
            history=before.history if before else None,
            turn=before.turn if before else 0,
        )
        unseen = _unseen_from(line.rings, before) if before else 0
        setting = CallSetting(agent, self._grammars[agent.name], unseen)
        return Call(setting, line, self._bus, self._engines, turns)

    def _provided(self, line: Line, agent: Agent, started: CallStarted) -> ProvidedCall:
        """A call that a provider holds."""
        setting = ProvidedSetting(started.provider, agent, self._actor.settings, started.at_ns)
        return ProvidedCall(setting, line)

    @property
    def _on_engines(self) -> list[Call]:
        """The calls that engines serve."""
        return [call for call in self._calls.values() if isinstance(call, Call)]

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
        if isinstance(call := self._calls.get(message.call_id), Call):
            call.take(message)

    async def take_by_request(self, sender: str, message: Token | ToolWanted | Generated) -> None:
        if isinstance(call := self._calls.get(message.request.rpartition("#")[0]), Call):
            call.take(message)

    async def actor_changed(self, sender: str, event: ActorChanged) -> None:
        if event.role not in ENGINE_ROLES:
            return
        self._engines.note(event)
        if event.state in ("dead", "degraded"):
            for call in self._on_engines:
                call.actor_lost(event.name, event.reason or event.state)
        if event.state == "degraded" and self._engines.given_up(event.role):
            for call in self._on_engines:
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
                agent = self._agent(before.started.agent)
                await self._open(known.call_id, known.segment, agent, before.started, before)
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
