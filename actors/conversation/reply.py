"""One reply of the agent: its clauses, how much of them has been synthesised, and which of their words were heard."""

from dataclasses import dataclass, field
from typing import Literal

from ipc.journal import AgentSaid, BargedIn
from ipc.messages import WordAt

Kind = Literal["greeting", "answer", "prompt", "notice", "filler", "goodbye"]


@dataclass(slots=True)
class Clause:
    text: str
    first_sample: int = -1
    """Where it begins in the reply's audio; -1 until it has been synthesised."""
    samples: int = 0
    words: tuple[WordAt, ...] = ()

    @property
    def written(self) -> bool:
        return self.first_sample >= 0


@dataclass(slots=True)
class Reply:
    """Samples are counted from the reply's first, at the call's rate: a reply is one generation of the mouth."""

    kind: Kind
    generation: int
    turn: int
    """The caller's turn that it answers; 0 for the greeting."""
    clauses: list[Clause] = field(default_factory=list)
    complete: bool = False
    """True once no more clauses will come."""
    played: int = 0
    first_ns: int = 0
    last_ns: int = 0
    flushed_ns: int = 0
    """When it was given up because the caller interrupted it."""
    noted: bool = False
    """It is written down that all of it is in the mouth."""

    @property
    def text(self) -> str:
        return " ".join(clause.text for clause in self.clauses)

    @property
    def samples(self) -> int:
        """To the end of the last clause: what an actor had written of one before it died counts, for it was heard."""
        return max((clause.first_sample + clause.samples for clause in self.clauses if clause.written), default=0)

    @property
    def whole(self) -> bool:
        """True once all of it is in the mouth."""
        return self.complete and bool(self.clauses) and all(clause.written for clause in self.clauses)

    @property
    def finished(self) -> bool:
        """True once the caller has heard all of it."""
        return self.complete and all(clause.written for clause in self.clauses) and self.played >= self.samples

    def heard(self) -> str:
        """The words that the caller has heard: those of which at least half was on the wire."""
        heard = (self._heard_of(clause) for clause in self.clauses if clause.written)
        return " ".join(text for text in heard if text)

    def unheard(self) -> str:
        """The rest, from the first word that was not heard."""
        return self.text[len(self.heard()) :].strip()

    def record(self, now_ns: int, *, interrupted: bool) -> AgentSaid:
        return AgentSaid(
            at_ns=now_ns,
            turn=self.turn,
            kind=self.kind,
            text=self.text,
            heard=self.heard(),
            interrupted=interrupted,
            generation=self.generation,
            samples=self.samples,
            played=self.played,
            first_ns=self.first_ns,
            last_ns=self.last_ns,
        )

    def interruption(self, now_ns: int, turn: int, onset_ns: int) -> BargedIn:
        """`turn` and `onset_ns`: the caller's turn that interrupted it, and when its first speech had arrived."""
        return BargedIn(at_ns=now_ns, turn=turn, onset_ns=onset_ns, flushed_ns=self.flushed_ns, silent_ns=self.last_ns)

    def _heard_of(self, clause: Clause) -> str:
        end = clause.first_sample + clause.samples
        if self.played >= end:
            return clause.text
        if self.played <= clause.first_sample:
            return ""
        if not clause.words:
            # No word times from this engine: the share of the samples is that of the text, to the last whole word.
            share = (self.played - clause.first_sample) / clause.samples
            return clause.text[: int(len(clause.text) * share) + 1].rpartition(" ")[0]
        cut = 0
        ends = [word.sample for word in clause.words[1:]] + [end]
        for word, word_end in zip(clause.words, ends, strict=True):
            if self.played * 2 < word.sample + word_end:
                break
            cut = word.start + word.length
        # Punctuation that follows a heard word belongs to it.
        while 0 < cut < len(clause.text) and not clause.text[cut].isspace():
            cut += 1
        return clause.text[:cut]
