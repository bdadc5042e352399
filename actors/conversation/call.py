"""One call of a pipeline as the conversation actor lives it: events go into the talk's machines, their actions go to
engines, rings and call-control.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from actors.conversation import events as ev
from actors.conversation.answering import Answering
from actors.conversation.details import Details
from actors.conversation.hearing import Hearing
from actors.conversation.line import Line
from actors.conversation.talk import Talk
from actors.conversation.tools import Tools
from actors.conversation.voicing import Voicing
from actors.pool import Engines
from config.agent import Agent
from config.schema import Settings
from ipc.actions import CancelConsult, DecideConsult
from ipc.bus import Bus
from ipc.ear import EarReader
from ipc.journal import EngineLost
from ipc.messages import Attend, CallNote, Partial, Placed, Speaking, Spoken
from ipc.thinking import Generated, Token, ToolWanted

LAST_TOOL_S = 0.5
"""For what a tool came to, when the call is over."""
DECIDE_S = 12.0
"""For person and caller to be joined: call-control tries for 8 s."""


@dataclass(frozen=True)
class CallSetting:
    """Who answers a call, and from where on."""

    agent: Agent
    grammar: str
    """Of what the caller says; "" for free dictation."""
    person_grammar: str
    """Of what somebody says who is asked to take the call."""
    settings: Settings
    details: Details
    ear_from: int = 0
    """The first frame of the ear that the turn machine has not seen."""
    on_hold: bool = False
    """The agent has put the caller on hold."""
    consult: ev.ConsultBegun | None = None
    """The attended transfer that a predecessor had begun."""
    asking: bool = False
    """The person has answered it."""


class Call:
    """Made once engines are wanted; `open` reserves them and lets the agent speak, `close` ends it all."""

    def __init__(self, setting: CallSetting, line: Line, bus: Bus, engines: Engines, talk: Talk) -> None:
        self._setting = setting
        self._line = line
        self._engines = engines
        self._talk = talk
        self._given_up = ""
        """Why the caller is sent on, once they are."""
        self._ear = EarReader(line.rings, setting.ear_from)
        self._played: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns: int | None = None
        self._tools: set[asyncio.Task[Any]] = set()
        """Tools that are being run."""
        call_id, segment, agent = line.call_id, line.segment, setting.agent
        attend = Attend(
            call_id=call_id,
            segment=segment,
            language=agent.language,
            grammar=setting.grammar,
            strict=agent.hears == "script",
        )
        self._hearing = Hearing(bus, engines, attend, self._engine_lost)
        self._answering = Answering(bus, engines, call_id, agent, self.feed, self._engine_lost)
        self._voicing = Voicing(bus, engines, call_id, segment, agent, self._engine_lost)
        self._doing = Tools(
            line,
            setting.settings,
            agent,
            setting.details,
            self.feed,
            lambda: talk.mode == "ringing",
            held=setting.on_hold,
        )

    @property
    def line(self) -> Line:
        return self._line

    # -- the call's life

    async def open(self, *, taken_over: bool = False) -> None:
        """Reserves a recogniser and lets the agent begin: the greeting is in the mouth before the call is answered.

        taken_over: a predecessor has held the call. Raises `NoEngine`.
        """
        # The agent's first words do not wait for the recogniser: both take some 20 ms, and the caller hears the sum.
        self._line.listen(self._rung)
        self.feed(ev.Started())
        if taken_over and self._ear.position:
            self.feed(ev.Answered())  # an outbound call that can be heard has been answered
        for part in (self._hearing, self._answering):
            await (part.take_over() if taken_over else part.open())
        setting = self._setting
        if setting.consult is not None:
            self._perform_all(self._talk.take_over(setting.consult, time.monotonic_ns(), asking=setting.asking))

    async def close(self, cause: str) -> None:
        """Writes down how it ended, and gives everything back."""
        self._line.stop_listening()
        self._look_at_wire()
        self.feed(ev.CallOver())
        if self._timer:
            self._timer.cancel()
        if self._tools:
            # The word that the caller has been transferred may come after the word that they are gone.
            await asyncio.wait(self._tools, timeout=LAST_TOOL_S)
        self._hearing.release()
        self._voicing.release()
        self._answering.release()
        self._line.close(cause)

    def note(self, note: CallNote) -> None:
        self._line.note(note)

    # -- events in

    def feed(self, event: ev.Event) -> None:
        """One event through the turn machine, and its actions on their way."""
        self._perform_all(self._talk.handle(event, time.monotonic_ns()))

    def _perform_all(self, actions: list[ev.Action]) -> None:
        for action in actions:
            self._perform(action)
        self._set_timer()

    def _set_timer(self) -> None:
        due_ns = self._talk.wake_at()
        if due_ns == self._timer_ns:
            return
        self._timer_ns = due_ns
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if due_ns is not None:
            delay = max(0, due_ns - time.monotonic_ns()) / 1e9
            self._timer = asyncio.get_running_loop().call_later(delay, self._time_passed)

    def _time_passed(self) -> None:
        # The loop's timers are whole milliseconds and may fire early; then it is set once more.
        self._timer_ns = None
        self.feed(ev.Clock())

    def _rung(self) -> None:
        """The audio actor has written to the ear; 20 ms have gone on the wire, too."""
        self._look_at_wire()
        while frame := self._ear.read():
            if frame.digit:
                self.feed(ev.DigitPressed(frame.digit))
            self.feed(ev.FrameHeard(frame.number, frame.captured_ns, frame.speech))

    def _look_at_wire(self) -> None:
        for generation in self._talk.watched:
            played = self._line.gauge.played(generation)
            if played.samples and self._played.get(generation) != played.samples:
                self._played[generation] = played.samples
                self.feed(ev.WirePlayed(generation, played.samples, played.first_ns, played.last_ns))

    def take(self, note: Partial | Token | ToolWanted | Generated | Speaking | Placed | Spoken) -> None:
        """A note of an engine's actor about this call."""
        if isinstance(note, Partial):
            self.feed(ev.PartialText(note.utterance, note.text))
        elif isinstance(note, Speaking):
            self.feed(ev.ClauseBegun(note.generation, note.clause, note.written_ns))
        elif isinstance(note, Placed | Spoken):
            if isinstance(note, Spoken):
                self._voicing.take(note)
            self.feed(ev.ClauseWritten(note.generation, note.clause, note.first_sample, note.samples, note.words))
        else:
            self._answering.take(note)

    def actor_lost(self, name: str, reason: str) -> None:
        """An actor died: whoever served this call is replaced."""
        for part in (self._hearing, self._answering, self._voicing):
            if part.actor == name:
                self._line.spawn(part.move(reason))

    def cannot_go_on(self, reason: str) -> None:
        """No engine of some role is left: the caller is told, and sent to where somebody can serve them."""
        if not self._given_up:
            self._given_up = reason
            self.feed(ev.CannotGoOn(can_speak=not self._engines.given_up("tts")))

    def _engine_lost(self, role: str, actor: str, reason: str, successor: str) -> None:
        lost = EngineLost(at_ns=time.monotonic_ns(), role=role, actor=actor, reason=reason, successor=successor)
        self._line.write(lost)

    # -- actions out

    def _perform(self, action: ev.Action) -> None:
        match action:
            case ev.BeginHearing(utterance, from_frame):
                self._line.spawn(self._hearing.begin(utterance, from_frame))
            case ev.FinishHearing(utterance, to_frame):
                self._line.spawn(self._finish_hearing(utterance, to_frame))
            case ev.Ask():
                self._line.spawn(self._answering.ask(action))
            case ev.Prepare(lines):
                self._answering.prepare(lines)
            case ev.CancelAnswer():
                self._answering.cancel()
            case ev.Flush(generation):
                while self._line.gauge.generation < generation:
                    self._line.gauge.flush()
            case ev.Say():
                self._line.spawn(self._voicing.say(action))
            case ev.RunTool():
                self._beside(self._doing.run(action))
            case ev.EndCall(reason, outcome):
                self._line.spawn(self._line.hang_up(reason, outcome))
            case ev.Write(record):
                self._line.write(record)
            case _:
                self._perform_rarely(action)

    def _perform_rarely(self, action: ev.Action) -> None:
        match action:
            case ev.Attend(whom):
                setting = self._setting
                grammar = setting.grammar if whom == "caller" else setting.person_grammar
                self._line.spawn(self._hearing.attend(grammar))
            case ev.DecideConsult():
                self._beside(self._decide(action))
            case ev.CancelConsult():
                self._beside(self._cancel_consult())
            case ev.SendOn(announced):
                self._line.send_on(self._given_up, announced=announced)
            case ev.Result(values):
                self._beside(self._set_result(values))

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that is worth waiting for at the end of the call."""
        task = self._line.spawn(work)
        self._tools.add(task)
        task.add_done_callback(self._tools.discard)

    async def _finish_hearing(self, utterance: int, to_frame: int) -> None:
        self.feed(await self._hearing.finish(utterance, to_frame))

    async def _decide(self, decision: ev.DecideConsult) -> None:
        if decision.accepted:
            await self._line.will_be_joined(decision.destination)
        command = DecideConsult(call_id=self._line.call_id, accepted=decision.accepted, reason=decision.reason)
        failure = await self._line.do(command, DECIDE_S)
        if failure:
            self.feed(ev.ConsultChanged("ended", failure))

    async def _cancel_consult(self) -> None:
        failure = await self._line.do(CancelConsult(call_id=self._line.call_id), DECIDE_S)
        if failure:
            self.feed(ev.ConsultChanged("ended", failure))

    async def _set_result(self, values: dict[str, str]) -> None:
        await self._line.set_result(values)
