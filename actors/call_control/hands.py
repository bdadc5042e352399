"""Carries out what the state machine wants: each command is one request to Asterisk or over the bus, and one event."""

import time
import zlib
from collections.abc import Mapping, Sequence

from actors.call_control.ari import Ari, AriError, Conflict, Invalid, NoReply, NotFound, Starting, Unreachable
from actors.call_control.choice import VARIABLES, Abilities, Preferences, choose
from actors.call_control.commands import (
    Answer,
    CloseRings,
    Command,
    ConnectMedia,
    Continue,
    CreateBridge,
    EndConversation,
    ExpectMedia,
    HangUpCaller,
    Join,
    Judge,
    OpenRings,
    Originate,
    OriginateCaller,
    OriginatePerson,
    PlaySound,
    Progress,
    ReadCall,
    RemoveBridge,
    RemoveMedia,
    RemovePerson,
    SetVariables,
    StartConversation,
    StartMusic,
    StopMusic,
)
from actors.call_control.events import CallRead, Event, Failed, MediaExpected, MediaLegMade, Performed, RingsOpened, Why
from actors.call_control.sessions import WIRES, Remote
from config.schema import Settings
from ipc import media_uuid, messages
from ipc.bus import BadMessage, Bus, NoAnswer, Refused

SUPERVISOR = "supervisor"

OPEN_S = 5.0
"""For rings and an audio actor. Normally 5 ms; a pool that has run dry forks one."""
START_S = 5.0
"""For reserving engines and sending the greeting on its way."""
EXPECT_S = 2.0
CONNECT_S = 1.0
"""For a WebSocket to Asterisk, on top of `streaming.connection_timeout_ms`."""
END_S = 1.0
"""A conversation actor that is just being started again misses this one and gets two more."""
CLOSE_S = 2.0

_ANY_ADDRESS = ("0.0.0.0", "::", "")


def conversation_of(call_id: str, count: int) -> str:
    """The conversation actor that holds this call: the same one whoever asks, before and after a restart."""
    return f"conversation.{zlib.crc32(call_id.encode()) % count + 1}"


