"""Channels that the stand-in makes itself: callers, and what ARI originates.

technology    dial string                          what answers
AudioSocket   host:port/uuid[/c(format)]           the agent, by accepting a TCP connection
WebSocket     INCOMING[/options]                   the agent, by connecting to /media/<connection id>
UnicastRTP    host:port/c(format)                  at once, nobody is asked
Local         extension@context[/n]                the dialplan
PJSIP         endpoint                             a registered Phone, when somebody picks it up
"""

from __future__ import annotations

import asyncio
import re
import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.asterisk.application import CHANNEL, Event
from bench.asterisk.causes import NO_ANSWER, REFUSAL, SIP_STATUS, dial_status
from bench.asterisk.channel import Channel, Location, Party
from bench.asterisk.dialplan import run_call, run_stasis
from bench.asterisk.dialplan import run_dialplan as run_lines
from bench.asterisk.lines import location_of
from bench.asterisk.media.audiosocket import AudioSocketLeg, Ending, Link, connect
from bench.asterisk.media.formats import FORMATS, Format
from bench.asterisk.media.handset import HandsetLeg
from bench.asterisk.media.leg import local_pair
from bench.asterisk.media.lending import LentLink
from bench.asterisk.media.rtp import RtpLeg
from bench.asterisk.media.websocket import Hangup, Options, WebSocketLeg
from bench.asterisk.phone import Endpoint, Phone

if TYPE_CHECKING:
    from bench.asterisk.exchange import Exchange

# The reply to an originate is out this much before the channel is in Stasis. In Asterisk both happen in different
# threads; an agent that adds the channel to a bridge right after the reply is to meet its 422 here.
DIAL_DELAY_S = 0.003
NOBODY = Party()
CODEC_OPTION = re.compile(r"c\((\w+)\)")
JSON_OPTION = re.compile(r"f\(json\)")
DIRECTION_OPTION = re.compile(r"d\((both|in|out)\)")
ALONE_OPTION = re.compile(r"\([^)]*\)")


class Unobtainable(Exception):
    """No channel can be made of this: ARI says 500, "Allocation failed"."""


class Ambiguous(Exception):
    """Asterisk would make something of it, but hardly what was meant; or it is out of the stand-in's bounds."""


@dataclass(frozen=True)
class Originate:
    """What to call and what to do with it.

    endpoint:   technology/dial string
    form:       the first of the requested formats, None if none was named
    other_id:   id for the second half of a Local channel
    caller:     shown to whom we call
    timeout_s:  how long it may ring; None for ever
    """

    endpoint: str
    form: Format | None = None
    channel_id: str = ""
    other_id: str = ""
    caller: Party = NOBODY
    timeout_s: float | None = 30.0


async def request(exchange: Exchange, wanted: Originate) -> Channel:
    """Makes the channel, in state Down; raises Unobtainable. Connecting AudioSocket may take up to 2 s."""
    technology, _, target = wanted.endpoint.partition("/")
    if not exchange.release.has_technology(technology):
        raise Unobtainable(f"the module of {technology} is not loaded")
    if technology == "AudioSocket":
        channel = await _audiosocket(exchange, target, wanted)
    elif technology == "UnicastRTP":
        channel = _unicast_rtp(exchange, target, wanted)
    elif technology == "WebSocket":
        channel = _websocket(exchange, target, wanted)
    elif technology == "Local":
        channel = _local(exchange, target, wanted)
    elif technology == "PJSIP":
        channel = _phone(exchange, target, wanted)
    else:
        raise Unobtainable(f"no channel type {technology!r}")
    channel.app_name, channel.app_data = "AppDial2", "(Outgoing Line)"
    channel.caller = channel.connected = wanted.caller
    for new in (channel.other_half, channel):
        if new is not None:
            new.publish_changes()
    return channel


