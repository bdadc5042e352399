"""`python -m actors.conversation`: one conversation actor, started by the supervisor. It holds many calls."""

import asyncio
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime

from msgspec import structs

from actors import open_call, pool
from actors.actor import Actor, run
from actors.conversation import events as ev
from actors.conversation.call import Call
from actors.conversation.choosing import choose
from actors.conversation.line import Line
from actors.conversation.making import Maker
from actors.conversation.pressure import Pressure
from actors.conversation.provided import ProvidedCall
from actors.conversation.providers import providers
from actors.conversation.providers.provider import NoProvider
from actors.conversation.recorder import Recorder, sweep_for_ever
from actors.conversation.recordings import Recordings
from actors.conversation.resume import Past, past
from actors.pool import Engines, NoEngine
from config.agent import Agent
from ipc import journal
from ipc.actions import CallAnswered, CallHeld, CallRefused, ConsultChanged, KeyPressed
from ipc.bus import NoAnswer, Refused
from ipc.journal import CallStarted, Journal, Noted, ProviderLost
from ipc.messages import (
    ActorChanged,
    CallList,
    CallNote,
    Done,
    EndCall,
    ListCalls,
    OpenedCall,
    Partial,
    Placed,
    Speaking,
    Spoken,
    StartCall,
    Transfer,
)
from ipc.thinking import Generated, Token, ToolWanted

log = logging.getLogger(__name__)

SUPERVISOR = "supervisor"

SWEEP_S = 5.0
"""Between two looks for calls that have ended without a word; the second finds them."""
SEND_ON_S = 20.0
"""For a call that could not even be opened again: its caller has nobody, and call-control may be coming back itself."""


