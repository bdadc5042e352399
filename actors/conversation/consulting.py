"""The talk with a person who is asked to take a call (attended transfer). Pure: no clock, no I/O, like `turns`.

    announcing  they hear who is calling and why    -> waiting   its last sample is on the wire
    waiting     they are to say yes or no           -> asking    they said something else, or nothing: asked once more
    asking      they hear the question again        -> waiting
    decided     by key 1 or 2, by voice, or because their time is up

They are listened to from their first word on, and the agent does not fall silent for it. What they say first is what
people say who pick up a telephone ("Yes?"), and no answer; only what they say after the announcement can be unclear.
"""

from collections.abc import Callable
from typing import Literal

from actors.conversation import events as ev
from actors.conversation.digits import LONGEST as LONGEST_ENTRY
from actors.conversation.events import Action
from actors.conversation.speaking import Speaking
from actors.conversation.speech import NOISE_MS, Utterance
from actors.conversation.utterances import Utterances
from actors.conversation.yes_no import YesNo
from config.agent import Consulting as Texts
from config.schema import Turns as Rules
from ipc import journal

SILENT_NS = 5_000_000_000
"""Who has said nothing for so long after the announcement is asked once more."""
GREETING_NS = 2_000_000_000
"""Who begins to speak within so long after they have answered greets."""
LONGEST_S = 8.0
"""Of one utterance: a yes or a no, and a hello before it."""

ACCEPT_KEY, DECLINE_KEY = "1", "2"

Phase = Literal["announcing", "waiting", "asking", "decided"]