async def _audiosocket(exchange: Exchange, target: str, wanted: Originate) -> Channel:
    server, _, rest = target.partition("/")
    identity, _, options = rest.partition("/")
    option = CODEC_OPTION.search(options)
    form = FORMATS.get(option[1]) if option else wanted.form
    try:
        call = uuid.UUID(identity)
    except ValueError as error:
        raise Unobtainable(f"AudioSocket: {identity!r} is no UUID") from error
    if option and form is None:
        raise Unobtainable(f"AudioSocket: unknown format {option[1]!r}")
    if form is None:
        # Asterisk would take whatever format it knows first and send its bytes as if they were linear.
        raise Ambiguous("an AudioSocket endpoint needs 'formats' or the option c(), as c(slin)")
    sock = await connect(server)
    if sock is None:
        raise Unobtainable(f"AudioSocket: no connection to {server}")
    studio = exchange.studio
    link = LentLink(exchange.plane, sock, studio) if studio else Link(exchange.plane, sock, lambda frame: None)
    channel = exchange.add_channel(f"AudioSocket/{server}-{identity}", AudioSocketLeg(form, link), wanted.channel_id)
    # Not announced: the variables are set before anybody follows the channel.
    channel.variables |= {"AUDIOSOCKET_SERVICE": server, "AUDIOSOCKET_UUID": str(call)}
    link.suit(exchange.release)
    exchange.media_connected(channel.id)
    link.ended = lambda ending: exchange.plane.notify(lambda: _agent_gone(exchange, channel, ending))
    link.froze = lambda frozen: exchange.plane.notify(channel.thawed.clear if frozen else channel.thawed.set)
    return channel


def _agent_gone(exchange: Exchange, channel: Channel, ending: Ending) -> None:
    """Terminate, close and every error alike end the channel at once, without a ChannelHangupRequest (recordings)."""
    if not channel.gone.is_set():
        exchange.far_end_gone(channel)


def _unicast_rtp(exchange: Exchange, target: str, wanted: Originate) -> Channel:
    address, _, options = target.partition("/")
    host, _, port = address.rpartition(":")
    option = CODEC_OPTION.search(options)
    form = FORMATS.get(option[1]) if option else wanted.form
    if form is None or not host or not port.isdigit():
        raise Unobtainable("UnicastRTP: needs host:port and a known format")
    try:
        leg = RtpLeg(exchange.plane, form, (host, int(port)), exchange.rtp_weather)
    except OSError as error:
        raise Unobtainable(f"UnicastRTP: {error}") from error
    except ValueError as error:
        raise Ambiguous(str(error)) from error
    name = f"UnicastRTP/{address}-0x7f{secrets.token_hex(5)}"
    channel = exchange.add_channel(name, leg, wanted.channel_id)
    local_host, local_port = leg.local
    channel.variables |= {"UNICASTRTP_LOCAL_PORT": str(local_port), "UNICASTRTP_LOCAL_ADDRESS": local_host}
    return channel


def _websocket(exchange: Exchange, target: str, wanted: Originate) -> Channel:
    """Only the kind that the agent connects to: clients are set up in a file of Asterisk's."""
    section, _, text = target.partition("/")
    option = CODEC_OPTION.search(text)
    form = FORMATS.get(option[1]) if option else wanted.form
    if section != "INCOMING" or form is None:
        raise Unobtainable("WebSocket: needs INCOMING and a known format")
    directions = DIRECTION_OPTION.findall(text)
    as_json = JSON_OPTION.search(text) is not None and exchange.release.has("control as json")
    options = Options("n" not in ALONE_OPTION.sub("", text), as_json, directions[-1] if directions else "both")
    connection = str(uuid.uuid4())
    leg = WebSocketLeg(exchange.plane, form, connection, options, exchange.release.features)
    channel = exchange.add_channel(f"WebSocket/INCOMING/0x7f{secrets.token_hex(5)}", leg, wanted.channel_id)
    exchange.media_connections[connection] = leg
    channel.variables |= {
        "MEDIA_WEBSOCKET_CONNECTION_ID": connection,
        "MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE": str(leg.frame_bytes),
    }
    leg.channel_name, leg.channel_id, leg.variables = channel.name, channel.id, lambda: dict(channel.variables)
    leg.answered = lambda: exchange.plane.notify(channel.answered.set)
    leg.hung_up = lambda hangup: exchange.plane.notify(lambda: _websocket_gone(exchange, channel, hangup))
    return channel