class Conversations:
    """The calls of one conversation actor."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._bus = actor.bus
        settings = actor.settings
        self._engines = Engines(actor.bus, pool.names(settings.actors), pool.first(settings.actors))
        self._pressure = Pressure(settings.turns.refuse_above_ms)
        self._calls: dict[str, Call | ProvidedCall] = {}
        if settings.default_provider:
            # Now, and not when the first caller waits.
            providers.load(settings.default_provider)
        self._maker = Maker(actor.bus, actor.config, self._engines, self._provider_lost)
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
        self._bus.on(CallAnswered, self.answered)
        self._bus.on(CallHeld, self.held)
        self._bus.on(KeyPressed, self.key_pressed)
        self._bus.on(ConsultChanged, self.consult_changed)

    def _agent(self, name: str) -> Agent:
        agents = self._actor.config.agents
        agent = agents.get(name or self._actor.settings.agents.default_agent)
        if agent is None:
            raise Refused(f"there is no agent {name!r}; there are {', '.join(sorted(agents))}")
        return agent

    # -- calls begin

    async def start(self, sender: str, message: StartCall) -> Done:
        agent = self._agent(message.agent)
        held = self._calls.get(message.call_id)
        if held is not None and held.line.segment == message.segment:
            return Done()  # call-control died before it had our answer, and asks again
        settings = self._actor.settings
        choice = choose(message.provider, settings)
        if choice.pipeline:
            self._refuse_if_short(message.call_id)
        age = (time.monotonic_ns() - message.arrived_ns) / 1e9
        started = CallStarted(
            at_ns=time.monotonic_ns(),
            call_id=message.call_id,
            holder=self._actor.name,
            agent=agent.name,
            pipeline=choice.pipeline,
            engines=structs.asdict(settings.pipelines[choice.pipeline]) if choice.pipeline else {},
            caller_number=message.caller_number,
            caller_name=message.caller_name,
            rate=0,
            arrived_ns=message.arrived_ns,
            wall=datetime.fromtimestamp(time.time() - age, UTC).isoformat(timespec="milliseconds"),
            provider=choice.provider,
            control=sender,
            outbound=message.outbound,
            variables=message.variables,
        )
        line = await self._line(message.call_id, message.segment, started)
        line.write(structs.replace(started, rate=line.rings.rate))
        self._record(line)
        if choice.known:
            instead = choice.provider or choice.pipeline
            known = ", ".join(choice.known)
            log.warning(
                "call %s asks for the provider %r, which is not in service: it gets %s; there are %s",
                message.call_id,
                message.provider,
                instead,
                known,
            )
            detail = {"wanted": message.provider[: journal.LONGEST_NAME], "instead": instead, "known": known}
            line.write(Noted(at_ns=time.monotonic_ns(), what="provider not in service", detail=detail))
        try:
            await self._open(line, agent, started)
        except NoEngine as error:
            await self._close(message.call_id, "no engine")
            raise Refused(str(error), busy=error.busy) from error
        except NoProvider as error:
            if not self._pipeline:
                await self._close(message.call_id, "no provider")
                raise Refused(str(error), busy=error.busy) from error
            await self._provider_lost(message.call_id, str(error))
        return Done()

    def _refuse_if_short(self, call_id: str) -> None:
        """Raises `Refused` where a pipeline could not serve another call as it should."""
        for role in pool.ROLES:
            if self._engines.given_up(role):
                raise Refused(f"no {role} actor is in service", busy=True)
        if self._pressure.too_high(time.monotonic_ns()):
            log.warning("call %s refused: answers take longer than `turns.refuse_above_ms`", call_id)
            self._bus.tell(SUPERVISOR, CallRefused(reason="slow answers"))
            raise Refused("answers take longer than `turns.refuse_above_ms` allows for another call", busy=True)

    async def _line(self, call_id: str, segment: str, started: CallStarted) -> Line:
        """Raises `Refused`."""
        rings, bell = await open_call.attach(self._actor.run_dir, call_id, segment, "ear_conversation")
        line = Line(
            call_id,
            segment,
            self._bus,
            rings,
            bell,
            Journal(journal.path(self._actor.run_dir, call_id)),
            control=started.control,
            began_ns=started.at_ns,
        )
        line.wrote = self._pressure.note
        return line

    def _record(self, line: Line) -> None:
        settings = self._actor.settings
        recorder = Recorder(line.call_id, line.segment, line.rings, settings, line.write)
        line.recordings = Recordings(line.call_id, settings.recording, recorder, line.do)
        line.recordings.begin(journal.read(journal.path(self._actor.run_dir, line.call_id)))

    async def _open(self, line: Line, agent: Agent, started: CallStarted, before: Past | None = None) -> None:
        """`before`: what a predecessor made of the call, which it began with `started`. Raises `NoEngine` and
        `NoProvider`; the call is there all the same, to be closed or sent on."""
        make = self._maker.provided if started.provider else self._maker.piped
        call = self._calls[line.call_id] = make(line, agent, started, before)
        self._actor.set_calls(len(self._calls))
        await call.open(taken_over=before is not None)

    async def _provider_lost(self, call_id: str, reason: str) -> None:
        """The call goes on with the pipeline, where one is in service, and with all that was said; else it goes."""
        call, pipeline = self._calls.get(call_id), self._pipeline
        if not isinstance(call, ProvidedCall):
            return
        line = call.line
        if not pipeline:
            line.send_on(reason)
            return
        log.error("call %s: %s is lost (%s): it goes on with %s", call_id, call.provider, reason, pipeline)
        await call.dismiss(reason)
        engines = structs.asdict(self._actor.settings.pipelines[pipeline])
        now_ns = time.monotonic_ns()
        line.write(
            ProviderLost(at_ns=now_ns, provider=call.provider, reason=reason, pipeline=pipeline, engines=engines)
        )
        before = past(journal.read(journal.path(self._actor.run_dir, call_id)))
        if before is not None and self._calls.get(call_id) is call:
            await self._go_on(line, replace(before, until_ns=now_ns))

    @property
    def _pipeline(self) -> str:
        """The pipeline that can take a provider's call; "" for none."""
        settings = self._actor.settings
        if settings.default_provider or any(self._engines.given_up(role) for role in pool.ROLES):
            return ""
        return settings.active_pipeline

    # -- calls go on, and end

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

    async def answered(self, sender: str, message: CallAnswered) -> None:
        call = self._calls.get(message.call_id)
        if isinstance(call, ProvidedCall):
            await call.answered()
        else:
            self._feed(message.call_id, ev.Answered())

    async def held(self, sender: str, message: CallHeld) -> None:
        self._feed(message.call_id, ev.Held(message.held))

    async def key_pressed(self, sender: str, message: KeyPressed) -> None:
        self._feed(message.call_id, ev.DigitPressed(message.digit))

    async def consult_changed(self, sender: str, message: ConsultChanged) -> None:
        self._feed(message.call_id, ev.ConsultChanged(message.state, message.reason))

    def _feed(self, call_id: str, event: ev.Event) -> None:
        if isinstance(call := self._calls.get(call_id), Call):
            call.feed(event)

    async def take_by_call(self, sender: str, message: Partial | Speaking | Placed | Spoken) -> None:
        if isinstance(call := self._calls.get(message.call_id), Call):
            call.take(message)

    async def take_by_request(self, sender: str, message: Token | ToolWanted | Generated) -> None:
        if isinstance(call := self._calls.get(message.request.rpartition("#")[0]), Call):
            call.take(message)

    async def actor_changed(self, sender: str, event: ActorChanged) -> None:
        if event.role not in pool.ROLES:
            return
        self._engines.note(event)
        if event.state in ("dead", "degraded"):
            for call in self._on_engines:
                call.actor_lost(event.name, event.reason or event.state)
        if event.state == "degraded" and self._engines.given_up(event.role):
            for call in self._on_engines:
                call.cannot_go_on(f"no {event.role} actor is in service: {event.reason}")

    async def sweep(self) -> None:
        """For ever: calls whose rings the supervisor has closed, and whose end nobody has told us (call-control asks
        three times), are over. They end themselves, for nobody else knows of them any more."""
        suspects: set[str] = set()
        while True:
            await asyncio.sleep(SWEEP_S)
            closed = {call_id for call_id, call in self._calls.items() if call.line.rings.closed}
            for call_id in closed & suspects:
                log.warning("call %s was closed, and nobody has said so: it ends", call_id)
                await self._close(call_id, "the call was closed")
            suspects = closed

    # -- after a death

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
                line = await self._line(known.call_id, known.segment, before.started)
            except Refused as refused:
                await self._send_on(known, before.started.control, str(refused))
            else:
                for record in journal.read(file):
                    line.outcome.note(record)
                self._record(line)
                # Side by side: a recogniser that is coming back is waited for, and every caller waits.
                self._bus.spawn(self._go_on(line, before), f"taking over {known.call_id}")

    async def _go_on(self, line: Line, before: Past) -> None:
        try:
            await self._open(line, self._agent_of(before), before.started, before)
        except (NoEngine, NoProvider) as error:
            call = self._calls.get(line.call_id)
            if isinstance(call, Call):
                call.cannot_go_on(str(error))
            else:
                await self._provider_lost(line.call_id, str(error))
        else:
            log.info("call %s taken over in the middle, %d lines", line.call_id, len(before.history.lines))

    def _agent_of(self, before: Past) -> Agent:
        """The agent that has held the call; the default one where the configuration does not have it any more."""
        try:
            return self._agent(before.started.agent)
        except Refused as refused:
            log.error("call %s: %s; the default agent goes on", before.started.call_id, refused)
            return self._actor.config.agent

    async def _send_on(self, known: OpenedCall, control: str, reason: str) -> None:
        """A call of which nothing can be had any more: its caller must not listen to silence."""
        log.error("call %s could not be taken over: %s", known.call_id, reason)
        try:
            await self._bus.ask(control, Transfer(call_id=known.call_id, destination=""), within=SEND_ON_S)
        except (NoAnswer, Refused) as error:
            log.error("call %s could not be sent on: %s", known.call_id, error)


async def serve(actor: Actor) -> None:
    conversations = Conversations(actor)
    await actor.bus.subscribe(SUPERVISOR, ActorChanged, conversations.actor_changed)
    await conversations.resume()
    actor.bus.spawn(conversations.sweep(), "looking for calls that are over")
    if actor.number == 1:
        actor.bus.spawn(sweep_for_ever(actor.settings), "old recordings")
    actor.ready()
    await actor.stopping.wait()


if __name__ == "__main__":
    run(serve)
