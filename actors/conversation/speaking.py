"""The agent's half of the talk: replies on their way into the mouth, and what of them was heard. Pure.

A reply is one generation of the mouth. The one that is being said is `reply`; one that was interrupted is `cut`, until
it is known what interrupted it.
"""

from collections.abc import Callable
from typing import cast

from actors.clauses import split
from actors.conversation import events as ev
from actors.conversation.reply import Clause, Kind, Reply
from ipc.journal import AgentSaying


class Speaking:
    """What is said goes out as actions by `do`. `fill` makes of a sentence what is said of it in this call."""

    def __init__(self, do: Callable[[ev.Action], None], generation: int, fill: Callable[[str], str]) -> None:
        self._do = do
        self._fill = fill
        self.generation = generation
        """The mouth's current one."""
        self.reply: Reply | None = None
        self.cut: Reply | None = None

    def begin(self, kind: Kind, turn: int) -> Reply:
        """`turn`: the caller's, which it answers."""
        self.flush()
        self.reply = Reply(kind, self.generation, turn)
        return self.reply

    def say(self, text: str) -> None:
        """One more clause of the reply."""
        reply, said = self.reply, self._fill(text)
        assert reply is not None
        if said:
            reply.clauses.append(Clause(said))
            self._do(ev.Say(reply.generation, len(reply.clauses) - 1, said, reply.kind))

    def say_all(self, kind: Kind, turn: int, text: str) -> None:
        """A reply whose text is known beforehand."""
        reply = self.begin(kind, turn)
        for clause in split(self._fill(text)):
            self.say(clause)
        reply.complete = True

    def adopt(self, saying: AgentSaying) -> None:
        """What a predecessor has put into the mouth is being heard."""
        clause = Clause(saying.text, 0, saying.samples)
        kind = cast(Kind, saying.kind)
        self.reply = Reply(kind, saying.generation, saying.turn, [clause], complete=True, noted=True)

    def note_whole(self, now_ns: int, ending: ev.AnswerTool | None) -> None:
        """Writes down, once, that all of the reply is in the mouth. `ending`: what is to be done after it."""
        reply = self.reply
        if reply is None or reply.noted or not reply.whole:
            return
        reply.noted = True
        saying = AgentSaying(
            at_ns=now_ns,
            turn=reply.turn,
            kind=reply.kind,
            text=reply.text,
            generation=reply.generation,
            samples=reply.samples,
            ending=ending.name if ending else "",
            arguments=ending.arguments if ending else {},
        )
        self._do(ev.Write(saying))

    def flush(self) -> None:
        self.generation += 1
        self._do(ev.Flush(self.generation))

    def drop(self) -> None:
        """Gives the reply up, of which nothing has been heard."""
        if self.reply:
            self.flush()
            self.reply = None

    def interrupt(self, now_ns: int) -> None:
        """The agent falls silent in the middle of the reply, or of whatever else is still being heard."""
        self.cut, self.reply = self.reply, None
        self.flush()
        if self.cut:
            self.cut.flushed_ns = now_ns

    def written(self, event: ev.ClauseWritten) -> None:
        for reply in self._both:
            if reply.generation == event.generation and event.clause < len(reply.clauses):
                clause = reply.clauses[event.clause]
                clause.first_sample, clause.samples, clause.words = event.first_sample, event.samples, event.words

    def played(self, event: ev.WirePlayed) -> None:
        for reply in self._both:
            if reply.generation == event.generation:
                reply.played, reply.first_ns, reply.last_ns = event.samples, event.first_ns, event.last_ns

    @property
    def _both(self) -> tuple[Reply, ...]:
        return tuple(reply for reply in (self.cut, self.reply) if reply is not None)

    @property
    def watched(self) -> tuple[int, ...]:
        """Generations of which `WirePlayed` is wanted."""
        if self.reply is None and self.cut is None:
            return ()
        return tuple(reply.generation for reply in self._both)
