"""What came of a call, in values for the dialplan: the variables `AGENT_OUTCOME`, `AGENT_TURNS`, `AGENT_SECONDS` and
what the agent's script or model has set.

Names and values may come from a language model. Asterisk takes functions for variables (`SHELL(...)`), so a name is
letters, digits and underscores, and all begin with `AGENT_`.
"""

import re
from collections.abc import Mapping

from actors.conversation.details import plain
from ipc.journal import CallerSaid, DigitsPressed, Record, ToolRun

PREFIX = "AGENT_"
OUTCOME = PREFIX + "OUTCOME"
CALL_CONTROLS = frozenset({"STATUS"})
"""What call-control says itself."""
LONGEST_VALUE = 200
"""Characters."""
MOST = 32
"""Values of one call."""

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,39}")


class Outcome:
    def __init__(self, began_ns: int) -> None:
        self._began_ns = began_ns
        self._set: dict[str, str] = {}
        self._turns = 0
        self._last_turn = -1
        self.told = ""
        """The last outcome that call-control was told."""

    def note(self, record: Record) -> None:
        """To be told of everything that goes into the journal."""
        if isinstance(record, DigitsPressed) or (isinstance(record, CallerSaid) and record.turn != self._last_turn):
            self._turns += 1
        if isinstance(record, CallerSaid):
            self._last_turn = record.turn
        if isinstance(record, ToolRun) and record.name == "set_result":
            self.set(record.arguments)  # a successor knows it only from here

    def set(self, values: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
        """As variables, and which names were refused. An outcome that is set here stays, however the call ends."""
        taken: dict[str, str] = {}
        refused = []
        for name, value in values.items():
            key = name.upper().removeprefix(PREFIX)
            if not _NAME.fullmatch(key) or key in CALL_CONTROLS or (len(self._set) >= MOST and key not in self._set):
                refused.append(name)
                continue
            self._set[key] = taken[PREFIX + key] = plain(value, LONGEST_VALUE)
        self.told = self._set.get("OUTCOME", self.told)
        return taken, refused

    def at_end(self, word: str, now_ns: int) -> dict[str, str]:
        """All variables, of a call that ends like this; "" takes back that it was about to."""
        self.told = self._set.get("OUTCOME", word)
        seconds = max(0, now_ns - self._began_ns) // 1_000_000_000
        return {
            **{PREFIX + name: value for name, value in self._set.items()},
            OUTCOME: self.told,
            PREFIX + "TURNS": str(self._turns),
            PREFIX + "SECONDS": str(seconds),
        }
