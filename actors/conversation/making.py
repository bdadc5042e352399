"""Puts a call together from its parts: for a pipeline or a provider, anew or in the middle."""

import time
from collections.abc import Awaitable, Callable

from actors.conversation import events as ev
from actors.conversation.call import Call, CallSetting
from actors.conversation.course import Course
from actors.conversation.details import Details
from actors.conversation.line import Line
from actors.conversation.provided import ProvidedCall, ProvidedSetting
from actors.conversation.resume import Past
from actors.conversation.talk import Setting, Talk
from actors.pool import Engines
from config.agent import Agent
from config.grammar import consult_grammar, grammar
from config.load import Config
from config.schema import Destination
from ipc.bus import Bus
from ipc.ear import EarReader
from ipc.journal import AgentSaying, CallStarted
from ipc.rings import EAR_SLOTS, FRAME_NS, Rings


class Maker:
    """Of one conversation actor."""

    def __init__(
        self, bus: Bus, config: Config, engines: Engines, provider_lost: Callable[[str, str], Awaitable[None]]
    ) -> None:
        """`provider_lost` is called with a call whose provider cannot go on, and why."""
        self._bus = bus
        self._settings = config.settings
        self._engines = engines
        self._provider_lost = provider_lost
        self._grammars = {name: (grammar(agent), consult_grammar(agent)) for name, agent in config.agents.items()}

    def piped(self, line: Line, agent: Agent, started: CallStarted, before: Past | None) -> Call:
        """A call that a pipeline holds. `before`: what a predecessor made of it."""
        settings = self._settings
        details = Details(started.caller_name, started.caller_number, started.variables, agent.variables)
        waits = started.outbound and not (before and before.answered)
        consult, asking = self._consult(before)
        course = Course(
            settings.turns,
            settings.vad.start_frames,
            agent,
            generation=line.gauge.generation,
            history=before.history if before else None,
            turn=before.turn if before else 0,
            away=before is not None and (before.away or asking),
            on_hold=before is not None and before.on_hold,
            greeting=agent.outbound_greeting if started.outbound else "",
            fill=details.fill,
            saying=_still_heard(line, before) if not asking else None,
        )
        outbound = settings.outbound if waits else None
        talk = Talk(Setting(settings.turns, settings.vad.start_frames, agent, details, outbound), course)
        said, answered = self._grammars[agent.name]
        setting = CallSetting(
            agent=agent,
            grammar=said,
            person_grammar=answered,
            settings=settings,
            details=details,
            ear_from=_unseen_from(line.rings, before) if before else 0,
            on_hold=before is not None and before.on_hold,
            consult=consult,
            asking=asking,
        )
        return Call(setting, line, self._bus, self._engines, talk)

    def _consult(self, before: Past | None) -> tuple[ev.ConsultBegun | None, bool]:
        """The attended transfer that is under way, and whether the person has answered."""
        consult = before.consult if before else None
        if before is None or consult is None:
            return None, False
        nowhere = Destination(context="-", extension="-")
        place = self._settings.transfers.destinations.get(consult.destination, nowhere)
        title = place.title or consult.destination
        begun = ev.ConsultBegun(consult.destination, title, before.reason, place.ring_s, place.decide_s)
        return begun, consult.state == "asking"

    def provided(self, line: Line, agent: Agent, started: CallStarted, before: Past | None) -> ProvidedCall:
        """A call that a provider holds."""
        setting = ProvidedSetting(
            started.provider, agent, self._settings, started.at_ns, waits=started.outbound and before is None
        )

        def give_up(reason: str) -> None:
            self._bus.spawn(self._provider_lost(line.call_id, reason), f"call {line.call_id} without its provider")

        return ProvidedCall(setting, line, give_up)


def _still_heard(line: Line, before: Past | None) -> AgentSaying | None:
    """What a predecessor has put into the mouth, unless the caller has interrupted it since."""
    saying = before.saying if before and not before.away else None
    return saying if saying is not None and saying.generation == line.gauge.generation else None


def _unseen_from(rings: Rings, before: Past) -> int:
    """The frame at which the predecessor stopped: one comes every 20 ms, and the ear holds the last 30 s."""
    frames = (time.monotonic_ns() - before.until_ns) // FRAME_NS
    return max(0, EarReader(rings).position - min(frames, EAR_SLOTS - 1))