class Hands:
    def __init__(self, bus: Bus, ari: Ari, settings: Settings, prefix: str = "", variables: Sequence[str] = ()) -> None:
        """prefix: before the channel ids of this Asterisk's callers, in their call ids. variables: of the caller's
        channel, which agents want to know, besides those that every call has."""
        self._bus = bus
        self._ari = ari
        self._settings = settings
        self._prefix = prefix
        self._variables = (*VARIABLES, *variables)
        self._preferences = Preferences()
        self.abilities = Abilities()
        self.own_address = "127.0.0.1"
        """Under which Asterisk can reach this machine: for a server that listens on all addresses."""

    def conversation(self, call_id: str) -> str:
        return conversation_of(call_id, self._settings.actors.conversation.count)

    def channel(self, call_id: str) -> str:
        """Id of the caller's channel; other channels' ids stay as they are."""
        return call_id.removeprefix(self._prefix) if self._prefix else call_id

    def judge(self, judge: Judge) -> None:
        self._preferences.note(judge.transport, judge.worked, time.monotonic_ns())

    def choose(self, said: Mapping[str, str]) -> CallRead:
        """How a call is to be set up that says this of itself."""
        return choose(self._settings, self.abilities, self._preferences, said, time.monotonic_ns())

    async def perform(self, command: Command) -> Event:
        """Never raises: what goes wrong is an event, too."""
        try:
            return await self._to_asterisk(command) or await self._over_the_bus(command) or Performed(command)
        except Refused as refused:
            return Failed(command, Why.REFUSED, str(refused), busy=refused.busy)
        except (NoAnswer, BadMessage) as error:
            return Failed(command, Why.UNKNOWN, str(error), busy=True)
        except AriError as error:
            return Failed(command, why(command, error), str(error))

    # -- Asterisk ------------------------------------------------------------------------------------------------------

    async def _to_asterisk(self, command: Command) -> Event | None:
        ari = self._ari
        match command:
            case ReadCall(channel_id=channel_id):
                return self.choose(await ari.variables(self.channel(channel_id), self._variables))
            case CreateBridge(bridge_id=bridge_id):
                await ari.create_bridge(bridge_id)
            case RemoveBridge(bridge_id=bridge_id):
                await ari.delete_bridge(bridge_id)
            case Originate():
                return MediaLegMade(command.channel_id, await self._originate(command))
            case OriginatePerson() | OriginateCaller():
                await self._dial(command)
            case Join(bridge_id=bridge_id, channel_id=channel_id):
                await ari.add_to_bridge(bridge_id, self.channel(channel_id))
            case RemoveMedia(channel_id=channel_id) | RemovePerson(channel_id=channel_id):
                await ari.hang_up(channel_id)
            case _:
                await self._to_caller(command)
        return None

    async def _to_caller(self, command: Command) -> None:
        """What concerns the caller's channel."""
        ari = self._ari
        match command:
            case Answer(channel_id=call_id):
                await ari.answer(self.channel(call_id))
            case Progress(channel_id=call_id):
                await ari.progress(self.channel(call_id))
            case StartMusic(channel_id=call_id):
                await ari.start_music(self.channel(call_id), self._settings.transfers.music_class)
            case StopMusic(channel_id=call_id):
                await ari.stop_music(self.channel(call_id))
            case PlaySound(bridge_id="", channel_id=call_id, media=media, playback_id=playback_id):
                await ari.play_on_channel(self.channel(call_id), media, playback_id)
            case PlaySound(bridge_id=bridge_id, media=media, playback_id=playback_id):
                await ari.play_on_bridge(bridge_id, media, playback_id)
            case SetVariables(channel_id=call_id, variables=variables):
                await ari.set_variables(self.channel(call_id), variables)
            case Continue(channel_id=call_id, place=place):
                await ari.continue_in_dialplan(self.channel(call_id), place)
            case HangUpCaller(channel_id=call_id):
                await ari.hang_up(self.channel(call_id))

    async def _dial(self, command: OriginatePerson | OriginateCaller) -> None:
        match command:
            case OriginatePerson(caller_number=number, caller_name=name):
                await self._ari.originate(
                    command.channel_id,
                    command.endpoint,
                    app_args=f"person,{command.call_id}",
                    caller_id=f'"{_plain(name)}" <{_plain(number)}>' if number else "",
                    timeout_s=command.ring_s,
                )
            case OriginateCaller():
                await self._ari.originate(
                    self.channel(command.channel_id),
                    command.endpoint,
                    app_args=f"call,{command.channel_id}",
                    caller_id=command.caller_id,
                    timeout_s=command.ring_s,
                    variables=command.variables,
                )

    async def _originate(self, command: Originate) -> Remote | None:
        """The media leg. `c()` pins the format: without it Asterisk would send the codec that comes first, under the
        kind of slin."""
        audio_format = "slin16" if command.rate == 16000 else "slin"
        match command.transport:
            case "audiosocket":
                await self._ari.originate(
                    command.channel_id,
                    f"AudioSocket/{self._audiosocket()}/{command.media_uuid}/c({audio_format})",
                    formats=audio_format,
                    app_args=f"media,{command.call_id}",
                )
                return None
            case "audiosocket_external":
                await self._ari.external_media(
                    command.channel_id,
                    external_host=self._audiosocket(),
                    encapsulation="audiosocket",
                    transport="tcp",
                    audio_format=audio_format,
                    data=command.media_uuid,
                )
                return None
            case "websocket":
                said = await self._ari.external_media(
                    command.channel_id,
                    external_host="INCOMING",
                    encapsulation="none",
                    transport="websocket",
                    connection_type="server",
                    audio_format=audio_format,
                )
                ticket = said.get("MEDIA_WEBSOCKET_CONNECTION_ID", "")
                return Remote(self._ari.settings.host, self._ari.settings.port, f"/media/{ticket}")
            case "rtp":
                return await self._originate_rtp(command)

    async def _originate_rtp(self, command: Originate) -> Remote:
        """Asterisk binds the address that it would reach ours from, and says which (chan_rtp.c)."""
        codec = "slin16" if command.rate == 16000 else self._settings.external_media.codec
        host = self._own(command.host)
        said = await self._ari.external_media(
            command.channel_id,
            external_host=f"{host}:{command.port}",
            encapsulation="rtp",
            transport="udp",
            audio_format=codec,
        )
        address = said.get("UNICASTRTP_LOCAL_ADDRESS", "")
        port = said.get("UNICASTRTP_LOCAL_PORT", "")
        if not address or not port.isdecimal():
            raise Invalid(f"Asterisk does not say where its end of the RTP leg {command.channel_id} is")
        return Remote(address, int(port), codec=codec)

    def _audiosocket(self) -> str:
        server = self._settings.audiosocket
        return f"{self._own(server.advertise_host or server.host)}:{server.port}"

    def _own(self, host: str) -> str:
        """As part of `host:port`."""
        host = self.own_address if host in _ANY_ADDRESS else host
        return f"[{host}]" if ":" in host else host

    # -- supervisor and conversation -----------------------------------------------------------------------------------

    async def _over_the_bus(self, command: Command) -> Event | None:
        match command:
            case OpenRings():
                return await self._open_rings(command)
            case ExpectMedia(call_id=call_id, transport=transport):
                uuid = media_uuid.make()
                expect = messages.ExpectMedia(call_id=call_id, media_uuid=uuid, wire=WIRES[transport])
                awaited = await self._bus.expect(SUPERVISOR, expect, messages.MediaAwaited, within=EXPECT_S)
                return MediaExpected(uuid, transport, awaited.host, awaited.port)
            case ConnectMedia():
                await self._connect(command)
            case CloseRings(call_id=call_id):
                await self._bus.ask(SUPERVISOR, messages.CloseCall(call_id=call_id), within=CLOSE_S)
            case StartConversation():
                await self._start_conversation(command)
            case EndConversation(call_id=call_id, cause=cause):
                end = messages.EndCall(call_id=call_id, cause=cause)
                await self._bus.ask(self.conversation(call_id), end, within=END_S)
        return None

    async def _open_rings(self, command: OpenRings) -> RingsOpened:
        uuid = command.media_uuid or media_uuid.make()
        question = messages.OpenCall(
            call_id=command.call_id,
            rate=command.rate,
            media_uuid=uuid,
            wire=WIRES[command.transport],
            playback=command.playback,
        )
        opened = await self._bus.expect(SUPERVISOR, question, messages.CallOpened, within=OPEN_S)
        return RingsOpened(opened.segment, uuid, opened.host, opened.port)

    async def _connect(self, command: ConnectMedia) -> None:
        connect = messages.ConnectMedia(
            call_id=command.call_id,
            media_uuid=command.media_uuid,
            host=command.host,
            port=command.port,
            path=command.path,
            codec=command.codec,
        )
        within = CONNECT_S + self._settings.streaming.connection_timeout_ms / 1000
        await self._bus.ask(SUPERVISOR, connect, within=within)

    async def _start_conversation(self, command: StartConversation) -> None:
        start = messages.StartCall(
            call_id=command.call_id,
            segment=command.segment,
            agent=command.agent,
            caller_number=command.caller_number,
            caller_name=command.caller_name,
            arrived_ns=command.arrived_ns,
            provider=command.provider,
            outbound=command.outbound,
            variables=command.variables,
        )
        await self._bus.ask(self.conversation(command.call_id), start, within=START_S)


def _plain(text: str) -> str:
    """A caller's name or number as a part of a caller id: what would end it, or is no text, is left out."""
    return "".join(character for character in text if character.isprintable() and character not in '"<>')[:80]


def why(command: Command, error: AriError) -> Why:
    """What Asterisk's refusal of this command means for the call.

    404 is "no such channel or bridge", 409 "not in Stasis any more", except where they are about another thing.
    """
    match error, command:
        case Unreachable() | Starting(), _:
            return Why.UNREACHABLE
        case NoReply(), _:
            return Why.UNKNOWN
        case NotFound(), Join():
            return Why.NO_BRIDGE
        case Invalid(), Join():
            return Why.GONE
        case (NotFound(), PlaySound() | Progress()):
            return Why.REFUSED
        case NotFound(), _:
            return Why.GONE
        case Conflict(), Answer() | SetVariables() | Continue():
            return Why.GONE
        case _:
            return Why.REFUSED
