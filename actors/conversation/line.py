"""One call as every conversation holds it, whoever speaks in it: its rings, its bell, its journal, and the way to
call-control. A pipeline's call (`call.py`) and a provider's (`provided.py`) are built on it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from actors.conversation.outcome import OUTCOME, Outcome
from actors.conversation.recordings import Recordings
from ipc.actions import SetResult
from ipc.bus import Bus, NoAnswer, Refused
from ipc.journal import CallEnded, DigitsPressed, Journal, Noted, Record
from ipc.messages import CallNote, HangUp, Journaled, Message, Transfer
from ipc.mouth import MouthGauge
from ipc.rings import Bell, Rings

log = logging.getLogger(__name__)

CALL_CONTROL = "call-control"
CALL_CONTROL_S = 20.0
"""For a hang-up or a transfer: longer than call-control takes to come back and to ask Asterisk which calls it has."""
CALL_CONTROL_TRY_S = 5.0
CALL_CONTROL_PAUSE_S = 0.2


class Line:
    """Takes the rings, the bell and the journal over, and closes them."""

    def __init__(
        self,
        call_id: str,
        segment: str,
        bus: Bus,
        rings: Rings,
        bell: Bell,
        journal: Journal,
        *,
        control: str = CALL_CONTROL,
        began_ns: int | None = None,
    ) -> None:
        """control: who holds the call. began_ns: when the conversation did, under whichever actor; None is now."""
        self.call_id = call_id
        self.control = control
        self.outcome = Outcome(time.monotonic_ns() if began_ns is None else began_ns)
        self.segment = segment
        self.rings = rings
        self.gauge = MouthGauge(rings)
        self._bus = bus
        self._bell = bell
        self._journal = journal
        self._work: set[asyncio.Task[Any]] = set()
        self.wrote: Callable[[Record], None] = lambda record: None
        """Called with every record that goes into the journal."""
        self._flooded = False
        self.recordings: Recordings | None = None
        """Set once the journal has its beginning."""

    # -- the caller's audio

    def listen(self, rung: Callable[[], None]) -> None:
        """`rung` is called whenever the audio actor has written to the ear; by then 20 ms have gone on the wire, too.

        Once for each bell: with 400 calls in one actor that costs 9 to 15 us of CPU a frame, all included. A look at
        all ears every 5 ms instead costs 7 to 15: too little a gain for 5 ms of everybody's time.
        """

        def clear_first() -> None:
            self._bell.clear()
            rung()

        asyncio.get_running_loop().add_reader(self._bell.fileno(), clear_first)

    def stop_listening(self) -> None:
        asyncio.get_running_loop().remove_reader(self._bell.fileno())

    # -- the journal

    def write(self, record: Record) -> None:
        self._bus.publish(Journaled(call_id=self.call_id, record=self._journal.append(record)))
        self.outcome.note(record)
        self.wrote(record)
        if isinstance(record, DigitsPressed) and record.dropped and not self._flooded:
            self._flooded = True
            log.warning(
                "call %s: %d keys too many in one entry were dropped, and so are others from now on: a key is stuck, "
                "or the caller's line takes speech for keys (`dtmf_mode` of their endpoint)",
                self.call_id,
                record.dropped,
            )

    def note(self, note: CallNote) -> None:
        self.write(Noted(at_ns=time.monotonic_ns(), what=note.what, detail=note.detail))
        if self.recordings and self.recordings.wanted_after(note.what):
            self.spawn(self._record(self.recordings))

    async def _record(self, recordings: Recordings) -> None:
        await recordings.turn(True)

    # -- work beside the call

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        """Cancelled when the line is closed."""
        task = self._bus.spawn(work, f"call {self.call_id}")
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def hang_up(self, reason: str, outcome: str) -> None:
        await self._tell_call_control(self._result(outcome), HangUp(call_id=self.call_id, reason=reason))

    async def transfer(self, destination: str, outcome: str, *, announced: bool = False) -> str:
        """Why it could not be done, "" when it was."""
        command = Transfer(call_id=self.call_id, destination=destination, announced=announced)
        failure = await self._tell_call_control(self._result(outcome), command)
        if failure:
            self.spawn(self._take_back_outcome())
        return failure

    def send_on(self, reason: str, *, announced: bool = False) -> None:
        """Nobody can talk to the caller any more: they are sent to where somebody can serve them."""
        log.error("call %s cannot go on: %s", self.call_id, reason)
        self.spawn(self._send_on(announced))

    async def _send_on(self, announced: bool) -> None:
        failure = await self.transfer("", "failed", announced=announced)
        if failure:
            # A caller in a call without an agent would listen to silence for ever.
            await self.hang_up(f"nobody could be found to go on: {failure}", "failed")

    async def set_result(self, values: dict[str, str]) -> str:
        """Values for the dialplan, by names that come from anybody; why it could not be done, "" when it was."""
        variables, refused = self.outcome.set(values)
        failure = await self.do(SetResult(call_id=self.call_id, variables=variables)) if variables else ""
        return failure or (f"no names for channel variables: {', '.join(refused)}" if refused else "")

    async def do(self, command: Message, within: float = CALL_CONTROL_TRY_S) -> str:
        """One command to call-control, asked once; why it could not be done, "" when it was."""
        try:
            await self.ask(command, within)
        except (NoAnswer, Refused) as error:
            log.warning("call %s: %s failed: %s", self.call_id, type(command).__name__, error)
            return str(error)
        return ""

    async def ask(self, command: Message, within: float = CALL_CONTROL_TRY_S) -> Message:
        """Call-control's answer. Raises `Refused` and `NoAnswer`."""
        return await self._bus.ask(self.control, command, within=within)

    async def _take_back_outcome(self) -> None:
        await self.do(self._result(""))

    def _result(self, outcome: str) -> SetResult:
        return SetResult(call_id=self.call_id, variables=self.outcome.at_end(outcome, time.monotonic_ns()))

    async def will_be_joined(self, destination: str) -> None:
        """The person takes the caller: call-control is told what to tell the dialplan, for it will not ask again."""
        await self.do(self._result(f"transferred:{destination}"))

    async def _tell_call_control(self, result: SetResult, command: HangUp | Transfer) -> str:
        """Why it could not be done, "" when it was. An actor that is just being started again is asked again: the
        agent has nothing more to say, and the caller would listen to silence."""
        until = time.monotonic() + CALL_CONTROL_S
        told = False
        while True:
            try:
                told = told or await self._told(result)
                await self.ask(command)
                return ""
            except NoAnswer as silence:
                failure = str(silence)
            except Refused as refused:
                failure = str(refused)
                until = until if refused.busy else 0.0
            if time.monotonic() >= until:
                log.error("call %s: %s failed: %s", self.call_id, type(command).__name__, failure)
                return failure
            await asyncio.sleep(CALL_CONTROL_PAUSE_S)

    async def _told(self, result: SetResult) -> bool:
        """The caller leaves also where the dialplan cannot be told why. Raises `NoAnswer`, and `Refused` when busy."""
        try:
            await self.ask(result)
        except Refused as refused:
            if refused.busy:
                raise
            log.warning("call %s: the dialplan is not told %s: %s", self.call_id, result.variables[OUTCOME], refused)
        return True

    # -- the end

    def close(self, cause: str) -> None:
        """Writes down how the call ended, and gives everything back. Nobody looks into the rings any more."""
        if self.recordings:
            self.recordings.close()
        self.write(self._ended(cause))
        for task in self._work:
            task.cancel()
        self._journal.close()
        self._bell.close()
        self.rings.close()

    def _ended(self, cause: str) -> CallEnded:
        grid = self.gauge.grid
        p50, p99, most = self.gauge.lateness_ms(0.5, 0.99, 1.0)
        return CallEnded(
            at_ns=time.monotonic_ns(),
            cause=cause,
            frames_sent=grid.sent if grid else 0,
            frames_received=grid.received if grid else 0,
            underruns=grid.underruns if grid else 0,
            skipped=grid.skipped if grid else 0,
            corrupt=grid.corrupt if grid else 0,
            takeovers=grid.takeovers if grid else 0,
            late_ms={"p50": p50, "p99": p99, "max": most},
            outcome=self.outcome.told,
        )
