"""The switch itself: everything that exists in the stand-in, by name, and how it ends.

It knows nothing of HTTP. ARI, dialplan and phones act on it; it acts on them only through events and through the
channel objects that they hold.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.asterisk.application import BRIDGE, CHANNEL, DEVICE, Application, Event, Kind
from bench.asterisk.bridge import Attendant, Bridge
from bench.asterisk.causes import NORMAL_CLEARING
from bench.asterisk.channel import Channel
from bench.asterisk.faults import Faults
from bench.asterisk.media.formats import FORMATS, Format
from bench.asterisk.media.handset import HandsetLeg
from bench.asterisk.media.leg import Leg, SpeakerLeg
from bench.asterisk.media.lending import Studio
from bench.asterisk.media.plane import Plane
from bench.asterisk.media.websocket import WebSocketLeg
from bench.asterisk.release import Release
from bench.asterisk.sounds import Sounds

if TYPE_CHECKING:
    from bench.asterisk.lines import Dialplan
    from bench.asterisk.media.weather import Weather
    from bench.asterisk.phone import Endpoint
    from bench.asterisk.playback import BridgePlayer, Playback
    from bench.asterisk.recording import LiveRecording, StoredRecording

# `ast_softhangup` reasons, which ChannelHangupRequest shows as `cause` beside `soft: true`.
SOFT_BY_PBX = 16
SOFT_BY_ARI = 32
# The figures stand for the real ones, which nobody but a person reads; names and order are those of the recordings.
RTP_STATISTICS = (
    ("", "ssrc={ssrc};themssrc={theirs};lp=0;rxjitter=0.000000;rxcount={rx};txjitter=0.000000;txcount={tx}"
         ";rlp=0;rtt=0.000000;rxmes=88.087887;txmes=88.087887"),
    ("JITTER", "minrxjitter=000.000000;maxrxjitter=000.000000;avgrxjitter=000.000000;stdevrxjitter=000.000000"
               ";mintxjitter=000.000000;maxtxjitter=000.000000;avgtxjitter=000.000000;stdevtxjitter=000.000000;"),
    ("LOSS", "  minrxlost=000.000000;  maxrxlost=000.000000;  avgrxlost=000.000000;  stdevrxlost=000.000000"
             ";  mintxlost=000.000000;  maxtxlost=000.000000;  avgtxlost=000.000000;  stdevtxlost=000.000000;"),
    ("RTT", "     minrtt=000.000000;     maxrtt=000.000000;     avgrtt=000.000000;     stdevrtt=000.000000;"),
    ("MES", "   minrxmes=088.087887;   maxrxmes=088.087887;   avgrxmes=088.087887;   stdevrxmes=000.000000"
            ";   mintxmes=088.087887;   maxtxmes=088.087887;   avgtxmes=088.087887;   stdevtxmes=000.000000;"),
)  # fmt: skip


class Watcher(Protocol):
    """Whoever measures: is told of every request, and of every channel that enters an application. Times are monotonic
    ns."""

    def request(self, method: str, path: str, query: dict[str, str], received_ns: int, answered_ns: int) -> None:
        """path: without the `/ari/` before it."""

    def entered(self, channel_id: str, sent_ns: int) -> None:
        """Its StasisStart has been sent."""


class Exchange:
    def __init__(
        self,
        dialplan: Dialplan,
        asterisk_id: str,
        sounds: Mapping[str, bytes | Path],
        studio: Studio | None = None,
        release: Release | None = None,
    ) -> None:
        self.dialplan = dialplan
        self.release = release or Release()
        self.faults: Faults | None = None
        self.asterisk_id = asterisk_id
        self.sounds = Sounds(sounds)
        self.plane = Plane()
        self.studio = studio
        self.globals: dict[str, str] = {}
        self.applications: dict[str, Application] = {}
        self.channels: dict[str, Channel] = {}
        # Ids of channels that are just being made.
        self.coming: set[str] = set()
        self.bridges: dict[str, Bridge] = {}
        self.bridge_players: dict[str, BridgePlayer] = {}
        self.playbacks: dict[str, Playback] = {}
        self.live_recordings: dict[str, LiveRecording] = {}
        self.stored_recordings: dict[str, StoredRecording] = {}
        self.endpoints: dict[str, Endpoint] = {}
        # By MEDIA_WEBSOCKET_CONNECTION_ID: the chan_websocket channels that an agent may connect to.
        self.media_connections: dict[str, WebSocketLeg] = {}
        self.device_states: dict[str, str] = {}
        # extension@context -> the device whose state EXTENSION_STATE tells.
        self.hints: Mapping[str, str] = {}
        self.mailboxes: dict[str, list[StoredRecording]] = {}
        self.rtp_weather: Weather | None = None
        self.started = self.now()
        self._serial = 0
        self._counters: dict[str, int] = {}
        self._tasks: set[asyncio.Future[Any]] = set()

    # -- names and times --------------------------------------------------------------------------------------------

    def now(self) -> str:
        """ISO 8601 with milliseconds and offset, as ARI writes it."""
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")

    def next_channel_id(self) -> str:
        self._serial += 1
        return f"{int(time.time())}.{self._serial - 1}"

    def count(self, what: str) -> int:
        self._counters[what] = self._counters.get(what, -1) + 1
        return self._counters[what]

    def keep(self, future: asyncio.Future[Any]) -> None:
        """Holds a task until it is done; the event loop itself holds it only weakly."""
        self._tasks.add(future)
        future.add_done_callback(self._let_go)

    def _let_go(self, future: asyncio.Future[Any]) -> None:
        self._tasks.discard(future)
        error = None if future.cancelled() else future.exception()
        if error is not None:
            # A fault of the stand-in itself: it must not look like one of the agent.
            context = {"message": "the stand-in Asterisk failed", "exception": error, "future": future}
            future.get_loop().call_exception_handler(context)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.keep(asyncio.ensure_future(work))

    # -- watching ---------------------------------------------------------------------------------------------------

    watcher: Watcher | None = None

    # -- events -----------------------------------------------------------------------------------------------------

    def publish(self, kind: Kind, key: str, event: Event) -> None:
        """To every application that follows it; what is destroyed is followed no longer."""
        for application in tuple(self.applications.values()):
            if application.follows(kind, key):
                application.send(event)
            if event["type"] in ("ChannelDestroyed", "BridgeDestroyed"):
                application.unsubscribe(kind, key, completely=True)
                self.forget(application)

    def forget(self, application: Application) -> None:
        if application.finished:
            self.applications.pop(application.name, None)

    # -- channels ---------------------------------------------------------------------------------------------------

    def channel(self, name_or_id: str) -> Channel | None:
        found = self.channels.get(name_or_id)
        if found is None:
            found = next((channel for channel in self.channels.values() if channel.name == name_or_id), None)
        return found

    def add_channel(self, name: str, leg: Leg, channel_id: str = "") -> Channel:
        """A new channel, in no state yet; the caller completes it and then publishes its first snapshot."""
        own = self.next_channel_id()
        channel = Channel(self, channel_id or own, name, leg)
        self.channels[channel.id] = channel
        return channel

    # -- media legs -------------------------------------------------------------------------------------------------

    def media_connected(self, channel_id: str) -> None:
        """An agent's media connection has come: a plan of faults may have it break after a while."""
        seconds = None if self.faults is None else self.faults.media(channel_id)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self.drop_media, channel_id)

    def drop_media(self, channel_id: str) -> bool:
        """Breaks the media connection of that channel now; False if it has none."""
        channel = self.channels.get(channel_id)
        if channel is None:
            return False
        with self.plane.lock:
            return channel.leg.drop()

    def request_hangup(self, channel: Channel, **fields: Any) -> None:
        """The channel is asked to end: says so, leaves Stasis; whoever runs it does the rest. Once per channel."""
        if channel.hung_up.is_set():
            return
        channel.publish("ChannelHangupRequest", **fields)
        self.far_end_gone(channel)

    def far_end_gone(self, channel: Channel) -> None:
        """There is nothing left to read from the channel."""
        channel.hung_up.set()
        if channel.phone is not None:
            channel.phone.reject(channel.hangup_cause or NORMAL_CLEARING)
        if channel.session is not None:
            channel.session.end()

    def phone_hung_up(self, channel: Channel) -> None:
        """A BYE from the phone."""
        if channel.hung_up.is_set():
            return
        self.publish_rtp_statistics(channel)
        cause = {"cause": channel.hangup_cause} if channel.hangup_cause else {}
        self.request_hangup(channel, **cause)

    def destroy(self, channel: Channel) -> None:
        """The end of a channel; its other half, if it has one, is asked to follow."""
        if channel.gone.is_set():
            return
        with self.plane.lock:
            channel.leg.close()
            if isinstance(channel.leg, WebSocketLeg):
                self.media_connections.pop(channel.leg.connection, None)
        channel.hung_up.set()
        other, channel.other_half = channel.other_half, None
        if other is not None and not other.gone.is_set():
            other.other_half = None
            if other.state != "Up":
                # One that was answered does not take the cause over (recordings).
                other.hangup_cause = other.hangup_cause or channel.hangup_cause
            self.request_hangup(other, cause=channel.hangup_cause)
        self.publish(CHANNEL, channel.id, channel.destroyed_event())
        del self.channels[channel.id]
        channel.gone.set()
        if channel.phone is not None:
            channel.phone.was_hung_up(channel.hangup_cause)

    def publish_rtp_statistics(self, channel: Channel) -> None:
        """The RTPAUDIOQOS variables of an answered SIP channel, each also for the peer in a two-party bridge."""
        leg = channel.leg
        if not isinstance(leg, HandsetLeg) or channel.state != "Up":
            return
        peer = None
        if channel.bridge is not None and len(channel.bridge.members) == 2:
            peer = next((member for member in channel.bridge.channels if member is not channel), None)
        figures = {"ssrc": random.getrandbits(32), "theirs": random.getrandbits(32)}
        figures |= {"rx": len(leg.log.sent), "tx": len(leg.log.heard)}
        for suffix, text in RTP_STATISTICS:
            value = text.format(**figures)
            channel.set_variable(f"RTPAUDIOQOS{suffix}", value)
            if peer is not None:
                peer.set_variable(f"RTPAUDIOQOS{suffix}BRIDGED", value)

    def phone_held(self, channel: Channel, held: bool) -> None:
        """A telephone puts the call on hold, or takes it back. The bridge is looked at anew, which its members'
        variables show (recordings)."""
        if channel.hung_up.is_set():
            return
        if channel.bridge is not None:
            channel.bridge.tell_peers()
        if held:
            channel.publish("ChannelHold", musicclass="default")
        else:
            channel.publish("ChannelUnhold")

    def digit_received(self, channel: Channel, digit: str, duration_ms: int) -> None:
        """A key was pressed and released at the far end; the bridge passes it on unless it is to be absorbed."""
        channel.publish("ChannelDtmfReceived", digit=digit, duration_ms=duration_ms)
        if channel.on_digit is not None:
            channel.on_digit(digit)
        if channel.bridge is None or channel.absorbs_dtmf:
            return
        with self.plane.lock:
            for member in channel.bridge.members:
                if member is not channel:
                    member.leg.digit(digit, duration_ms / 1000)

    # -- bridges ----------------------------------------------------------------------------------------------------

    def add_bridge(self, bridge_id: str, name: str, holding: bool) -> Bridge:
        bridge = Bridge(self, bridge_id or str(uuid.uuid4()), name, holding)
        self.bridges[bridge.id] = bridge
        bridge.publish("BridgeCreated")
        return bridge

    # -- devices ----------------------------------------------------------------------------------------------------

    def device_state(self, name: str) -> str:
        """Of a phone, a Local extension or what ARI has set; as the recordings and Asterisk's own rules have it."""
        technology, _, rest = name.partition("/")
        if technology == "PJSIP":
            station = self.endpoints.get(rest)
            if station is None:
                return "INVALID"
            states = [channel.state for channel in self.channels.values() if channel.name.startswith(f"{name}-")]
            if "Ringing" in states:
                return "RINGING" if set(states) == {"Ringing"} else "RINGINUSE"
            return station.state or ("INUSE" if states else "NOT_INUSE")
        if technology == "Local":
            return "NOT_INUSE"
        return self.device_states.get(name, "UNKNOWN")

    def set_device_state(self, name: str, state: str) -> None:
        self.device_states[name] = state
        event = {"type": "DeviceStateChanged", "timestamp": self.now(), "device_state": {"name": name, "state": state}}
        self.publish(DEVICE, name, event)

    def finish_recordings(self, kind: Kind, key: str) -> None:
        """What was recorded there is over now."""
        for recording in tuple(self.live_recordings.values()):
            if recording.target == (kind, key):
                recording.stop()

    def destroy_bridge(self, bridge: Bridge) -> None:
        members = bridge.channels
        player = self.bridge_players.get(bridge.id)
        if player is not None:
            player.give_up()
        bridge.stop_music()
        recorded = any(recording.target == (BRIDGE, bridge.id) for recording in self.live_recordings.values())
        bridge.dissolve()
        self.finish_recordings(BRIDGE, bridge.id)
        if not recorded:
            bridge.publish("BridgeDestroyed")
        del self.bridges[bridge.id]
        for channel in members:
            if channel.session is not None:
                channel.session.forget_bridge(bridge)
        if recorded:
            # The recorder is the last to leave; by then the channels' applications have let go of the bridge, and who
            # followed it for them alone does not hear of its end (recordings).
            bridge.publish("BridgeDestroyed")

    def add_attendant(self, kind: str, leg: Leg) -> Attendant:
        """An announcer or a recorder: a pair of channels in Asterisk, of which one joins the bridge.

        kind: "Announcer/ARI", "Announcer/ARI_MOH" or "Recorder/ARI"
        """
        self.next_channel_id()
        return Attendant(self.next_channel_id(), f"{kind}-{self.count('attendant'):08x};2", leg)

    def speaker(self, form: Format | None = None) -> SpeakerLeg:
        return SpeakerLeg(form or FORMATS["slin"])

    # -- the end ----------------------------------------------------------------------------------------------------

    def abandon(self) -> None:
        """Asterisk is gone: no events, no goodbyes, every socket closed, every phone hears nothing more."""
        for future in tuple(self._tasks):
            future.cancel()
        with self.plane.lock:
            for channel in self.channels.values():
                channel.leg.close()
        for channel in tuple(self.channels.values()):
            channel.hung_up.set()
            channel.gone.set()
            if channel.phone is not None:
                channel.phone.was_hung_up(None)
        for holding in (self.applications, self.channels, self.bridges, self.bridge_players, self.playbacks):
            holding.clear()
        self.live_recordings.clear()
        self.media_connections.clear()