class Consulting:
    """One person."""

    def __init__(
        self,
        rules: Rules,
        start_frames: int,
        texts: Texts,
        consult: ev.ConsultBegun,
        numbers: tuple[int, int],
        fill: Callable[[str], str],
    ) -> None:
        """`numbers` as those of `Course`, whose mouth and recogniser these are now."""
        self._rules = rules
        self._start_frames = start_frames
        self._texts = texts
        self._consult = consult
        self._answers = YesNo(texts.accept, texts.decline)
        self._speaking = Speaking(self._do, numbers[0], fill)
        self._utterances = Utterances(self._do, numbers[1])
        self.first_utterance = numbers[1] + 1
        """What is older was said by them."""
        self.phase: Phase = "announcing"
        self._asked_again = False
        self._greetings: set[int] = set()
        """Utterances that are no answer, whatever is understood."""
        self._keys = 0
        self._following = False
        """An utterance is under way."""
        self._clear_from = numbers[1] + 1
        """Utterances from this one on were begun when the person knew what they are asked."""
        self._greeted_ns = self._decide_ns = 0
        self._silent_ns = 0
        self._now = 0
        self._actions: list[Action] = []

    @property
    def numbers(self) -> tuple[int, int]:
        return self._speaking.generation, self._utterances.count

    @property
    def watched(self) -> tuple[int, ...]:
        return self._speaking.watched

    def begin(self, now_ns: int) -> list[Action]:
        """The person hears us from now on."""
        self._now, self._actions = now_ns, []
        self._greeted_ns = now_ns + GREETING_NS
        self._decide_ns = now_ns + self._consult.decide_s * 1_000_000_000
        self._say(self._texts.announce)
        return self._actions

    def handle(self, event: ev.Event, now_ns: int) -> list[Action]:
        """What is none of its business it leaves alone."""
        self._now, self._actions = now_ns, []
        if self.phase == "decided":
            return self._actions
        match event:
            case ev.FrameHeard():
                self._frame_heard(event)
            case ev.PartialText():
                self._utterances.guess(event)
            case ev.Transcript():
                self._transcript(event)
            case ev.DigitPressed():
                self._digit_pressed(event)
            case ev.ClauseWritten():
                self._speaking.written(event)
            case ev.WirePlayed():
                self._speaking.played(event)
            case _:
                pass
        self._finish_if_played()
        self._act_in_time()
        return self._actions

    def close(self, now_ns: int) -> list[Action]:
        """It is over, whoever ended it: what was said until now is written down."""
        self._now, self._actions = now_ns, []
        self._stop_speaking()
        self._utterances.forget()
        self.phase = "decided"
        return self._actions

    def wake_at(self) -> int | None:
        if self.phase == "decided":
            return None
        return min(self._decide_ns, self._silent_ns) if self._silent_ns else self._decide_ns

    def _act_in_time(self) -> None:
        if self.phase == "decided":
            return
        if self._now >= self._decide_ns:
            self._decide(False, "no decision in time")
        elif self._silent_ns and self._now >= self._silent_ns:
            self._silent_ns = 0
            self._unclear()

    def _do(self, action: Action) -> None:
        self._actions.append(action)

    def _said(self, who: str, text: str) -> None:
        self._do(ev.Write(journal.ConsultSaid(at_ns=self._now, who=who, text=text)))

    # -- the agent speaks

    def _say(self, text: str) -> None:
        self._silent_ns = 0
        self._speaking.say_all("notice", 0, text)

    def _finish_if_played(self) -> None:
        reply = self._speaking.reply
        if self.phase == "decided" or reply is None or not reply.finished:
            return
        self._stop_speaking()
        self.phase = "waiting"
        self._clear_from = self._utterances.count + 1
        self._await_answer()

    def _await_answer(self) -> None:
        if self.phase == "waiting" and not self._asked_again and not self._following:
            self._silent_ns = self._now + SILENT_NS

    def _stop_speaking(self) -> None:
        reply, self._speaking.reply = self._speaking.reply, None
        if reply is not None:
            if not reply.finished:
                self._speaking.flush()
            self._said("agent", reply.heard())

    # -- the person speaks

    def _frame_heard(self, frame: ev.FrameHeard) -> None:
        run = self._utterances.run
        run.hear(frame)
        if self._following:
            current = self._utterances.current
            rules = self._rules
            patience = rules.end_silence_ms if current and current.text else rules.unclear_end_silence_ms
            self._following = self._utterances.follow(frame, patience, LONGEST_S) is None
        elif run.frames >= self._start_frames:
            self._utterances.open()
            if run.onset_ns < self._greeted_ns:
                self._greetings.add(self._utterances.count)
            self._following = True
            self._silent_ns = 0

    def _transcript(self, event: ev.Transcript) -> None:
        if event.utterance < self.first_utterance:
            return  # the caller's
        if event.text:
            self._said("person", event.text)
        answer, utterance = self._answers.understood(event.text), self._utterances.meant(event)
        if answer is not None and event.utterance not in self._greetings:
            self._decide(answer, "accepted" if answer else "declined")
        elif utterance is not None and not self._following:
            self._utterances.current = None
            if self._unclear_in(utterance, event.text):
                self._unclear()
            else:
                self._await_answer()

    def _unclear_in(self, utterance: Utterance, text: str) -> bool:
        noise = not text and utterance.speech_ms < NOISE_MS
        return self.phase == "waiting" and utterance.number >= self._clear_from and not noise

    def _digit_pressed(self, event: ev.DigitPressed) -> None:
        self._keys += 1
        if self._keys <= LONGEST_ENTRY:
            self._said("person", f"pressed {event.digit}")
        if event.digit in (ACCEPT_KEY, DECLINE_KEY):
            accepted = event.digit == ACCEPT_KEY
            self._decide(accepted, "accepted" if accepted else "declined")
        elif self.phase == "waiting":
            self._unclear()

    def _unclear(self) -> None:
        if not self._asked_again:
            self._asked_again = True
            self.phase = "asking"
            self._say(self._texts.again)

    def _decide(self, accepted: bool, reason: str) -> None:
        self._stop_speaking()
        self.phase = "decided"
        self._do(ev.DecideConsult(accepted, reason, self._consult.destination))
