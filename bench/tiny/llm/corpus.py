"""Dialogues of synthetic callers with an agent, answered by the agent's script: the lessons of the tiny model.

The teacher is `actors.llm.dialogue`, line by line. A dialogue is random, and the same for the same seed.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from actors.llm.dialogue import Dialogue, Play, Reply
from actors.llm.tools import Call
from bench.tiny.llm.callers import Callers
from config.agent import Agent
from config.phrases import Expression

MOST_TURNS = 9
UNHEARD = 0.03
"""Share of the caller's lines of which nothing was understood."""
MANGLED = 0.3
CUT = 0.06
"""Share of the agent's answers that the caller interrupts."""

SERVED, FAREWELL = 0.4, 0.7
"""Shares of the callers who fill a form: who are then gone, and who of the others say goodbye first. That begins with
"no" as often as not, and means something else than before the form was filled."""

_LEAVING = frozenset({"hang_up", "transfer", "voicemail"})
"""After these, the agent says nothing more."""
_GREETED = 0.9


@dataclass(frozen=True)
class Turn:
    """What the caller says, what the agent answers, and what the caller hears of that."""

    caller: str
    answer: str
    calls: tuple[Call, ...] = ()
    heard: str = ""
    news: bool = False
    """What is answered is no caller but the news of a tool."""


@dataclass
class Lesson:
    """One dialogue. The last turn's tools are called; those of earlier turns have been."""

    greeting: str
    turns: list[Turn] = field(default_factory=list)


class Teacher:
    """Makes dialogues of one agent, which must have a script."""

    def __init__(self, agent: Agent) -> None:
        assert agent.script is not None
        self._agent = agent
        self._script = agent.script
        self.callers = Callers(agent.script)
        self._play = Play(agent, agent.script)
        intents = agent.script.intents.items()
        self._farewells = [name for name, intent in intents if intent.tool and intent.tool.name == "hang_up"]

    def lessons(self, seed: int, purposeful: float = 0.0) -> Iterator[Lesson]:
        """Without end. `purposeful`: the share of callers who know what they want: they fill a form to its end."""
        chance = random.Random(seed)
        while True:
            if purposeful and chance.random() < purposeful:
                yield self._purposeful(chance)
            else:
                yield self._lesson(chance)

    def _purposeful(self, chance: random.Random) -> Lesson:
        dialogue, callers = Dialogue(self._play), self.callers
        lesson = Lesson(self._agent.greeting if chance.random() < _GREETED else "")
        for number in range(MOST_TURNS):
            form = dialogue.form
            aside = chance.random() < (0.5 if number < 2 and not form else 0.15)
            if aside:
                text = "" if chance.random() < 0.15 else self.meant(chance, dialogue)
            elif not form:
                text = callers.say(chance, callers.forms[chance.choice(sorted(callers.forms))])
            elif all(slot in dialogue.filled for slot in self._script.forms[form].ask):
                text = callers.say(chance, callers.yes if chance.random() < 0.85 else callers.no)
            else:
                text = callers.say(chance, callers.answers[form])
            lesson.turns.append(self._answered(chance, dialogue, text))
            if not lesson.turns[-1].calls:
                continue
            if chance.random() < SERVED:
                break
            if chance.random() < FAREWELL and dialogue.form == "":
                farewell = callers.intents[chance.choice(self._farewells)]
                lesson.turns.append(self._answered(chance, dialogue, callers.say(chance, farewell)))
                break
        return lesson

    def _lesson(self, chance: random.Random) -> Lesson:
        dialogue = Dialogue(self._play)
        lesson = Lesson(self._agent.greeting if chance.random() < _GREETED else "")
        for _ in range(chance.randint(1, MOST_TURNS)):
            turn = self._turn(chance, dialogue)
            lesson.turns.append(turn)
            names = {call.name for call in turn.calls}
            if names & _LEAVING and chance.random() < 0.1:
                # It may fail: then the caller is still there.
                lesson.turns[-1] = Turn(turn.caller, turn.answer, turn.calls, turn.answer)
                lesson.turns.append(_failed(dialogue, chance.choice(sorted(names & _LEAVING))))
            elif names & _LEAVING or (names and chance.random() < 0.7):
                break
        return lesson

    def _turn(self, chance: random.Random, dialogue: Dialogue) -> Turn:
        return self._answered(chance, dialogue, self._says(chance, dialogue))

    def _answered(self, chance: random.Random, dialogue: Dialogue, text: str) -> Turn:
        reply = dialogue.hear(text)
        heard = reply.text
        if chance.random() < CUT:
            words = heard.split()
            heard = " ".join(words[: chance.randint(0, len(words))])
        return Turn(text, reply.text, calls_of(reply, self._agent), heard)

    def _says(self, chance: random.Random, dialogue: Dialogue) -> str:
        if chance.random() < UNHEARD:
            return ""
        text = self.meant(chance, dialogue)
        return self.callers.mangle(chance, text) if chance.random() < MANGLED else text

    def meant(self, chance: random.Random, dialogue: Dialogue, *, held_out: bool = False) -> str:
        """What a caller may say now, without a recogniser's mistakes. `held_out`: of those that no lesson has."""
        callers, kind = self.callers, chance.random()
        if kind < 0.06:
            return callers.stray(chance)
        if kind < 0.09:
            return callers.salad(chance)
        return callers.say(chance, self._phrases(chance, dialogue), held_out=held_out)

    def _phrases(self, chance: random.Random, dialogue: Dialogue) -> Sequence[Expression]:
        callers, kind = self.callers, chance.random()
        form = dialogue.form
        if dialogue.offer is not None and kind < 0.75:
            return callers.yes if kind < 0.45 else callers.no
        if form and all(slot in dialogue.filled for slot in self._script.forms[form].ask):
            if kind < 0.75:
                return callers.yes if kind < 0.5 else callers.no
            if kind < 0.85:
                return callers.answers[form]
        elif form and kind < 0.7:
            return callers.answers[form]
        if form and kind > 0.94:
            return callers.cancels[form]
        if chance.random() < 0.4:
            return callers.forms[chance.choice(sorted(callers.forms))]
        names = [name for name, during in sorted(callers.during.items()) if during in ("", form)]
        return callers.intents[chance.choice(names)]


def calls_of(reply: Reply, agent: Agent) -> tuple[Call, ...]:
    """As `actors.llm.scripted` has them: the result first, if it is one that a language model's tool takes."""
    calls = [Call("set_result", dict(reply.result))] if "outcome" in reply.result else []
    if reply.tool is not None:
        calls.append(Call(reply.tool.name, dict(reply.tool.arguments)))
    return tuple(call for call in calls if call.name in agent.tools)


def _failed(dialogue: Dialogue, tool: str) -> Turn:
    answer = dialogue.tool_failed().text
    return Turn(f"failed: {tool}: it does not work", answer, heard=answer, news=True)
