"""ARI operations on channels. Messages and checks as in Asterisk; sources: recordings, protocol document."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from bench.asterisk.ari.operations import operation
from bench.asterisk.ari.request import Refusal, Reply, Request, allocation_failed
from bench.asterisk.causes import NORMAL_CLEARING, REASONS
from bench.asterisk.channel import Channel, Location, Party
from bench.asterisk.dialing import Ambiguous, Dialer, Originate, Unobtainable, follow, request
from bench.asterisk.exchange import SOFT_BY_ARI
from bench.asterisk.lines import labelled
from bench.asterisk.media.formats import FORMATS, KNOWN_ELSEWHERE, Format
from bench.asterisk.media.leg import Player
from bench.asterisk.session import Session
from bench.asterisk.sounds import Source, music, quiet

MAX_ID = 149
CALLER_ID = re.compile(r'^\s*(?:"?([^"<]*?)"?\s*)?<([^>]*)>\s*$')
UNANSWERED_OUTBOUND = ("Down", "Rsrvd", "Ringing")


# -- finding --------------------------------------------------------------------------------------------------------


def find_channel(call: Request) -> Channel:
    channel = call.exchange.channel(call.path["channelId"])
    if channel is None:
        raise Refusal(404, "Channel not found")
    return channel


async def find_session(call: Request, in_any_state: bool = False) -> tuple[Channel, Session]:
    """A channel in Stasis, and not one that we call and nobody has answered yet. Waits while the channel is frozen."""
    channel = find_channel(call)
    await channel.thawed.wait()
    if channel.session is None:
        raise Refusal(409, "Channel not in Stasis application")
    if channel.state in UNANSWERED_OUTBOUND and not in_any_state:
        raise Refusal(412, "Channel in invalid state")
    return channel, channel.session


@operation("GET", "/channels")
async def list_channels(call: Request) -> Reply:
    return Reply(200, [channel.json() for channel in call.exchange.channels.values()])


@operation("GET", "/channels/{channelId}")
async def get_channel(call: Request) -> Reply:
    return Reply(200, find_channel(call).json())


# -- making ---------------------------------------------------------------------------------------------------------

ORIGINATE = {
    "endpoint": str,
    "extension": str,
    "context": str,
    "priority": int,
    "label": str,
    "app": str,
    "appArgs": str,
    "callerId": str,
    "timeout": int,
    "channelId": str,
    "otherChannelId": str,
    "originator": str,
    "formats": str,
}
ORIGINATE_WITH_ID = {name: kind for name, kind in ORIGINATE.items() if name != "channelId"}


@operation("POST", "/channels", ORIGINATE, variables=True)
async def originate(call: Request) -> Reply:
    return Reply(200, (await start_originate(call, call.text("channelId"))).json())


@operation("POST", "/channels/{channelId}", ORIGINATE_WITH_ID, variables=True)
async def originate_with_id(call: Request) -> Reply:
    return Reply(200, (await start_originate(call, call.path["channelId"])).json())


async def start_originate(call: Request, channel_id: str) -> Channel:
    """Checks in Asterisk's order, makes the channel and sends the dialler off."""
    if max(len(channel_id), len(call.text("otherChannelId"))) > MAX_ID:
        raise Refusal(400, f"Uniqueid length exceeds maximum of {MAX_ID}")
    endpoint = call.text("endpoint")
    if not endpoint:
        raise Refusal(400, "Endpoint must be specified")
    if call.text("originator") and call.text("formats"):
        raise Refusal(400, "Originator and formats can't both be specified")
    technology, _, device = endpoint.partition("/")
    if not technology or not device:
        raise Refusal(400, "Invalid endpoint specified")
    application = ",".join(part for part in (call.text("app"), call.text("appArgs")) if part)
    location = None if call.text("app") else destination(call)
    wanted = Originate(
        endpoint=endpoint,
        form=requested_format(call),
        channel_id=channel_id,
        other_id=call.text("otherChannelId"),
        caller=parse_caller_id(call.text("callerId")),
        timeout_s=ringing_time(call.number("timeout", 30)),
    )
    channel = await make_channel(call, wanted)
    follow(call.exchange, call.text("app"), channel)
    dialer = Dialer(call.exchange, channel, wanted, application if call.text("app") else "")
    dialer.location = location
    call.exchange.run(dialer.run())
    return channel


