"""The turn machine: who may speak, when the caller is done, what is said, what was heard. Pure: no clock, no I/O.

    idle      nobody speaks                     -> caller    speech begins
                                                -> agent     silence: a prompt, or goodbye
    caller    an utterance is open              -> thinking  long enough silent, or spoken for too long
    thinking  nothing of an answer was heard    -> agent     its first sample is on the wire
                                                -> caller    they go on: the same turn, heard again from its start
                                                -> idle      it was only a noise
    agent     the caller hears a reply          -> idle      its last sample is on the wire
                                                -> caller    barge-in
    away      the caller does not hear us       -> what it was: `actors.conversation.course`
    leaving   last words, there is no engine    (the caller is sent on)
    over      the call is being ended

`handle` takes an event and the time, and returns what to do. Two runs over the same events give the same actions, so a
call can be replayed from what was recorded of it. All deadlines are absolute: from the last speech frame, from the last
sample played.
"""

from collections.abc import Callable
from typing import Any, Literal

from actors.clauses import Clauses
from actors.conversation import events as ev
from actors.conversation.digits import DigitEntry
from actors.conversation.events import Action, Event
from actors.conversation.foresight import Foresight
from actors.conversation.history import History
from actors.conversation.reply import Kind, Reply
from actors.conversation.speaking import Speaking
from actors.conversation.speech import NOISE_MS, RESUME_FRAMES, Utterance
from actors.conversation.timing import Timing
from actors.conversation.utterances import Utterances
from config.agent import Agent
from config.schema import Turns as Rules
from ipc import journal
from ipc.journal import Record

Phase = Literal["idle", "caller", "thinking", "agent", "away", "leaving", "over"]

ENDING_TOOLS = ("hang_up", "transfer", "voicemail", "hold")
"""The caller does not hear the agent after them, or not for now: they are run once the caller has heard the reply, and
not at all if they interrupt it."""