def _websocket_gone(exchange: Exchange, channel: Channel, hangup: Hangup) -> None:
    if not channel.gone.is_set():
        channel.tech_cause = hangup.code
        exchange.request_hangup(channel, cause=hangup.cause, tech_cause=hangup.code)


def _local(exchange: Exchange, target: str, wanted: Originate) -> Channel:
    exten, separator, rest = target.partition("@")
    context = rest.partition("/")[0] if separator else "default"
    if not exten:
        raise Unobtainable("Local: needs extension@context")
    name = f"Local/{exten}@{context}-{exchange.count('local'):08x}"
    legs = local_pair(wanted.form or FORMATS["slin"])
    one = exchange.add_channel(f"{name};1", legs[0], wanted.channel_id)
    other_id = wanted.other_id or (f"{wanted.channel_id};2" if wanted.channel_id else "")
    two = exchange.add_channel(f"{name};2", legs[1], other_id)
    one.other_half, two.other_half = two, one
    one.location = two.location = Location(context, exten, 1)
    two.state = "Ring"
    two.caller = two.connected = wanted.caller
    return one


def _phone(exchange: Exchange, target: str, wanted: Originate) -> Channel:
    endpoint = exchange.endpoints.get(target)
    if endpoint is None or not endpoint.takes_calls:
        raise Unobtainable(f"PJSIP: nobody is registered as {target!r}")
    channel, _ = make_phone(exchange, endpoint, wanted.channel_id)
    channel.location = Location(endpoint.context, "s", 1)
    # A call from Asterisk has a Call-ID of Asterisk's own making (recordings).
    channel.protocol_id = str(uuid.uuid4())
    return channel


def make_phone(exchange: Exchange, endpoint: Endpoint, channel_id: str = "", **options: bool) -> tuple[Channel, Phone]:
    """A channel with a telephone at its end. Options: `coded` (mu-law between phone and bridge), `keep_sound`."""
    form = FORMATS["slin16"] if endpoint.wideband else FORMATS["slin"]
    leg = HandsetLeg(exchange.plane.clock, form, options.get("coded", True), options.get("keep_sound", True))
    leg.has_microphone = exchange.studio is None
    name = f"PJSIP/{endpoint.name}-{exchange.count('pjsip'):08x}"
    channel = exchange.add_channel(name, leg, channel_id)
    channel.protocol_id = secrets.token_hex(8)
    channel.phone = Phone(exchange, channel, leg)
    return channel, channel.phone


def call_in(exchange: Exchange, channel: Channel, location: Location, caller: Party) -> None:
    """A phone calls: the channel enters the dialplan."""
    channel.state = "Ring"
    channel.location = location
    channel.dialled = location.exten
    channel.caller = caller
    channel.publish_changes()
    exchange.run(run_call(exchange, channel))


def follow(exchange: Exchange, application_name: str, channel: Channel) -> None:
    """The application that originates follows the channel from now on, and both halves of a Local one."""
    application = exchange.applications.get(application_name)
    if application is not None:
        for half in (channel, channel.other_half):
            if half is not None:
                application.subscribe(CHANNEL, half.id)