def destination(call: Request) -> Location:
    """Where in the dialplan an originate without an application ends."""
    if not call.text("extension"):
        raise Refusal(400, "Application or extension must be specified")
    context = call.text("context", "default")
    exten = call.text("extension")
    return Location(context, exten, priority_of(call, context, exten) or 1)


def priority_of(call: Request, context: str, exten: str) -> int:
    """From `label` or `priority`; 0 if neither is given."""
    label = call.text("label")
    if not label:
        return call.number("priority")
    priority = labelled(call.exchange.dialplan, context, exten, label)
    if priority == 0 and not label.isdigit():
        raise Refusal(404, "Requested label can not be found")
    if priority == 0:
        raise Refusal(400, "Requested priority is illegal")
    return priority


def requested_format(call: Request) -> Format | None:
    if call.text("originator"):
        channel = call.exchange.channel(call.text("originator"))
        if channel is None:
            raise Refusal(400, "Provided originator channel was not found")
        return channel.leg.form
    names = [name.strip() for name in call.text("formats").split(",") if name.strip()]
    for name in names:
        if name in KNOWN_ELSEWHERE:
            raise Refusal(501, f"stand-in: format {name!r} is not simulated")
        if name not in FORMATS:
            raise Refusal(400, f"Provided format ({name}) was not found")
    return FORMATS[names[0]] if names else None


def parse_caller_id(text: str) -> Party:
    """`"Name" <number>`, `number` or `name`."""
    match = CALLER_ID.match(text)
    if match:
        return Party(match[1] or "", match[2])
    return Party("", text) if text.lstrip("+").isdigit() else Party(text, "")


def ringing_time(seconds: int) -> float | None:
    return None if seconds == -1 else float(seconds) if seconds > 0 else 30.0


async def make_channel(call: Request, wanted: Originate) -> Channel:
    exchange = call.exchange
    ids = {wanted.channel_id, wanted.other_id} - {""}
    if ids & (exchange.channels.keys() | exchange.coming):
        raise Refusal(409, "Channel with given unique ID already exists")
    # Taken from now on: connecting may last, and somebody else may ask for the same id meanwhile.
    exchange.coming |= ids
    try:
        channel = await request(exchange, wanted)
    except Unobtainable as error:
        raise allocation_failed() from error
    except Ambiguous as error:
        raise Refusal(400, f"stand-in: {error}") from error
    finally:
        exchange.coming -= ids
    for name, value in call.variables.items():
        channel.set_variable(name, value)
    channel.reported_variables |= call.reported
    return channel


# -- ending ---------------------------------------------------------------------------------------------------------


@operation("DELETE", "/channels/{channelId}", {"reason": str, "reason_code": str})
async def hang_up(call: Request) -> Reply:
    channel = find_channel(call)
    reason, code = call.text("reason"), call.text("reason_code")
    if reason and code:
        raise Refusal(400, "The reason and reason_code can't both be specified")
    if code and not code.isdigit():
        raise Refusal(400, "Invalid reason for hangup reason code provided")
    if reason and reason not in REASONS:
        raise Refusal(400, "Invalid reason for hangup reason provided")
    await channel.thawed.wait()
    channel.hangup_cause = int(code) if code else REASONS.get(reason, NORMAL_CLEARING)
    call.exchange.publish_rtp_statistics(channel)
    call.exchange.request_hangup(channel, cause=SOFT_BY_ARI, soft=True)
    return Reply()


@operation("POST", "/channels/{channelId}/continue", {"context": str, "extension": str, "priority": int, "label": str})
async def continue_in_dialplan(call: Request) -> Reply:
    channel, session = await find_session(call)
    here = channel.location
    if call.text("context"):
        context, exten = call.text("context"), call.text("extension", "s")
    else:
        context, exten = here.context, call.text("extension", here.exten)
    priority = priority_of(call, context, exten)
    if not priority:
        stays = not call.text("context") and not call.text("extension")
        priority = here.priority + 1 if stays else 1

    def leave() -> None:
        channel.next_location = Location(context, exten, priority)
        session.end()

    session.submit(leave)
    return Reply()


@operation("POST", "/channels/{channelId}/move", {"app": str, "appArgs": str})
async def move(call: Request) -> Reply:
    """To another application; one that nobody listens to fails by an event, and the channel stays where it is."""
    channel, session = await find_session(call, in_any_state=True)
    name, arguments = call.text("app"), [part for part in call.text("appArgs").split(",") if part]
    if not name:
        raise Refusal(400, "Missing parameter app")

    def leave() -> None:
        application = call.exchange.applications.get(name)
        if application is None or not application.active:
            session.application.send(channel.event("ApplicationMoveFailed", destination=name, args=arguments))
        else:
            session.move(application, arguments)

    session.submit(leave)
    return Reply()


