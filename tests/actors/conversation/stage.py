"""A call in virtual time: a caller who speaks by a script, engines that take as long as they are told, and a pacer.

Nothing here sleeps. The stage moves in frames of 20 ms, gives the turn machine what happened, and carries out what it
asks for. `said` is what both sides heard, in order, so that a test that fails shows the conversation.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from actors.conversation import events as ev
from actors.conversation.course import Course
from actors.conversation.details import Details
from actors.conversation.talk import Setting, Talk
from config.agent import Agent
from config.keeping import Outbound
from config.schema import Turns as Rules
from ipc.journal import AgentSaying, ConsultSaid, Record
from ipc.messages import WordAt

MS = 1_000_000
FRAME = 160
CHARACTER_SAMPLES = 560
"""70 ms a character, about 165 words a minute."""

Answer = list[tuple[int, str | ev.AnswerTool]]
"""Pieces of an answer, each with its delay in ms after the one before."""

AGENT = Agent(
    name="desk",
    greeting="Good morning, front desk.",
    goodbye="Goodbye.",
    no_input=("Are you there?", "Hello?"),
    not_understood=("Pardon?",),
    filler="One moment.",
)


@dataclass
class Stage:
    """`hears`: utterance number -> text. `thinks`: what the caller said -> the answer."""

    rules: Rules = field(default_factory=Rules)
    agent: Agent = AGENT
    hears: Callable[[int], str] = lambda utterance: "hello"
    thinks: Callable[[str], Answer] = lambda text: [(10, f"You said {text}.")]
    stt_ms: int = 30
    tts_ms: int = 20
    start_frames: int = 3
    details: Details = field(default_factory=Details)
    outbound: Outbound | None = None
    """Of a call that we make."""

    def __post_init__(self) -> None:
        fill = self.details.fill
        greeting = self.agent.outbound_greeting if self.outbound else ""
        self.machine = Course(self.rules, self.start_frames, self.agent, greeting=greeting, fill=fill)
        setting = Setting(self.rules, self.start_frames, self.agent, self.details, self.outbound)
        self.talk = Talk(setting, self.machine)
        self.now_ms = 0
        self.frame = 0
        self.said: list[tuple[int, str, str]] = []
        self.records: list[Record] = []
        self.actions: list[tuple[int, ev.Action]] = []
        self.ended = ""
        self._speech: list[tuple[int, int]] = []
        self._coming: list[tuple[int, int, ev.Event]] = []
        self._order = 0
        self._planned: dict[int, int] = {}
        self._mouth: list[tuple[int, int, int]] = []
        self._played: dict[int, tuple[int, int, int]] = {}
        self._audible = 0

    def caller_speaks(self, from_ms: int, to_ms: int) -> None:
        self._speech.append((from_ms, to_ms))

    def at(self, ms: int, event: ev.Event) -> None:
        self._order += 1
        heapq.heappush(self._coming, (ms, self._order, event))

    def run(self, to_ms: int) -> None:
        if not self.frame:
            self.feed(ev.Started())
        while self.now_ms < to_ms and not self.ended:
            self.now_ms += 20
            while self._coming and self._coming[0][0] <= self.now_ms:
                self.feed(heapq.heappop(self._coming)[2])
            self._play()
            self._listen()

    def feed(self, event: ev.Event) -> None:
        for action in self.talk.handle(event, self.now_ms * MS):
            self.actions.append((self.now_ms, action))
            self._perform(action)

    def _play(self) -> None:
        there = (end for at, generation, end in self._mouth if generation == self._audible and at <= self.now_ms)
        ready = max(there, default=0)
        played, first, _ = self._played.get(self._audible, (0, self.now_ms, 0))
        if played < ready:
            self._played[self._audible] = (min(played + FRAME, ready), first, self.now_ms)
        for generation in self.talk.watched:
            if generation in self._played:
                samples, first, last = self._played[generation]
                self.feed(ev.WirePlayed(generation, samples, first * MS, last * MS))

    def _listen(self) -> None:
        # A frame that arrives now holds the 20 ms before.
        speech = any(start < self.now_ms <= end for start, end in self._speech)
        self.feed(ev.FrameHeard(self.frame, self.now_ms * MS, speech))
        self.frame += 1

    def _perform(self, action: ev.Action) -> None:
        match action:
            case ev.FinishHearing(utterance, _):
                text = self.hears(utterance)
                self.at(self.now_ms + self.stt_ms, ev.Transcript(utterance, text, 0.9, 0))
            case ev.BeginHearing(utterance, _):
                self.at(self.now_ms + 100, ev.PartialText(utterance, self.hears(utterance)))
            case ev.Ask(answer, lines):
                self._think(answer, lines[-1].text)
            case ev.Flush(generation):
                self._audible = generation
            case ev.Say(generation, clause, text, _):
                self._speak(generation, clause, text)
            case ev.EndCall(reason):
                self.ended = reason
            case ev.Write(record):
                self.records.append(record)
                self._quote(record)
            case _:
                pass

    def _quote(self, record: Record) -> None:
        if isinstance(record, ConsultSaid):
            self.said.append((self.now_ms, f"{record.who} (consulting)", record.text))
            return
        if isinstance(record, AgentSaying):  # `AgentSaid` says it once it has been heard
            return
        text = getattr(record, "heard", None)
        if text is None:
            text = getattr(record, "text", None)
        if text is not None:
            self.said.append((self.now_ms, "agent" if hasattr(record, "heard") else "caller", text))

    def _think(self, answer: int, text: str) -> None:
        at = self.now_ms
        for delay, piece in self.thinks(text):
            at += delay
            if isinstance(piece, str):
                self.at(at, ev.AnswerText(answer, piece))
            else:
                self.at(at, ev.AnswerTool(answer, piece.name, piece.arguments))
        self.at(at, ev.AnswerEnd(answer))

    def _speak(self, generation: int, clause: int, text: str) -> None:
        first = self._planned.get(generation, 0)
        samples = len(text) * CHARACTER_SAMPLES
        self._planned[generation] = first + samples
        done = self.now_ms + self.tts_ms
        self._mouth.append((done, generation, first + samples))
        self.at(done, ev.ClauseBegun(generation, clause, done * MS))
        self.at(done, ev.ClauseWritten(generation, clause, first, samples, tuple(_words(text, first))))

    # -- what a test looks at

    def kinds(self, kind: type) -> list[tuple[int, ev.Action]]:
        return [(at, action) for at, action in self.actions if isinstance(action, kind)]

    def record(self, kind: type[Record]) -> list[Record]:
        return [record for record in self.records if isinstance(record, kind)]

    @property
    def conversation(self) -> list[tuple[str, str]]:
        return [(who, text) for _, who, text in self.said]


def _words(text: str, first: int) -> Iterator[WordAt]:
    at = 0
    for word in text.split():
        at = text.index(word, at)
        yield WordAt(at, len(word), first + at * CHARACTER_SAMPLES)
        at += len(word)
