"""The recordings of one call: from its start where `recording.calls` says so, or by the agent's tool `record`.

At the wire they are ours (`recorder`). Those of Asterisk are made by call-control, once there is a bridge to record.
"""

from collections.abc import Awaitable, Callable, Iterable

from actors.conversation.recorder import Recorder
from config.keeping import Recording
from ipc.actions import RecordCall
from ipc.journal import Record

BRIDGED = "bridged"
"""What call-control notes when the call's bridge is complete."""


class Recordings:
    def __init__(
        self, call_id: str, rules: Recording, recorder: Recorder, do: Callable[[RecordCall], Awaitable[str]]
    ) -> None:
        """`do` has call-control do something, and gives why it could not be done, "" when it was."""
        self._call_id = call_id
        self._rules = rules
        self._recorder = recorder
        self._do = do
        self._on = False
        """Whether Asterisk records."""

    def begin(self, before: Iterable[Record]) -> None:
        """`before`: what is in the call's journal; more than its beginning where a predecessor held the call."""
        self._recorder.begin(before)

    def wanted_after(self, what: str) -> bool:
        """Whether Asterisk is to record from now on, when this has been noted of the call."""
        return self._rules.calls == "asterisk" and what == BRIDGED and not self._on

    async def turn(self, on: bool) -> str:
        """Starts or stops it; why it could not be done, "" when it was, or was so already."""
        if self._rules.calls != "asterisk":
            if on:
                self._recorder.start()
            else:
                self._recorder.stop()
            return ""
        if on == self._on:
            return ""
        failure = await self._do(RecordCall(call_id=self._call_id, on=on))
        self._on = self._on if failure else on
        return failure

    def close(self) -> None:
        """The call is over. Asterisk's own recording ends with the bridge."""
        self._recorder.stop()
