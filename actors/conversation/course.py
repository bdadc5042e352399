"""The course of a whole call: the turns with the caller, and what else befalls them. Pure, like `turns`.

    away      the caller does not hear us: they have put us on hold, or the agent talks to somebody else. Then:
                                                -> agent     the rest of what they had not heard, or what is new
                                                -> thinking  what they had said last is answered
    leaving   no engine of some role is left: the agent says so, if it can, and the caller is sent on

News (a tool that failed, a transfer that came to nothing) waits until nobody speaks.
"""

from collections import deque
from collections.abc import Callable

from actors.conversation import events as ev
from actors.conversation.events import Action
from actors.conversation.history import History
from actors.conversation.reply import Kind
from actors.conversation.speech import NOISE_MS
from actors.conversation.turns import Turns
from config.agent import Agent
from config.schema import Turns as Rules
from ipc import journal
from ipc.journal import AgentSaying

LEAVE_NS = 10_000_000_000
"""Within so long the last words must have been heard; what has no voice any more never says them."""


class Course(Turns):
    """One call."""

    def __init__(
        self,
        rules: Rules,
        start_frames: int,
        agent: Agent,
        *,
        generation: int = 0,
        history: History | None = None,
        turn: int = 0,
        away: bool = False,
        on_hold: bool = False,
        greeting: str = "",
        fill: Callable[[str], str] = str,
        saying: AgentSaying | None = None,
    ) -> None:
        """`away`: the caller cannot hear us, says the predecessor, or, with `on_hold`, hears music by our doing.
        `saying`: what it has put into the mouth, and is being heard."""
        super().__init__(
            rules,
            start_frames,
            agent,
            generation=generation,
            history=history,
            turn=turn,
            greeting=greeting,
            fill=fill,
        )
        if saying is not None:
            self._speaking.adopt(saying)
            self._ending = ev.AnswerTool(0, saying.ending, saying.arguments) if saying.ending else None
            self.phase = "agent"
        if away:
            self.phase = "away"
        self._on_hold = on_hold
        self.waiting: tuple[str, ...] = ()
        """What a silent caller is told in place of `no_input`, again and again: somebody is being called for them."""
        self._news: deque[ev.Tell | ev.ToolFailed] = deque()
        self._rest: tuple[Kind, str] | None = None
        """What the caller had not heard yet when they went away."""
        self._leave_ns = 0
        self._elsewhere = False
        """The agent talks to somebody else: it cannot tell the caller that their time is up."""
        self._handlers |= {
            ev.Held: self._held,
            ev.Tell: self._hear_news,
            ev.ToolFailed: self._hear_news,
            ev.CannotGoOn: self._cannot_go_on,
        }

    @property
    def numbers(self) -> tuple[int, int]:
        """The mouth's generation, and how many utterances there were: whoever speaks next in the call counts on."""
        return self._speaking.generation, self._utterances.count

    @numbers.setter
    def numbers(self, value: tuple[int, int]) -> None:
        self._speaking.generation, self._utterances.count = value

    def leave_caller(self, now_ns: int) -> list[Action]:
        """The agent talks to somebody else for a while."""
        self._now, self._actions = now_ns, []
        if self.phase not in ("away", "leaving", "over"):
            self._go_away()
        self._on_hold = False
        self._elsewhere = True
        return self._actions

    def join_caller(self, text: str, now_ns: int) -> list[Action]:
        """The agent is back with them, and says this first."""
        self._now, self._actions = now_ns, []
        self._elsewhere = False
        if self.phase == "away":
            self._rest = self._ending = None
            self._news.clear()
            self._news.append(ev.Tell(text))
            self._come_back()
        self._act_in_time()
        return self._actions

    # -- what the turns do otherwise then

    def _act_in_time(self) -> None:
        if self._news and self.phase == "idle":
            self._pass_on_news()
        super()._act_in_time()

    def _deadlines(self) -> list[tuple[int, Callable[[], None]]]:
        if self.phase == "leaving":
            return [(self._leave_ns, self._leave)] if self._leave_ns else []
        return [] if self._elsewhere else super()._deadlines()

    def _started(self, event: ev.Started) -> None:
        if self.phase == "away" or self._speaking.reply is not None:
            self._began_ns = self._now
        else:
            super()._started(event)

    def _digit_pressed(self, event: ev.DigitPressed) -> None:
        if self.phase not in ("away", "leaving"):
            super()._digit_pressed(event)

    def _transcript(self, event: ev.Transcript) -> None:
        utterance = self._utterances.meant(event)
        if self.phase != "away" or utterance is None:
            super()._transcript(event)
            return
        self._utterances.current = None
        if event.text or utterance.speech_ms >= NOISE_MS:
            self._write(utterance.record(self._now, self.turn, event))
            self.history.ask(event.text)  # it is answered once they hear it

    def _finish_if_played(self) -> None:
        reply = self._speaking.reply
        if self.phase != "leaving":
            super()._finish_if_played()
        elif reply and reply.finished:
            self._close_reply(reply)
            self._leave()

    def _no_input(self) -> None:
        if self.waiting:
            self._say_all("prompt", self.waiting[self._prompts % len(self.waiting)])
            self._prompts += 1
        else:
            super()._no_input()

    def _time_is_up(self) -> None:
        self._news.clear()
        super()._time_is_up()

    # -- news

    def _hear_news(self, event: ev.Tell | ev.ToolFailed) -> None:
        if isinstance(event, ev.ToolFailed) and event.name == "hold":
            self._on_hold = False
        if self.phase == "leaving":
            return
        self._news.append(event)
        reply = self._speaking.reply
        if isinstance(event, ev.Tell) and event.instead and self.phase == "agent" and reply and reply.kind == "notice":
            self._speaking.flush()
            self._close_reply(reply, interrupted=True)
            self._become_idle()

    def _pass_on_news(self) -> None:
        news = self._news.popleft()
        if isinstance(news, ev.Tell):
            self._say_all("notice", news.text)
        else:
            self.turn += 1
            self._think(self.history.failed(f"failed: {news.name}: {news.reason}"))

    # -- the caller does not hear us

    def _held(self, event: ev.Held) -> None:
        if event.held == (self.phase == "away") or self.phase == "leaving":
            return
        self._write(journal.CallerAway(at_ns=self._now, away=event.held))
        if event.held:
            self._go_away()
        else:
            self._come_back()

    def _go_away(self) -> None:
        self._drop_answer()
        reply, current = self._speaking.reply, self._utterances.current
        self._rest = None
        if reply and reply.kind not in ("prompt", "filler") and (reply.played or reply.kind != "answer"):
            self._rest = (reply.kind, reply.unheard())
        if not self._rest:
            self._ending = None
        if reply and not reply.played:
            self._speaking.drop()  # the question that it answers is still open
        elif reply:
            self._speaking.flush()
        self._close_all()
        if self.phase == "caller" and current:
            self._do(ev.FinishHearing(current.number, current.last + 1))
        self._utterances.run.frames = 0
        self._timing = None
        self._keys.take()
        self.phase = "away"

    def _come_back(self) -> None:
        self._utterances.forget()
        rest, self._rest = self._rest, None
        self._become_idle()
        if rest and rest[1]:
            self._say_all(*rest)
        elif self.history.unanswered is not None and not self._news:
            self._answer_now(self.history.unanswered)
        elif self._news:
            self._pass_on_news()

    # -- nothing is left to go on with

    def _cannot_go_on(self, event: ev.CannotGoOn) -> None:
        if self.phase == "leaving":
            return
        hears = self.phase != "away" and self._began_ns is not None
        self._drop_answer()
        self._speaking.flush()
        self._close_all()
        self._utterances.forget()
        self._timing = self._ending = None
        self._news.clear()
        if event.can_speak and hears and self._agent.trouble:
            self._leave_ns = self._now + LEAVE_NS
            self._take_back()
            self.phase = "leaving"
            self._speaking.say_all("notice", self.turn, self._agent.trouble)
            self._finish_if_played()
        else:
            self.phase = "leaving"
            self._do(ev.SendOn(announced=False))

    def _leave(self) -> None:
        """The last words have been heard, or never will be."""
        told = self._speaking.reply is None
        self._leave_ns = 0
        self._close_all()
        self._do(ev.SendOn(announced=told))
