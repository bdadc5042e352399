"""The turn machine: who may speak, when the caller is done, what is said, what was heard. Pure: no clock, no I/O.

    idle      nobody speaks                     -> caller    speech begins
                                                -> agent     silence: a prompt, or goodbye
    caller    an utterance is open              -> thinking  long enough silent, or spoken for too long
    thinking  nothing of an answer was heard    -> agent     its first sample is on the wire
                                                -> caller    they go on: the same turn, heard again from its start
                                                -> idle      it was only a noise
    agent     the caller hears a reply          -> idle      its last sample is on the wire
                                                -> caller    barge-in
    over      the call is being ended

`handle` takes an event and the time, and returns what to do. Two runs over the same events give the same actions, so a
call can be replayed from what was recorded of it. All deadlines are absolute: from the last speech frame, from the last
sample played.
"""

from collections.abc import Callable
from typing import Any, Literal

from actors.conversation import events as ev
from actors.conversation.clauses import Clauses, split
from actors.conversation.digits import DigitEntry
from actors.conversation.events import Action, Event
from actors.conversation.history import History
from actors.conversation.reply import Clause, Kind, Reply
from actors.conversation.speech import NOISE_MS, PREROLL_FRAMES, RESUME_FRAMES, TAIL_FRAMES, SpeechRun, Utterance
from actors.conversation.timing import Timing
from config.agent import Agent
from config.schema import Turns as Rules
from ipc import journal
from ipc.journal import Record

Phase = Literal["idle", "caller", "thinking", "agent", "over"]

