"""What the model is given to read before it is asked: the talk so far, and what the caller has probably said. Pure.

A model on a CPU reads some 300 tokens a second, so a turn of 20 tokens and the answer before it cost 0.2 s that nobody
has to wait for: the answer can be read while the caller is silent, and their own words while the silence lasts that
ends their turn. What was foreseen wrongly costs computing, and nothing else: the question itself says what was said.
"""

from collections.abc import Callable, Sequence

from actors.conversation import events as ev
from actors.conversation.events import FrameHeard, HistoryLine
from actors.conversation.history import History
from actors.conversation.reply import Reply
from actors.conversation.speech import Utterance

STEADY_FRAMES = 5
"""After 100 ms of silence a recogniser has heard most of the last word, and the turn lasts 300 ms more."""
MORE_WORDS = 6
"""In a long turn so many more words, on which two guesses agree, are worth a reading of their own."""


class Foresight:
    """Of one call. What is to be read goes out as actions by `do`."""

    def __init__(self, do: Callable[[ev.Action], None], history: History) -> None:
        self._do = do
        self._history = history
        self._guess: list[str] = []
        self._seen = ("", False)
        """The last guess, and whether the caller paused: frames come 50 times a second, and mostly change neither."""
        self._read: tuple[HistoryLine, ...] = ()

    def answered(self) -> None:
        """The agent's reply is over: what was heard of it will stand in every question from now on."""
        self._prepare(tuple(self._history.lines))

    def follow(self, frame: FrameHeard, utterance: Utterance | None, cut: Reply | None) -> None:
        """The caller's turn goes on with this frame. `cut`: the reply that they interrupt."""
        if utterance is None or not utterance.text:
            return
        steady = frame.number - utterance.last >= STEADY_FRAMES
        if self._seen == (utterance.text, steady):
            return
        self._seen = utterance.text, steady
        words = utterance.text.split()
        if steady:
            self._prepare(self._history.foreseen(utterance.text, cut.heard() if cut else None))
        elif words != self._guess:
            agreed = _common(words, self._guess)
            last = self._read[-1].text.split() if self._read and self._read[-1].who == "caller" else []
            if len(agreed) - len(_common(agreed, last)) >= MORE_WORDS:
                self._prepare(self._history.foreseen(" ".join(agreed), cut.heard() if cut else None))
        self._guess = words

    def _prepare(self, lines: tuple[HistoryLine, ...]) -> None:
        if lines and lines != self._read:
            self._read = lines
            self._do(ev.Prepare(lines))


def _common(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """The words with which both begin."""
    agreed: list[str] = []
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        agreed.append(mine)
    return agreed
