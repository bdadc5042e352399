"""One call of a pipeline as the conversation actor lives it: events go into the turn machine, its actions go to engines
and rings.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from actors.conversation import events as ev
from actors.conversation.answering import Answering
from actors.conversation.engines import Engines
from actors.conversation.hearing import Hearing
from actors.conversation.line import Line
from actors.conversation.turns import Turns
from actors.conversation.voicing import Voicing
from config.agent import Agent
from ipc.bus import Bus
from ipc.ear import EarReader
from ipc.journal import EngineLost, ToolRun
from ipc.messages import Attend, CallNote, Generated, Partial, Placed, Speaking, Spoken, Token, ToolWanted

LAST_TOOL_S = 0.5
"""For what a tool came to, when the call is over."""


@dataclass(frozen=True)
class CallSetting:
    """Who answers a call, and from where on."""

    agent: Agent
    grammar: str
    ear_from: int = 0
    """The first frame of the ear that the turn machine has not seen."""


class Call:
    """Made once engines are wanted; `open` reserves them and lets the agent speak, `close` ends it all."""

    def __init__(self, setting: CallSetting, line: Line, bus: Bus, engines: Engines, turns: Turns) -> None:
        self._line = line
        self._turns = turns
        self._ear = EarReader(line.rings, setting.ear_from)
        self._played: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns: int | None = None
        self._tools: set[asyncio.Task[Any]] = set()
        """Tools that are being run."""
        call_id, segment, agent = line.call_id, line.segment, setting.agent
        attend = Attend(call_id=call_id, segment=segment, language=agent.language, grammar=setting.grammar)
        self._hearing = Hearing(bus, engines, attend, self._engine_lost)
        self._answering = Answering(bus, engines, call_id, agent, self.feed, self._engine_lost)
        self._voicing = Voicing(bus, engines, call_id, segment, agent, self._engine_lost)

    # -- the call's life

    async def open(self, *, taken_over: bool = False) -> None:
        """Reserves a recogniser and lets the agent begin: the greeting is in the mouth before the call is answered.

        taken_over: a predecessor has held the call. Raises `NoEngine`.
        """
        # The agent's first words do not wait for the recogniser: both take some 20 ms, and the caller hears the sum.
        self._line.listen(self._rung)
        self.feed(ev.Started())
        await (self._hearing.take_over() if taken_over else self._hearing.open())

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
        self._answering.cancel()
        self._line.close(cause)

    def note(self, note: CallNote) -> None:
        self._line.note(note)

    # -- events in

    def feed(self, event: ev.Event) -> None:
        """One event through the turn machine, and its actions on their way."""
        for action in self._turns.handle(event, time.monotonic_ns()):
            self._perform(action)
        self._set_timer()

    def _set_timer(self) -> None:
        due_ns = self._turns.wake_at()
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
        for generation in self._turns.watched:
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
        """No engine of some role is left: the caller is sent to where somebody can serve them."""
        self._line.send_on(reason)

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
            case ev.CancelAnswer():
                self._answering.cancel()
            case ev.Flush(generation):
                while self._line.gauge.generation < generation:
                    self._line.gauge.flush()
            case ev.Say():
                self._line.spawn(self._voicing.say(action))
            case ev.RunTool(name, arguments, turn):
                tool = self._line.spawn(self._run_tool(name, arguments, turn))
                self._tools.add(tool)
                tool.add_done_callback(self._tools.discard)
            case ev.EndCall(reason):
                self._line.spawn(self._line.hang_up(reason))
            case ev.Write(record):
                self._line.write(record)

    async def _finish_hearing(self, utterance: int, to_frame: int) -> None:
        self.feed(await self._hearing.finish(utterance, to_frame))

    async def _run_tool(self, name: str, arguments: dict[str, str], turn: int) -> None:
        outcome = "done"
        if name == "transfer":
            failure = await self._line.transfer(arguments.get("destination", ""))
            outcome = f"failed: {failure}" if failure else outcome
        # A booking is what the journal says of it: whoever keeps the calendar reads it there.
        self._line.write(ToolRun(at_ns=time.monotonic_ns(), turn=turn, name=name, arguments=arguments, outcome=outcome))
