"""A channel: one leg of a call as Asterisk shows it to ARI.

What changes on a channel is published when the change is complete: `publish_changes` compares with what was last
shown and emits one event per kind of change, in Asterisk's order. Other events carry the channel as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.asterisk.application import CHANNEL, Event
from bench.asterisk.causes import NORMAL_CLEARING, SIP_STATUS, cause_text

if TYPE_CHECKING:
    from bench.asterisk.bridge import Bridge
    from bench.asterisk.exchange import Exchange
    from bench.asterisk.media.leg import Leg, Player
    from bench.asterisk.phone import Phone
    from bench.asterisk.session import Session


class Party(NamedTuple):
    """Who is at one end, as far as anybody told."""

    name: str = ""
    number: str = ""

    def json(self) -> Event:
        return {"name": self.name, "number": self.number}


class Location(NamedTuple):
    """Where in the dialplan."""

    context: str
    exten: str
    priority: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What the last published snapshot of a channel said. Events that are no change of the channel show this one."""

    state: str
    location: Location
    app_name: str
    app_data: str
    caller: Party
    connected: Party


class Channel:
    """Everything here belongs to the event loop, except `leg`, which belongs to the media threads."""

    def __init__(self, exchange: Exchange, channel_id: str, name: str, leg: Leg) -> None:
        self.exchange = exchange
        self.id = channel_id
        self.name = name
        self.leg = leg
        self.state = "Down"
        self.protocol_id = ""
        self.caller = Party()
        self.connected = Party()
        self.location = Location("default", "s", 1)
        self.app_name = ""
        self.app_data = ""
        self.next_location: Location | None = None
        self.created = exchange.now()
        self.variables: dict[str, str] = {}
        self.reported_variables: set[str] = set()
        self.hangup_cause = 0
        self.tech_cause: int | None = None
        self.has_pbx = False
        self.session: Session | None = None
        self.bridge: Bridge | None = None
        self.phone: Phone | None = None
        self.other_half: Channel | None = None
        self.music: Player | None = None
        self.absorbs_dtmf = False
        self.muted_for_bridge = False
        self.recording = False
        self.music_class = ""
        self.dialled = ""
        self.on_digit: Callable[[str], None] | None = None
        self.on_progress: Callable[[str], None] | None = None
        self.hung_up = asyncio.Event()
        self.answered = asyncio.Event()
        self.gone = asyncio.Event()
        self.thawed = asyncio.Event()
        self.thawed.set()
        self._shown: Shown | None = None

    @property
    def native_format(self) -> str:
        """As CHANNEL(audionativeformat) has it: a telephone here speaks mu-law, or 16 kHz linear if it is wideband."""
        if self.phone is not None:
            return "ulaw" if self.leg.form.rate == 8000 else "slin16"
        return self.leg.form.name

    @property
    def driver(self) -> str:
        return self.name.partition("/")[0]

    def json(self) -> Event:
        snapshot = self._shown or self._snapshot()
        shown: Event = {
            "id": self.id,
            "name": self.name,
            "state": snapshot.state,
            "protocol_id": self.protocol_id,
            "caller": snapshot.caller.json(),
            "connected": snapshot.connected.json(),
            "accountcode": "",
            "dialplan": {
                "context": snapshot.location.context,
                "exten": snapshot.location.exten,
                "priority": snapshot.location.priority,
                "app_name": snapshot.app_name,
                "app_data": snapshot.app_data,
            },
            "creationtime": self.created,
            "language": "en",
        }
        if self.reported_variables:
            shown["channelvars"] = {name: self.variables.get(name, "") for name in sorted(self.reported_variables)}
        return shown

    def publish(self, kind: str, **fields: Any) -> None:
        """An event about this channel, to every application that follows it."""
        self.exchange.publish(CHANNEL, self.id, self.event(kind, **fields))

    def event(self, kind: str, **fields: Any) -> Event:
        return {**fields, "type": kind, "timestamp": self.exchange.now(), "channel": self.json()}

    def _snapshot(self) -> Shown:
        return Shown(self.state, self.location, self.app_name, self.app_data, self.caller, self.connected)

    def publish_changes(self) -> None:
        new = self._snapshot()
        old, self._shown = self._shown, new
        if old is None:
            self.publish("ChannelCreated")
            return
        if new.state != old.state:
            self.publish("ChannelStateChange")
        if new.app_name and (not old.app_name or new.location != old.location):
            self.publish("ChannelDialplan", dialplan_app=self.app_name, dialplan_app_data=self.app_data)
        if new.caller != old.caller:
            self.publish(
                "ChannelCallerId", caller_presentation=0, caller_presentation_txt="Presentation Allowed, Not Screened"
            )
        if new.connected != old.connected:
            self.publish("ChannelConnectedLine")

    def set_variable(self, name: str, value: str | None, shown_as: str = "") -> None:
        """Sets or (None) removes a variable and says so; removing what is not there is silent.

        shown_as: its name with the underscores of inheritance, which only the event shows
        """
        if value is None:
            if self.variables.pop(name, None) is None:
                return
        else:
            self.variables[name] = value
        self.publish("ChannelVarset", variable=shown_as or name, value=value or "")

    def set_bridge_peer(self, peer: str | None, call: str | None) -> None:
        self.set_variable("BRIDGEPEER", peer)
        self.set_variable("BRIDGEPVTCALLID", call)

    def connected_to(self, party: Party) -> None:
        """The line at the other end has made itself known.

        A half of a Local channel passes it on: it is the caller of the other half, which shows it with its next
        change. A line that says nothing of itself takes away what was known of the one before (recordings).
        """
        if party == self.connected:
            return
        self.connected = party
        if self.other_half is not None:
            self.other_half.caller = party
        self.publish_changes()

    def indicate(self, status: str) -> None:
        """Ringing, early sound, busy or congestion, as a dialplan tells it to whoever calls.

        A phone shows it, the other half of a Local channel passes it on to who has dialled it.
        """
        if self.phone is not None:
            self.phone.was_told(status)
        if self.other_half is not None and self.other_half.on_progress is not None:
            self.other_half.on_progress(status)

    def answer(self) -> None:
        """The far end is answered; a phone starts to send sound, the other half of a Local channel is up too."""
        if self.state == "Up":
            return
        self.state = "Up"
        self.publish_changes()
        if self.phone is not None:
            self.phone.was_answered()
        self.answered.set()
        if self.other_half is not None and not self.other_half.answered.is_set():
            self.other_half.answered.set()

    def leaves_bridge_because(self, cause: int = NORMAL_CLEARING) -> None:
        """Leaving a bridge leaves a cause behind, if none was set; it shows in the next ChannelHangupRequest."""
        if self.hangup_cause == 0:
            self.hangup_cause = cause

    def destroyed_event(self) -> Event:
        self._shown = self._snapshot()
        fields: Event = {"cause": self.hangup_cause, "cause_txt": cause_text(self.hangup_cause)}
        tech_cause = self.tech_cause
        if tech_cause is None and self.driver == "PJSIP":
            tech_cause = SIP_STATUS.get(self.hangup_cause)
        if tech_cause is not None:
            fields["tech_cause"] = tech_cause
        return self.event("ChannelDestroyed", **fields)

    async def until_hangup(self, event: asyncio.Event, seconds: float | None = None) -> None:
        """Waits for the event, the time or the channel's end, whichever is first."""
        waiting = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.hung_up.wait())]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()

    def stop_music(self) -> None:
        if self.music is not None:
            with self.exchange.plane.lock:
                self.music.stop()
            self.music = None