ENDING_TOOLS = ("hang_up", "transfer")
"""They end the conversation: they are run once the caller has heard the reply, and not at all if they interrupt it."""


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
    ) -> None:
        self._rules = rules
        self._start_frames = start_frames
        self._agent = agent
        self.phase: Phase = "idle"
        self.generation = generation
        self.turn = turn
        self.history = history or History()
        self.reply: Reply | None = None
        """What the agent is saying, or is about to."""
        self._cut: Reply | None = None
        """The reply that the caller has interrupted, until it is known what they said."""
        self._run = SpeechRun()
        self._utterance: Utterance | None = None
        self._utterances = 0
        self._answer = 0
        self._answering = False
        self._clauses = Clauses()
        self._timing: Timing | None = None
        self._ending: ev.AnswerTool | None = None
        self._began_ns: int | None = None
        self._idle_since_ns = 0
        self._prompts = 0
        self._keys = DigitEntry()
        self._now = 0
        self._actions: list[Action] = []
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Started: self._started,
            ev.FrameHeard: self._frame_heard,
            ev.PartialText: self._partial_text,
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
            for due_ns, act in self._deadlines():
                if now_ns >= due_ns:
                    act()
                    break
        return self._actions

    def wake_at(self) -> int | None:
        """When `Clock` is to be handled at the latest, if nothing else happens before."""
        return min((due for due, _ in self._deadlines()), default=None)

    @property
    def watched(self) -> tuple[int, ...]:
        """Generations of which `WirePlayed` is wanted."""
        return tuple(reply.generation for reply in (self._cut, self.reply) if reply is not None)

    def _deadlines(self) -> list[tuple[int, Callable[[], None]]]:
        rules = self._rules
        found: list[tuple[int, Callable[[], None]]] = []
        if self.phase == "over":
            return found
        if self._began_ns is not None and not (self.reply and self.reply.kind == "goodbye"):
            found.append((self._began_ns + int(rules.max_call_s * 1e9), self._time_is_up))
        if self.phase == "idle" and self._began_ns is not None:
            found.append((self._idle_since_ns + int(rules.no_input.after_s * 1e9), self._no_input))
        if (
            self.phase == "thinking"
            and self._timing
            and not self.reply
            and rules.filler_after_ms
            and self._agent.filler
        ):
            found.append((self._timing.last_speech_ns + rules.filler_after_ms * 1_000_000, self._say_filler))
        if self._keys.digits and self.phase != "caller":
            found.append((self._keys.complete_ns, self._digits_complete))
        return found

    # -- the agent speaks

    def _started(self, _: ev.Started) -> None:
        self._began_ns = self._now
        if self.history.unanswered is not None:
            self._answer_now(self.history.unanswered)
        elif self.history.lines:
            self._become_idle()
        else:
            self._say_all("greeting", self._agent.greeting)

    def _say_all(self, kind: Kind, text: str) -> None:
        """A reply whose text is known beforehand."""
        reply = self._begin_reply(kind)
        for clause in split(text):
            self._say(clause)
        reply.complete = True
        self.phase = "agent"

    def _begin_reply(self, kind: Kind) -> Reply:
        self._flush()
        self.reply = Reply(kind, self.generation, self.turn)
        return self.reply

    def _flush(self) -> None:
        self.generation += 1
        self._actions.append(ev.Flush(self.generation))

    def _say(self, text: str) -> None:
        reply = self.reply
        assert reply is not None
        reply.clauses.append(Clause(text))
        self._actions.append(ev.Say(reply.generation, len(reply.clauses) - 1, text, reply.kind))

    def _clause_begun(self, event: ev.ClauseBegun) -> None:
        if self.reply and event.generation == self.reply.generation and self._timing:
            self._timing.first_audio_ns = self._timing.first_audio_ns or event.written_ns
            self._write_timing(self.reply)

    def _clause_written(self, event: ev.ClauseWritten) -> None:
        for reply in (self.reply, self._cut):
            if reply and reply.generation == event.generation and event.clause < len(reply.clauses):
                clause = reply.clauses[event.clause]
                clause.first_sample, clause.samples, clause.words = event.first_sample, event.samples, event.words
        self._finish_if_played()

    def _wire_played(self, event: ev.WirePlayed) -> None:
        for reply in (self.reply, self._cut):
            if reply and reply.generation == event.generation:
                reply.played, reply.first_ns, reply.last_ns = event.samples, event.first_ns, event.last_ns
        if self.phase == "thinking" and self.reply and self.reply.played:
            self.phase = "agent"
        if self.reply:
            self._write_timing(self.reply)
        self._finish_if_played()

    def _write_timing(self, reply: Reply) -> None:
        # The word that samples were written may come after the word that they were played.
        if self._timing and self._timing.first_audio_ns and reply.first_ns:
            self._write(self._timing.record(self._now, self.turn, reply.first_ns))
            self._timing = None

    def _finish_if_played(self) -> None:
        if self.phase in ("agent", "thinking") and self.reply and self.reply.finished:
            self._close_reply(self.reply)
            ending, self._ending = self._ending, None
            if ending is None:
                self._become_idle()
            elif ending.name == "hang_up":
                self._end_call(ending.arguments.get("reason", "the agent hung up"))
            else:
                self._actions.append(ev.RunTool(ending.name, ending.arguments, self.turn))
                self._become_idle()

    def _close_reply(self, reply: Reply, *, interrupted: bool = False) -> None:
        """Writes down what was heard of a reply, in the journal and in the history."""
        self.history.answered(reply.heard())
        self._write(reply.record(self._now, interrupted=interrupted))
        if reply is self.reply:
            self.reply = None

    def _close_all(self) -> None:
        for reply in (self._cut, self.reply):
            if reply:
                self._close_reply(reply, interrupted=not reply.finished)
        self._cut = None

    def _become_idle(self) -> None:
        self.phase = "idle"
        self._idle_since_ns = self._now

    # -- the caller speaks

    def _frame_heard(self, frame: ev.FrameHeard) -> None:
        self._run.hear(frame)
        if self.phase == "caller":
            self._follow(frame)
        elif self.phase == "idle" and self._run.frames >= self._start_frames:
            self.turn += 1
            self._open_utterance()
        elif self.phase == "thinking" and self._run.frames >= RESUME_FRAMES:
            self._resume_turn()
        elif self.phase == "agent" and self._may_interrupt():
            self._barge_in()

    def _open_utterance(self) -> None:
        run = self._run
        self._utterances += 1
        start = max(0, run.onset - PREROLL_FRAMES)
        self._utterance = Utterance(self._utterances, start, run.onset_ns, run.last, run.last_ns, run.frames)
        self.phase = "caller"
        self._actions.append(ev.BeginHearing(self._utterances, start))

    def _follow(self, frame: ev.FrameHeard) -> None:
        utterance = self._utterance
        assert utterance is not None
        utterance.hear(frame)
        rules = self._rules
        patience = rules.end_silence_ms if utterance.text else rules.unclear_end_silence_ms
        if utterance.silence_ms(frame) < patience and utterance.length_ms(frame) < rules.max_turn_s * 1000:
            return
        to_frame = min(frame.number + 1, utterance.last + 1 + TAIL_FRAMES)
        self.phase = "thinking"
        self._timing = Timing(last_speech_ns=utterance.last_ns, decided_ns=self._now)
        self._run.frames = 0
        self._actions.append(ev.FinishHearing(utterance.number, to_frame))

    def _partial_text(self, event: ev.PartialText) -> None:
        if self._utterance and event.utterance == self._utterance.number:
            self._utterance.text = event.text

    def _resume_turn(self) -> None:
        """The caller goes on before anything of an answer was heard: the same turn, recognised again from its start."""
        self._drop_answer()
        if self.reply:
            self._flush()
            self.reply = None
        old = self._utterance
        run = self._run
        self._utterances += 1
        if old is None:
            self._open_utterance()
            return
        self._utterance = Utterance(
            self._utterances, old.from_frame, old.onset_ns, run.last, run.last_ns, old.speech_frames + run.frames
        )
        self._timing = None
        self.phase = "caller"
        self._actions.append(ev.BeginHearing(self._utterances, old.from_frame))

    def _may_interrupt(self) -> bool:
        rules, reply = self._rules.barge_in, self.reply
        if not rules.enabled or self._run.ms < rules.min_speech_ms or reply is None:
            return False
        protected = reply.kind == "greeting" and self._now - reply.first_ns < rules.protect_greeting_ms * 1_000_000
        return not protected

    def _barge_in(self) -> None:
        self._drop_answer()
        self._cut, self.reply = self.reply, None
        self._flush()
        if self._cut:
            self._cut.flushed_ns = self._now
        self.turn += 1
        self._open_utterance()

    def _drop_answer(self) -> None:
        if self._answering:
            self._answering = False
            self._actions.append(ev.CancelAnswer(self._answer))

    def _transcript(self, event: ev.Transcript) -> None:
        utterance = self._utterance
        filling = self.phase == "agent" and self.reply is not None and self.reply.kind == "filler"
        if not (self.phase == "thinking" or filling) or utterance is None or event.utterance != utterance.number:
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
        self._ask(event.text)

    def _ignore_noise(self, utterance: Utterance) -> None:
        self._utterance = self._timing = None
        cut, self._cut = self._cut, None
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
        cut, self._cut = self._cut, None
        if cut is None:
            return
        self._close_reply(cut, interrupted=True)
        self._write(cut.interruption(self._now, self.turn, utterance.onset_ns))

    def _digit_pressed(self, event: ev.DigitPressed) -> None:
        self._keys.press(event.digit, self._now)

    def _digits_complete(self) -> None:
        digits, text = self._keys.take()
        self._drop_answer()
        if self.reply:
            self._flush()
        self._close_all()
        self._write(journal.DigitsPressed(at_ns=self._now, digits=digits))
        self._utterance = self._ending = None
        self.turn += 1
        self._answer_now(text)

    # -- the model answers

    def _answer_now(self, text: str) -> None:
        """Begins to think about something that was not just said."""
        self.phase = "thinking"
        self._timing = Timing(last_speech_ns=self._now, decided_ns=self._now, heard_ns=self._now)
        self._ask(text)

    def _ask(self, text: str) -> None:
        self._answer += 1
        self._answering = True
        self._clauses = Clauses()
        self._actions.append(ev.Ask(self._answer, self.history.ask(text)))

    def _answer_text(self, event: ev.AnswerText) -> None:
        if self._answering and event.answer == self._answer:
            if self._timing and not self._timing.first_token_ns:
                self._timing.first_token_ns = self._now
            self._say_answer(self._clauses.add(event.text))

    def _say_answer(self, clauses: list[str]) -> None:
        for clause in clauses:
            if self.reply is None:
                self._begin_reply("answer")
            assert self.reply is not None
            self.reply.kind = "answer"
            if self._timing and not self._timing.first_clause_ns:
                self._timing.first_clause_ns = self._now
            self._say(clause)

    def _answer_tool(self, event: ev.AnswerTool) -> None:
        if not self._answering or event.answer != self._answer:
            return
        if event.name in ENDING_TOOLS:
            self._ending = event
        else:
            self._actions.append(ev.RunTool(event.name, event.arguments, self.turn))

    def _answer_end(self, event: ev.AnswerEnd) -> None:
        if not self._answering or event.answer != self._answer:
            return
        self._answering = False
        self._say_answer(self._clauses.rest())
        if self.reply is None and self._ending is None:
            self._say_answer([self._agent.not_understood[0]])
        reply = self.reply or self._begin_reply("answer")
        reply.complete = True
        self._finish_if_played()

    # -- time passes

    def _say_filler(self) -> None:
        self._begin_reply("filler")
        self._say(self._agent.filler)
        if self._timing:
            self._timing.filler = True

    def _no_input(self) -> None:
        if self._prompts < self._rules.no_input.max_prompts:
            self._say_all("prompt", self._agent.no_input[self._prompts % len(self._agent.no_input)])
            self._prompts += 1
        else:
            self._say_goodbye("no input")

    def _time_is_up(self) -> None:
        self._drop_answer()
        self._close_all()
        self._utterance = self._timing = None
        self._say_goodbye("the call's time was up")

    def _say_goodbye(self, reason: str) -> None:
        self._say_all("goodbye", self._agent.goodbye)
        self._ending = ev.AnswerTool(self._answer, "hang_up", {"reason": reason})

    def _call_over(self, _: ev.CallOver) -> None:
        self.phase = "over"
        self._close_all()

    def _end_call(self, reason: str) -> None:
        self.phase = "over"
        self._actions.append(ev.EndCall(reason))

    def _write(self, record: Record) -> None:
        self._actions.append(ev.Write(record))