@operation("POST", "/channels/{channelId}/redirect", {"endpoint": str})
async def redirect(call: Request) -> Reply:
    channel, session = await find_session(call)
    endpoint = call.text("endpoint")
    if not endpoint:
        raise Refusal(400, "Required parameter 'endpoint' not provided.")
    technology, separator, resource = endpoint.partition("/")
    if not separator or not technology:
        raise Refusal(422, f"Endpoint parameter '{endpoint}' does not contain tech/resource")
    if not resource:
        raise Refusal(422, f"No resource provided in endpoint parameter '{endpoint}'")
    if technology.lower() != channel.driver.lower():
        raise Refusal(422, f"Endpoint technology '{technology}' does not match channel technology '{channel.driver}'")

    def act() -> Awaitable[None] | None:
        return None if channel.phone is None else channel.phone.redirected(resource)

    session.submit(act)
    return Reply()


# -- commands: queued behind each other, answered at once ------------------------------------------------------------


def command(method: str, path: str, act: Callable[[Channel], None], since: str = "") -> None:
    """Declares an operation without parameters that does one thing to a channel in Stasis."""

    async def function(call: Request) -> Reply:
        channel, session = await find_session(call)
        session.submit(lambda: act(channel))
        return Reply()

    operation(method, f"/channels/{{channelId}}/{path}", since=since)(function)


def shown(name: str, value: bool) -> Callable[[Channel], None]:
    """What a SIP phone is told to show; other channels have nothing to show it with."""

    def act(channel: Channel) -> None:
        if channel.phone is not None:
            setattr(channel.phone, name, value)

    return act


def entertain(channel: Channel, source: Source) -> None:
    channel.stop_music()
    plane = channel.exchange.plane
    with plane.lock:
        channel.music = Player(plane.clock, channel.leg.write, source, lambda: None)


command("POST", "progress", lambda channel: channel.indicate("PROGRESS"), since="progress")
command("POST", "answer", lambda channel: channel.answer())
command("POST", "ring", shown("ringing", True))
command("DELETE", "ring", shown("ringing", False))
command("POST", "hold", shown("held", True))
command("DELETE", "hold", shown("held", False))
command("DELETE", "moh", lambda channel: channel.stop_music())
command("POST", "silence", lambda channel: entertain(channel, quiet()))
command("DELETE", "silence", lambda channel: channel.stop_music())


@operation("POST", "/channels/{channelId}/moh", {"mohClass": str})
async def start_music(call: Request) -> Reply:
    channel, session = await find_session(call)
    session.submit(lambda: entertain(channel, music()))
    return Reply()


def mute_operation(method: str, muted: bool) -> None:
    async def function(call: Request) -> Reply:
        channel, session = await find_session(call)
        direction = call.text("direction", "both")
        if direction not in ("both", "in", "out"):
            raise Refusal(400, "Invalid direction specified")

        def act() -> None:
            with channel.exchange.plane.lock:
                if direction in ("both", "in"):
                    channel.leg.muted_in = muted
                if direction in ("both", "out"):
                    channel.leg.muted_out = muted

        session.submit(act)
        return Reply()

    operation(method, "/channels/{channelId}/mute", {"direction": str})(function)


mute_operation("POST", True)
mute_operation("DELETE", False)

DTMF = {"dtmf": str, "before": int, "between": int, "duration": int, "after": int}


@operation("POST", "/channels/{channelId}/dtmf", DTMF)
async def send_dtmf(call: Request) -> Reply:
    channel, session = await find_session(call)
    digits = call.text("dtmf")
    if not digits:
        raise Refusal(400, "DTMF is required")
    between, duration = call.number("between", 100) / 1000, call.number("duration", 100) / 1000

    async def press() -> None:
        await asyncio.sleep(call.number("before") / 1000)
        for digit in digits:
            await asyncio.sleep(duration)
            with channel.exchange.plane.lock:
                channel.leg.digit(digit, duration)
            await asyncio.sleep(between)
        await asyncio.sleep(call.number("after") / 1000)

    def act() -> Awaitable[None]:
        return press()

    session.submit(act)
    return Reply()
