"""The doctor calls the agent: a caller like any other, whom the provider `loopback` gives their own voice back.

It goes the way that calls go: Asterisk, call-control, the call's audio actor, the rings, and back. Nobody's telephone
rings, and no model is asked.
"""

import asyncio
from functools import partial

from config.schema import Settings
from ipc.bus import BadMessage, Bus, NoAnswer, Refused
from ipc.messages import CallList, ListCalls
from ipc.orders import SystemStatus
from supervisor.doctor import cadence, line
from supervisor.doctor.ari import Ari, NoReply
from supervisor.doctor.cadence import Figures
from supervisor.doctor.door import Door
from supervisor.doctor.findings import Finding, Subject
from supervisor.doctor.guest import Guest
from supervisor.doctor.line import Record
from supervisor.doctor.selfcall import ARRIVE_S, advertised

ANSWER_S = 3.0
"""On top of the measurement: from the call to the first sound of the agent."""
ANSWERED_LATE_MS = 1500.0
CLEARED_S = 3.0
"""From the caller's end to the end of all that belongs to the call; 2 s are allowed."""
LOOK_S = 0.05
PROVIDER = "loopback"


class AgentCall:
    def __init__(self, ari: Ari, settings: Settings, status: SystemStatus, bus: Bus, seconds: float) -> None:
        self._ari = ari
        self._settings = settings
        self._status = status
        self._bus = bus
        self._seconds = seconds
        self._subject = Subject("Agent", "agent")

    async def run(self) -> list[Finding]:
        if self._status.draining:
            what = "the agent was not called: the system is draining, and takes no calls"
            remedy = "ringmaster drain --off"
            return [self._subject.advice("call", what, "callers go on in the dialplan", remedy)]
        if len(self._status.calls) >= self._settings.audio.max_calls:
            what = "the agent was not called: it has as many calls as it may"
            return [self._subject.advice("call", what, "callers go on in the dialplan", "try again later")]
        try:
            async with Guest(self._ari) as guest, Door(self._settings.audiosocket.host, 0) as door:
                return await self._call(guest, door)
        except (NoReply, OSError) as error:
            what = "the doctor could not call the agent"
            remedy = "ringmaster status; then look into Asterisk's log"
            return [self._subject.error("call", what, "nor may callers", remedy, str(error))]

    async def _call(self, guest: Guest, door: Door) -> list[Finding]:
        address = await advertised(self._ari, self._settings, door.port)
        media = door.expect()
        channel, reply = await guest.call(
            f"AudioSocket/{address}/{media}/c(slin)", app=self._ari.asterisk.app_name, AI_PROVIDER=PROVIDER
        )
        wire = await door.connection(media, ARRIVE_S) if reply.ok else None
        if wire is None:
            return []  # which the self-call has told already
        record = await line.in_a_thread(partial(line.converse, wire, None, self._seconds + ANSWER_S))
        measured = cadence.figures(record, record.back)
        findings = self._answered(record, measured)
        await guest.tidy_up()
        return findings + await self._cleared(channel)

    def _answered(self, record: Record, measured: Figures) -> list[Finding]:
        subject, heard = self._subject, record.back
        remedy = "ringmaster status; the log of call-control (journalctl -u ringmaster) names the call"
        if measured.first < 0 and heard.ended:
            what = "the agent did not take the doctor's call"
            return [subject.error("call", what, "callers are turned away, too", remedy, heard.ended)]
        if measured.first < 0 and not heard.arrivals:
            what = "the agent took the doctor's call and sent no audio"
            return [subject.error("call", what, "callers hear silence", remedy, f"{len(record.sent)} frames sent")]
        if measured.first < 0:
            what = "the agent answered, but did not give the doctor's voice back: the way there and back is not known"
            why = f"another provider than `{PROVIDER}` took the call, or the caller is not heard"
            seen = f"{len(heard.arrivals)} frames came; " + str(measured).partition(", round trip")[0]
            return [subject.warning("call", what, why, remedy, seen)]
        findings = cadence.judge(measured, "through the agent", cadence.ROUND_TRIP_MS, remedy, subject, "audio")
        if measured.first > ANSWERED_LATE_MS:
            what = f"the agent was heard only {measured.first / 1000:.1f} s after the call began"
            findings.append(subject.advice("answer", what, "callers hear nothing until then", remedy))
        return findings

    async def _cleared(self, channel: str) -> list[Finding]:
        """Is all that belonged to the call gone?"""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            while loop.time() - began < CLEARED_S:
                listed = await self._bus.expect("supervisor", ListCalls(), CallList, within=CLEARED_S)
                if not any(call.call_id.endswith(channel) for call in listed.calls):
                    seen = f"{(loop.time() - began) * 1000:.0f} ms after the caller's end"
                    return [self._subject.ok("cleared", "nothing is left of the doctor's call", seen)]
                await asyncio.sleep(LOOK_S)
        except (NoAnswer, BadMessage, Refused) as error:
            return [self._subject.warning("cleared", "the supervisor does not answer", str(error), "ringmaster status")]
        what = f"the doctor's call is still open {CLEARED_S:g} s after its caller's end"
        remedy = "ringmaster status; ringmaster dump   writes down what each process does, for a report"
        return [self._subject.warning("cleared", what, "calls add up until no more are taken", remedy, channel)]
