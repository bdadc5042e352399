"""One call as every conversation holds it, whoever speaks in it: its rings, its bell, its journal, and the way to
call-control. A pipeline's call (`call.py`) and a provider's (`provided.py`) are built on it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from ipc.bus import Bus, NoAnswer, Refused
from ipc.journal import CallEnded, Journal, Noted, Record
from ipc.messages import CallNote, HangUp, Journaled, Transfer
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

    def __init__(self, call_id: str, segment: str, bus: Bus, rings: Rings, bell: Bell, journal: Journal) -> None:
        self.call_id = call_id
        self.segment = segment
        self.rings = rings
        self.gauge = MouthGauge(rings)
        self._bus = bus
        self._bell = bell
        self._journal = journal
        self._work: set[asyncio.Task[Any]] = set()
        self.wrote: Callable[[Record], None] = lambda record: None
        """Called with every record that goes into the journal."""

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
        self.wrote(record)

    def note(self, note: CallNote) -> None:
        self.write(Noted(at_ns=time.monotonic_ns(), what=note.what, detail=note.detail))

    # -- work beside the call

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        """Cancelled when the line is closed."""
        task = self._bus.spawn(work, f"call {self.call_id}")
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def hang_up(self, reason: str) -> None:
        await self._tell_call_control(HangUp(call_id=self.call_id, reason=reason))

    async def transfer(self, destination: str) -> str:
        """Why it could not be done, "" when it was."""
        return await self._tell_call_control(Transfer(call_id=self.call_id, destination=destination))

    def send_on(self, reason: str) -> None:
        """Nobody can talk to the caller any more: they are sent to where somebody can serve them."""
        log.error("call %s cannot go on: %s", self.call_id, reason)
        self.spawn(self._send_on())

    async def _send_on(self) -> None:
        await self.transfer("")

    async def _tell_call_control(self, command: HangUp | Transfer) -> str:
        """Why it could not be done, "" when it was. An actor that is just being started again is asked again: the
        agent has nothing more to say, and the caller would listen to silence."""
        until = time.monotonic() + CALL_CONTROL_S
        while True:
            try:
                await self._bus.ask(CALL_CONTROL, command, within=CALL_CONTROL_TRY_S)
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

    # -- the end

    def close(self, cause: str) -> None:
        """Writes down how the call ended, and gives everything back. Nobody looks into the rings any more."""
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
        )
