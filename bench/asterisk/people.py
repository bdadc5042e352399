"""Dialplan applications that reach people: a phone that rings, a queue of them, a voice mailbox.

The two ends of an answered call hear each other directly: the bridge that Asterisk makes for them is not shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench.asterisk.causes import NO_ANSWER, NORMAL_CLEARING, dial_status
from bench.asterisk.channel import Channel
from bench.asterisk.dialing import make_phone
from bench.asterisk.lines import Line
from bench.asterisk.media.formats import Frame, Resampler
from bench.asterisk.recording import BEEP, StoredRecording
from bench.asterisk.sounds import frames_of

if TYPE_CHECKING:
    from bench.asterisk.phone import Phone

# `Queue` rings each member for so long where nothing else is said, as queues.conf does.
MEMBER_RINGS_S = 15.0
USER_BUSY = 17
CONGESTION = 34


@dataclass(frozen=True)
class Progress(Line):
    name = "Progress"

    async def run(self, channel: Channel, data: str) -> bool:
        channel.indicate("PROGRESS")
        return True


@dataclass(frozen=True)
class Ringing(Line):
    name = "Ringing"

    async def run(self, channel: Channel, data: str) -> bool:
        channel.indicate("RINGING")
        return True


@dataclass(frozen=True)
class Busy(Line):
    """Says busy, waits until the caller gives up or so many seconds (0 = for ever), then hangs up."""

    seconds: float = 0
    name = "Busy"

    def data(self) -> str:
        return f"{self.seconds:g}" if self.seconds else ""

    async def run(self, channel: Channel, data: str) -> bool:
        return await refuse(channel, "BUSY", USER_BUSY, float(data or 0))


@dataclass(frozen=True)
class Congestion(Line):
    seconds: float = 0
    name = "Congestion"

    def data(self) -> str:
        return f"{self.seconds:g}" if self.seconds else ""

    async def run(self, channel: Channel, data: str) -> bool:
        return await refuse(channel, "CONGESTION", CONGESTION, float(data or 0))


async def refuse(channel: Channel, status: str, cause: int, seconds: float) -> bool:
    if status == "BUSY" and channel.state != "Up":
        channel.state = "Busy"
        channel.publish_changes()
    channel.indicate(status)
    await channel.until_hangup(asyncio.Event(), seconds or None)
    channel.hangup_cause = cause
    return False


# -- dialling -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dial(Line):
    """target: `PJSIP/200`, or several joined by `&`, which ring together; seconds: 0 = as long as the caller waits

    DIALSTATUS says how it went. When the person who answered hangs up, the caller is hung up too, unless the options
    hold `g`. Only phones can be dialled, and of the options only `g` is known (assumption).
    """

    target: str
    seconds: float = 0
    options: str = ""
    name = "Dial"

    def data(self) -> str:
        return ",".join((self.target, f"{self.seconds:g}" if self.seconds else "", self.options)).rstrip(",")

    async def run(self, channel: Channel, data: str) -> bool:
        target, seconds, options = (*data.split(","), "", "")[:3]
        status = await dial(channel, target.split("&"), float(seconds) if seconds else None)
        channel.set_variable("DIALSTATUS", status)
        return not channel.hung_up.is_set() and (status != "ANSWER" or "g" in options)


async def dial(channel: Channel, targets: Sequence[str], seconds: float | None) -> str:
    """Rings them all; with the first who answers the caller talks until one of them hangs up. The DIALSTATUS."""
    exchange = channel.exchange
    ringing: list[tuple[Channel, Phone]] = []
    status = "CHANUNAVAIL"
    for target in targets:
        station = exchange.endpoints.get(target.removeprefix("PJSIP/"))
        if station is None or not station.takes_calls or not target.startswith("PJSIP/"):
            continue
        if station.refuses_with:
            status = dial_status(station.refuses_with)
            continue
        called, phone = make_phone(exchange, station)
        called.caller = called.connected = channel.caller
        called.state = "Ringing"
        called.publish_changes()
        ringing.append((called, phone))
        station.calls.put_nowait(phone)
    if not ringing:
        return status
    channel.indicate("RINGING")
    chosen, status = await first_answer(channel, [phone for _, phone in ringing], seconds)
    for called, phone in ringing:
        if phone is not chosen:
            called.hangup_cause = called.hangup_cause or NO_ANSWER
            exchange.destroy(called)
    if chosen is None:
        return status
    person = next(called for called, phone in ringing if phone is chosen)
    channel.set_variable("DIALEDPEERNAME", person.name)
    person.answer()
    channel.answer()
    await talk(channel, person)
    person.hangup_cause = person.hangup_cause or NORMAL_CLEARING
    exchange.destroy(person)
    return "ANSWER"


async def first_answer(channel: Channel, phones: list[Phone], seconds: float | None) -> tuple[Phone | None, str]:
    """Who answers first, if anybody does; else why not."""
    decisions = {asyncio.ensure_future(phone.decision(None)): phone for phone in phones}
    hung_up = asyncio.ensure_future(channel.hung_up.wait())
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    status = "NOANSWER"
    try:
        while waiting := [decision for decision in decisions if not decision.done()]:
            left = None if deadline is None else max(0.0, deadline - loop.time())
            done, _ = await asyncio.wait({*waiting, hung_up}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if hung_up in done or not done:
                return None, "CANCEL" if hung_up in done else "NOANSWER"
            for decision, phone in decisions.items():
                if decision in done and decision.result() == 0:
                    return phone, "ANSWER"
                if decision in done:
                    status = dial_status(decision.result() or NO_ANSWER)
        return None, status
    finally:
        for future in (*decisions, hung_up):
            future.cancel()


async def talk(one: Channel, other: Channel) -> None:
    plane = one.exchange.plane
    with plane.lock:
        one.leg.sink, other.leg.sink = other.leg.hear, one.leg.hear
    one.on_digit = partial(pass_digit, other)
    other.on_digit = partial(pass_digit, one)
    await one.until_hangup(other.hung_up)
    with plane.lock:
        one.leg.sink = other.leg.sink = None
    one.on_digit = other.on_digit = None


def pass_digit(to: Channel, digit: str) -> None:
    with to.exchange.plane.lock:
        to.leg.digit(digit, 0.1)


@dataclass(frozen=True)
class Queue(Line):
    """Rings its members one after another, round and round, for `seconds` in all (0 = for ever). Assumption: a queue
    in its simplest strategy, without announcements; QUEUESTATUS is TIMEOUT or JOINUNAVAIL as with the real one."""

    queue: str
    members: tuple[str, ...] = ()
    seconds: float = 0
    member_rings_s: float = MEMBER_RINGS_S
    name = "Queue"

    def data(self) -> str:
        return f"{self.queue},,,,{self.seconds:g}" if self.seconds else self.queue

    async def run(self, channel: Channel, data: str) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.seconds if self.seconds else None
        if not self.members:
            channel.set_variable("QUEUESTATUS", "JOINUNAVAIL")
            return True
        while not channel.hung_up.is_set():
            for member in self.members:
                left = self.member_rings_s if deadline is None else min(self.member_rings_s, deadline - loop.time())
                if left <= 0:
                    channel.set_variable("QUEUESTATUS", "TIMEOUT")
                    return True
                began = loop.time()
                if await dial(channel, [member], left) == "ANSWER":
                    return False
                if loop.time() - began < self.member_rings_s:
                    # A busy member is not asked again at once.
                    rest = began + min(1.0, left) - loop.time()
                    await channel.until_hangup(asyncio.Event(), max(0.0, rest))
        return False


@dataclass(frozen=True)
class VoiceMail(Line):
    """Answers, beeps and keeps what the caller says until they press # or hang up, in `Asterisk.mailboxes` (assumption:
    the mailbox, its greeting and its limits are the stand-in's own). VMSTATUS is SUCCESS, or FAILED for no sound."""

    mailbox: str
    options: str = ""
    name = "VoiceMail"

    def data(self) -> str:
        return f"{self.mailbox},{self.options}" if self.options else self.mailbox

    async def run(self, channel: Channel, data: str) -> bool:
        box = data.partition(",")[0].partition("@")[0]
        exchange, plane = channel.exchange, channel.exchange.plane
        channel.answer()
        kept = bytearray()
        resampler = Resampler(BEEP.rate)
        ended = asyncio.Event()

        def pressed(digit: str) -> None:
            if digit == "#":
                ended.set()

        with plane.lock:
            source = frames_of(BEEP)
            while (frame := source()) is not None:
                channel.leg.write(frame)
            channel.leg.sink = lambda frame: kept.extend(resampler.convert(frame))
        channel.on_digit = pressed
        await channel.until_hangup(ended)
        channel.on_digit = None
        with plane.lock:
            channel.leg.sink = None
        messages = exchange.mailboxes.setdefault(box, [])
        if kept:
            messages.append(StoredRecording(f"{box}-{len(messages)}", "wav", Frame(bytes(kept), BEEP.rate)))
        channel.set_variable("VMSTATUS", "SUCCESS" if kept else "FAILED")
        return not channel.hung_up.is_set()