class Turns:
    """One call. `generation` is the mouth's current one; the rest is given when a call is taken over in the middle."""

    def __init__(
        self,
        rules: Rules,
        start_frames: int,
        agent: Agent,
        *,
        generation: int = 0,
        history: History | None = None,
        turn: int = 0,
        greeting: str = "",
        fill: Callable[[str], str] = str,
    ) -> None:
        """`greeting` takes the place of the agent's; `fill` makes of a sentence what is said of it in this call."""
        self._rules = rules
        self._start_frames = start_frames
        self._agent = agent
        self._greeting = greeting or agent.greeting
        self.phase: Phase = "idle"
        self.turn = turn
        self.history = history or History()
        self._speaking = Speaking(self._do, generation, fill)
        self._utterances = Utterances(self._do)
        self._foresight = Foresight(self._do, self.history)
        self._answer = 0
        self._answering = False
        self._clauses = Clauses()
        self._timing: Timing | None = None
        self._ending: ev.AnswerTool | None = None
        self._on_hold = False
        """The agent has put them on hold: they hear music, and can be heard."""
        self._began_ns: int | None = None
        self._idle_since_ns = 0
        self._prompts = 0
        self._keys = DigitEntry()
        self._now = 0
        self._actions: list[Action] = []
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Started: self._started,
            ev.FrameHeard: self._frame_heard,
            ev.PartialText: self._utterances.guess,
            ev.Transcript: self._transcript,
            ev.AnswerText: self._answer_text,
            ev.AnswerTool: self._answer_tool,
            ev.AnswerEnd: self._answer_end,
            ev.ClauseBegun: self._clause_begun,
            ev.ClauseWritten: self._clause_written,
            ev.WirePlayed: self._wire_played,
            ev.DigitPressed: self._digit_pressed,
            ev.CallOver: self._call_over,
            ev.Clock: lambda _: None,
        }

    def handle(self, event: Event, now_ns: int) -> list[Action]:
        """What to do about the event, in order. Time never goes back between calls."""
        self._now = now_ns
        self._actions = []
        if self.phase != "over":
            self._handlers[type(event)](event)
            self._act_in_time()
        return self._actions

    def _act_in_time(self) -> None:
        for due_ns, act in self._deadlines():
            if self._now >= due_ns:
                act()
                break

    def wake_at(self) -> int | None:
        """When `Clock` is to be handled at the latest, if nothing else happens before."""
        return min((due for due, _ in self._deadlines()), default=None)

    @property
    def watched(self) -> tuple[int, ...]:
        """Generations of which `WirePlayed` is wanted."""
        return self._speaking.watched

    @property
    def reply(self) -> Reply | None:
        """What the agent is saying, or is about to."""
        return self._speaking.reply

    @property
    def generation(self) -> int:
        return self._speaking.generation

    def _do(self, action: Action) -> None:
        self._actions.append(action)

    def _write(self, record: Record) -> None:
        self._actions.append(ev.Write(record))

    def _deadlines(self) -> list[tuple[int, Callable[[], None]]]:
        rules = self._rules
        found: list[tuple[int, Callable[[], None]]] = []
        reply = self._speaking.reply
        if self.phase == "over" or self._began_ns is None:
            return found
        if not (reply and reply.kind == "goodbye"):
            found.append((self._up_ns, self._time_is_up))
        if self.phase == "idle" and not self._on_hold:
            found.append((self._idle_since_ns + int(rules.no_input.after_s * 1e9), self._no_input))
        if self.phase == "thinking" and self._timing and not reply and rules.filler_after_ms and self._agent.filler:
            found.append((self._timing.last_speech_ns + rules.filler_after_ms * 1_000_000, self._say_filler))
        if self._keys.digits and self.phase != "caller":
            found.append((self._keys.complete_ns, self._digits_complete))
        return found

    @property
    def _up_ns(self) -> int:
        """When the call's time is up."""
        return (self._began_ns or 0) + int(self._rules.max_call_s * 1e9)

    # -- the agent speaks

    def _started(self, _: ev.Started) -> None:
        self._began_ns = self._now
        lines = self.history.lines
        if self.history.unanswered is not None:
            self._answer_now(self.history.unanswered)
        elif lines and lines[-1].who == "tool":
            self._think(tuple(lines))
        elif lines:
            self._become_idle()
        else:
            self._say_all("greeting", self._greeting)

    def _say_all(self, kind: Kind, text: str) -> None:
        """A reply whose text is known beforehand."""
        self._take_back()
        self._speaking.say_all(kind, self.turn, text)
        self.phase = "agent"
        self._finish_if_played()  # where nothing is left of the text

    def _begin_reply(self, kind: Kind) -> Reply:
        self._take_back()
        return self._speaking.begin(kind, self.turn)

    def _take_back(self) -> None:
        """Who hears music hears the agent again."""
        if self._on_hold:
            self._on_hold = False
            self._do(ev.RunTool("resume", {}, self.turn))

    def _clause_begun(self, event: ev.ClauseBegun) -> None:
        reply = self._speaking.reply
        if reply and event.generation == reply.generation and self._timing:
            self._timing.first_audio_ns = self._timing.first_audio_ns or event.written_ns
            self._write_timing(reply)

    def _clause_written(self, event: ev.ClauseWritten) -> None:
        self._speaking.written(event)
        self._finish_if_played()

    def _wire_played(self, event: ev.WirePlayed) -> None:
        self._speaking.played(event)
        reply = self._speaking.reply
        if reply:
            if self.phase == "thinking" and reply.played:
                self.phase = "agent"
            self._write_timing(reply)
        self._finish_if_played()

    def _write_timing(self, reply: Reply) -> None:
        # The word that samples were written may come after the word that they were played.
        if self._timing and self._timing.first_audio_ns and reply.first_ns:
            self._write(self._timing.record(self._now, self.turn, reply.first_ns))
            self._timing = None

    def _finish_if_played(self) -> None:
        reply = self._speaking.reply
        self._speaking.note_whole(self._now, self._ending)
        if self.phase not in ("agent", "thinking") or reply is None or not reply.finished:
            return
        self._close_reply(reply)
        ending, self._ending = self._ending, None
        if ending is None:
            self._become_idle()
        elif ending.name == "hang_up":
            arguments = ending.arguments
            self._end_call(arguments.get("reason", "the agent hung up"), arguments.get("outcome", "goodbye"))
        else:
            self._do(ev.RunTool(ending.name, ending.arguments, self.turn))
            self._on_hold = ending.name == "hold"
            self._become_idle()

    def _close_reply(self, reply: Reply, *, interrupted: bool = False) -> None:
        """What was heard of a reply goes into journal and history."""
        self.history.answered(reply.heard())
        self._write(reply.record(self._now, interrupted=interrupted))
        if reply is self._speaking.reply:
            self._speaking.reply = None

    def _close_all(self) -> None:
        for reply in (self._speaking.cut, self._speaking.reply):
            if reply:
                self._close_reply(reply, interrupted=not reply.finished)
        self._speaking.cut = None

    def _become_idle(self) -> None:
        self.phase = "idle"
        self._idle_since_ns = self._now
        self._foresight.answered()

    # -- the caller speaks

    def _frame_heard(self, frame: ev.FrameHeard) -> None:
        run = self._utterances.run
        run.hear(frame)
        if self.phase == "caller":
            self._follow(frame)
        elif self.phase == "idle" and run.frames >= self._start_frames:
            self.turn += 1
            self._open_utterance()
        elif self.phase == "thinking" and run.frames >= RESUME_FRAMES:
            self._resume_turn()
        elif self.phase == "agent" and self._may_interrupt():
            self._barge_in()

    def _open_utterance(self) -> None:
        self._utterances.open()
        self.phase = "caller"

    def _follow(self, frame: ev.FrameHeard) -> None:
        rules, current = self._rules, self._utterances.current
        patience = rules.end_silence_ms if current and current.text else rules.unclear_end_silence_ms
        over = self._utterances.follow(frame, patience, rules.max_turn_s)
        self._foresight.follow(frame, current, self._speaking.cut)
        if over:
            self.phase = "thinking"
            self._timing = Timing(last_speech_ns=over.last_ns, decided_ns=self._now)

    def _resume_turn(self) -> None:
        """The caller goes on before anything of an answer was heard: the same turn, recognised again from its start."""
        self._drop_answer()
        self._speaking.drop()
        self._timing = None
        self._utterances.reopen()
        self.phase = "caller"

    def _may_interrupt(self) -> bool:
        rules, reply = self._rules.barge_in, self._speaking.reply
        if not rules.enabled or self._utterances.run.ms < rules.min_speech_ms or reply is None:
            return False
        if reply.kind == "goodbye" and self._now >= self._up_ns:
            return False  # it would only be said again
        return reply.kind != "greeting" or self._now - reply.first_ns >= rules.protect_greeting_ms * 1_000_000

    def _barge_in(self) -> None:
        self._drop_answer()
        self._speaking.interrupt(self._now)
        self.turn += 1
        self._open_utterance()

    def _drop_answer(self) -> None:
        if self._answering:
            self._answering = False
            self._do(ev.CancelAnswer(self._answer))

    def _transcript(self, event: ev.Transcript) -> None:
        utterance, reply = self._utterances.meant(event), self._speaking.reply
        filling = self.phase == "agent" and reply is not None and reply.kind == "filler"
        if utterance is None or not (self.phase == "thinking" or filling):
            return
        if not event.text and utterance.speech_ms < NOISE_MS:
            self._ignore_noise(utterance)
            return
        self._close_cut(utterance)
        self._ending = None
        if self._timing:
            self._timing.heard_ns = self._now
        self._write(utterance.record(self._now, self.turn, event))
        if event.text:
            self._prompts = 0
        self._think(self.history.ask(event.text))

    def _ignore_noise(self, utterance: Utterance) -> None:
        self._utterances.current = self._timing = None
        cut, self._speaking.cut = self._speaking.cut, None
        if cut is None:
            self._write(journal.NoiseIgnored(at_ns=self._now, speech_ms=utterance.speech_ms))
            if self.history.unanswered is not None:
                # It came while they waited for an answer, which was given up for it.
                self._answer_now(self.history.unanswered)
            else:
                self.turn -= 1
                self.phase = "idle"
            return
        self.turn -= 1
        self._write(journal.FalseBargeIn(at_ns=self._now, speech_ms=utterance.speech_ms))
        rest = cut.unheard()
        self._close_reply(cut, interrupted=True)
        if rest:
            self._say_all(cut.kind, rest)
        else:
            self._become_idle()

    def _close_cut(self, utterance: Utterance) -> None:
        cut, self._speaking.cut = self._speaking.cut, None
        if cut is None:
            return
        self._close_reply(cut, interrupted=True)
        self._write(cut.interruption(self._now, self.turn, utterance.onset_ns))

    def _digit_pressed(self, event: ev.DigitPressed) -> None:
        self._keys.press(event.digit, self._now)

    def _digits_complete(self) -> None:
        dropped = self._keys.dropped
        digits, text = self._keys.take()
        self._drop_answer()
        if self._speaking.reply:
            self._speaking.flush()
        self._close_all()
        self._write(journal.DigitsPressed(at_ns=self._now, digits=digits, dropped=dropped))
        self._utterances.current = self._ending = None
        self.turn += 1
        self._answer_now(text)

    # -- the model answers

    def _answer_now(self, text: str) -> None:
        """Begins to think about something that was not just said."""
        self._timing = Timing(last_speech_ns=self._now, decided_ns=self._now, heard_ns=self._now)
        self._think(self.history.ask(text))

    def _think(self, lines: tuple[ev.HistoryLine, ...]) -> None:
        # A filler that is being heard goes on to be: the answer is added to it.
        self.phase = "agent" if self._speaking.reply and self.phase == "agent" else "thinking"
        self._answer += 1
        self._answering = True
        self._clauses = Clauses()
        self._do(ev.Ask(self._answer, lines))

    def _answer_text(self, event: ev.AnswerText) -> None:
        if self._answering and event.answer == self._answer:
            if self._timing:
                self._timing.first_token_ns = self._timing.first_token_ns or self._now
            self._say_answer(self._clauses.add(event.text))

    def _say_answer(self, clauses: list[str]) -> None:
        for clause in clauses:
            reply = self._speaking.reply or self._begin_reply("answer")
            reply.kind = "answer"
            if self._timing and not self._timing.first_clause_ns:
                self._timing.first_clause_ns = self._now
            self._speaking.say(clause)

    def _answer_tool(self, event: ev.AnswerTool) -> None:
        if not self._answering or event.answer != self._answer:
            return
        if event.name in ENDING_TOOLS:
            self._ending = event
        elif event.name == "resume":
            self._take_back()
        else:
            self._do(ev.RunTool(event.name, event.arguments, self.turn))

    def _answer_end(self, event: ev.AnswerEnd) -> None:
        if not self._answering or event.answer != self._answer:
            return
        self._answering = False
        self._say_answer(self._clauses.rest())
        if self._speaking.reply is None and self._ending is None:
            self._say_answer([self._agent.not_understood[0]])
        reply = self._speaking.reply or self._begin_reply("answer")
        reply.complete = True
        self._finish_if_played()

    # -- time passes

    def _say_filler(self) -> None:
        self._begin_reply("filler")
        self._speaking.say(self._agent.filler)
        if self._timing:
            self._timing.filler = True

    def _no_input(self) -> None:
        prompts = self._agent.no_input
        if self._prompts < self._rules.no_input.max_prompts:
            self._say_all("prompt", prompts[self._prompts % len(prompts)])
            self._prompts += 1
        else:
            self._say_goodbye("no input", "no_input")

    def _time_is_up(self) -> None:
        self._drop_answer()
        self._close_all()
        self._utterances.current = self._timing = None
        self._say_goodbye("the call's time was up", "time_up")

    def _say_goodbye(self, reason: str, outcome: str) -> None:
        # Before it is said: where nothing is left of it to be said, it has been heard at once.
        self._ending = ev.AnswerTool(self._answer, "hang_up", {"reason": reason, "outcome": outcome})
        self._say_all("goodbye", self._agent.goodbye)

    def _call_over(self, _: ev.CallOver) -> None:
        self.phase = "over"
        self._close_all()

    def _end_call(self, reason: str, outcome: str) -> None:
        self.phase = "over"
        self._do(ev.EndCall(reason, outcome))
