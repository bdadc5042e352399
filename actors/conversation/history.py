"""The conversation so far, as the model is told of it: what was understood, and what was heard. Never what was not."""

from collections.abc import Sequence

from actors.conversation.events import HistoryLine


class History:
    """What the caller said stands in it once the agent's reply has been heard: until then they may go on."""

    def __init__(self, lines: Sequence[HistoryLine] = (), unanswered: str | None = None) -> None:
        self.lines = list(lines)
        self.unanswered = unanswered
        """What the caller said last, as long as it has not been answered."""

    def ask(self, text: str) -> tuple[HistoryLine, ...]:
        """All lines with this as the last; it replaces what has not been answered."""
        self.unanswered = text
        return (*self.lines, HistoryLine("caller", text))

    def foreseen(self, text: str, cut: str | None) -> tuple[HistoryLine, ...]:
        """What `ask` will give for this text. `cut`: what was heard of a reply that is being interrupted."""
        lines = list(self.lines)
        if cut is not None and self.unanswered is not None:
            lines.append(HistoryLine("caller", self.unanswered))
        if cut:
            lines.append(HistoryLine("agent", cut))
        return (*lines, HistoryLine("caller", text))

    def failed(self, news: str) -> tuple[HistoryLine, ...]:
        """All lines with the news of a tool as the last."""
        self.lines.append(HistoryLine("tool", news))
        return tuple(self.lines)

    def answered(self, heard: str) -> None:
        """The agent's reply is over; `heard` is "" when nothing of it was."""
        if self.unanswered is not None:
            self.lines.append(HistoryLine("caller", self.unanswered))
            self.unanswered = None
        if heard:
            self.lines.append(HistoryLine("agent", heard))