class Dialer:
    """Calls an originated channel and brings it where it belongs: into Stasis, or into the dialplan.

    application: its name and arguments joined by commas; empty = the dialplan at `location`
    """

    def __init__(self, exchange: Exchange, channel: Channel, wanted: Originate, application: str) -> None:
        self._exchange = exchange
        self._channel = channel
        self._wanted = wanted
        self._application = application
        self.location: Location | None = None
        self._refused = False

    async def run(self) -> None:
        channel = self._channel
        await asyncio.sleep(DIAL_DELAY_S)
        try:
            if channel.hung_up.is_set() or not self._call():
                return
            self._publish_dial("")
            if await self._answered():
                channel.answer()
                self._publish_dial("ANSWER")
                await self._go_on()
        finally:
            self._exchange.destroy(channel)

    def _call(self) -> bool:
        """Tells the far end; False if it cannot be reached after all."""
        channel, plane = self._channel, self._exchange.plane
        if isinstance(channel.leg, AudioSocketLeg):
            with plane.lock:
                channel.leg.link.introduce(uuid.UUID(channel.variables["AUDIOSOCKET_UUID"]))
        two = channel.other_half
        if two is not None:
            if location_of(self._exchange.dialplan, two.location) is None:
                two.other_half = channel.other_half = None
                self._exchange.destroy(two)
                return False
            self._exchange.run(run_call(self._exchange, two))
        return True

    async def _answered(self) -> bool:
        channel = self._channel
        if channel.phone is not None:
            return await self._phone_answered(channel.phone)
        if channel.other_half is not None or isinstance(channel.leg, WebSocketLeg):
            channel.on_progress = self._progress
            await channel.until_hangup(channel.answered, self._wanted.timeout_s)
            channel.on_progress = None
            if not channel.answered.is_set():
                if not self._refused:
                    self._not_answered()
                return False
        return not channel.hung_up.is_set()

    def _progress(self, status: str) -> None:
        """What the other half of a Local channel tells before it is answered. Another thread of Asterisk's makes a Dial
        event of it: a moment later, when the dialplan there has gone on (recordings)."""
        channel = self._channel
        if status == "RINGING":
            channel.state = "Ringing"
            channel.publish_changes()
            asyncio.get_running_loop().call_soon(self._publish_dial, status)
            return
        self._publish_dial(status)
        if status in ("BUSY", "CONGESTION"):
            self._refused = True
            self._exchange.far_end_gone(channel)

    async def _phone_answered(self, phone: Phone) -> bool:
        """Ringing, then what the person does. In Asterisk the state and the first RINGING race (recordings)."""
        channel = self._channel
        endpoint = self._exchange.endpoints[channel.name.removeprefix("PJSIP/").rpartition("-")[0]]
        refusal = endpoint.refuses_with
        if not refusal:
            endpoint.calls.put_nowait(phone)
            self._publish_dial("RINGING")
            channel.state = "Ringing"
            channel.publish_changes()
            decision = await phone.decision(self._wanted.timeout_s)
            if decision == 0 and not channel.hung_up.is_set():
                return True
            refusal = decision or 0
        if not channel.hung_up.is_set() and refusal:
            channel.hangup_cause = refusal
            channel.tech_cause = REFUSAL.get(refusal, SIP_STATUS.get(refusal))
            tech = {} if channel.tech_cause is None else {"tech_cause": channel.tech_cause}
            self._exchange.request_hangup(channel, cause=refusal, **tech)
            self._publish_dial(dial_status(refusal))
            return False
        self._not_answered()
        return False

    def _not_answered(self) -> None:
        """Hung up meanwhile, which a last Dial event tells; or given up in time, which none tells (recordings)."""
        channel = self._channel
        if channel.hung_up.is_set():
            self._publish_dial(dial_status(channel.hangup_cause))
            return
        channel.hangup_cause = NO_ANSWER

    async def _go_on(self) -> None:
        channel = self._channel
        if not self._application:
            channel.next_location = self.location
            channel.app_name = channel.app_data = ""
            await run_lines(channel)
            return
        around = (channel.app_name, channel.app_data)
        channel.app_name, channel.app_data = "Stasis", self._application
        channel.publish_changes()
        name, *arguments = self._application.split(",")
        await run_stasis(channel, name, arguments)
        channel.app_name, channel.app_data = around

    def _publish_dial(self, status: str) -> None:
        event: Event = {
            "type": "Dial",
            "timestamp": self._exchange.now(),
            "dialstatus": status,
            "forward": "",
            "dialstring": self._wanted.endpoint.partition("/")[2],
            "peer": self._channel.json(),
        }
        self._exchange.publish(CHANNEL, self._channel.id, event)
