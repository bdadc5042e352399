"""Carries out what the state machine wants: each command is one request to Asterisk or over the bus, and one event."""

import zlib

from actors.call_control.ari import Ari, AriError, Conflict, Invalid, NoReply, NotFound, Unreachable
from actors.call_control.commands import (
    Answer,
    CloseRings,
    Command,
    Continue,
    CreateBridge,
    EndConversation,
    ExpectMedia,
    HangUpCaller,
    Join,
    OpenRings,
    Originate,
    ReadAgent,
    RemoveBridge,
    RemoveMedia,
    SetStatus,
    StartConversation,
)
from actors.call_control.events import AgentRead, Event, Failed, MediaExpected, Performed, RingsOpened, Why
from config.schema import Settings
from ipc import media_uuid, messages
from ipc.bus import BadMessage, Bus, NoAnswer, Refused

SUPERVISOR = "supervisor"
AGENT_VARIABLE = "AI_AGENT"
STATUS_VARIABLE = "AGENT_STATUS"

OPEN_S = 5.0
"""For rings and an audio actor. Normally 5 ms; a pool that has run dry forks one."""
START_S = 5.0
"""For reserving engines and sending the greeting on its way."""
EXPECT_S = 2.0
END_S = 1.0
"""A conversation actor that is just being started again misses this one and gets two more."""
CLOSE_S = 2.0

_ANY_ADDRESS = ("0.0.0.0", "::", "")


def conversation_of(call_id: str, count: int) -> str:
    """The conversation actor that holds this call: the same one whoever asks, before and after a restart."""
    return f"conversation.{zlib.crc32(call_id.encode()) % count + 1}"


class Hands:
    def __init__(self, bus: Bus, ari: Ari, settings: Settings) -> None:
        self._bus = bus
        self._ari = ari
        self._settings = settings
        self.own_address = "127.0.0.1"
        """Under which Asterisk can reach this machine: for an AudioSocket server that listens on all addresses."""

    def conversation(self, call_id: str) -> str:
        return conversation_of(call_id, self._settings.actors.conversation.count)

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

    async def _to_asterisk(self, command: Command) -> Event | None:
        ari = self._ari
        match command:
            case ReadAgent(channel_id=channel_id):
                return AgentRead(await ari.variable(channel_id, AGENT_VARIABLE) or "")
            case Answer(channel_id=channel_id):
                await ari.answer(channel_id)
            case CreateBridge(bridge_id=bridge_id):
                await ari.create_bridge(bridge_id)
            case Originate():
                await self._originate(command)
            case Join(bridge_id=bridge_id, channel_id=channel_id):
                await ari.add_to_bridge(bridge_id, channel_id)
            case SetStatus(channel_id=channel_id, status=status):
                await ari.set_variable(channel_id, STATUS_VARIABLE, status)
            case Continue(channel_id=channel_id, place=place):
                await ari.continue_in_dialplan(channel_id, place)
            case HangUpCaller(channel_id=channel_id) | RemoveMedia(channel_id=channel_id):
                await ari.hang_up(channel_id)
            case RemoveBridge(bridge_id=bridge_id):
                await ari.delete_bridge(bridge_id)
        return None

    async def _originate(self, command: Originate) -> None:
        """`c()` pins the format: without it Asterisk would send the codec that comes first, under the kind of slin."""
        server = self._settings.audiosocket
        host = self.own_address if server.host in _ANY_ADDRESS else server.host
        host = f"[{host}]" if ":" in host else host
        audio_format = "slin16" if command.rate == 16000 else "slin"
        await self._ari.originate(
            command.channel_id,
            f"AudioSocket/{host}:{server.port}/{command.media_uuid}/c({audio_format})",
            formats=audio_format,
            app_args=f"media,{command.call_id}",
        )

    async def _over_the_bus(self, command: Command) -> Event | None:
        match command:
            case OpenRings(call_id=call_id, rate=rate, media_uuid=given):
                uuid = given or media_uuid.make()
                question = messages.OpenCall(call_id=call_id, rate=rate, media_uuid=uuid)
                opened = await self._bus.expect(SUPERVISOR, question, messages.CallOpened, within=OPEN_S)
                return RingsOpened(opened.segment, uuid)
            case ExpectMedia(call_id=call_id):
                uuid = media_uuid.make()
                expect = messages.ExpectMedia(call_id=call_id, media_uuid=uuid)
                await self._bus.ask(SUPERVISOR, expect, within=EXPECT_S)
                return MediaExpected(uuid)
            case CloseRings(call_id=call_id):
                await self._bus.ask(SUPERVISOR, messages.CloseCall(call_id=call_id), within=CLOSE_S)
            case StartConversation():
                await self._start_conversation(command)
            case EndConversation(call_id=call_id, cause=cause):
                end = messages.EndCall(call_id=call_id, cause=cause)
                await self._bus.ask(self.conversation(call_id), end, within=END_S)
        return None

    async def _start_conversation(self, command: StartConversation) -> None:
        start = messages.StartCall(
            call_id=command.call_id,
            segment=command.segment,
            agent=command.agent,
            caller_number=command.caller_number,
            caller_name=command.caller_name,
            arrived_ns=command.arrived_ns,
        )
        await self._bus.ask(self.conversation(command.call_id), start, within=START_S)


def why(command: Command, error: AriError) -> Why:
    """What Asterisk's refusal of this command means for the call.

    404 is "no such channel or bridge", 409 "not in Stasis any more", except where they are about another thing.
    """
    match error, command:
        case Unreachable(), _:
            return Why.UNREACHABLE
        case NoReply(), _:
            return Why.UNKNOWN
        case NotFound(), Join():
            return Why.NO_BRIDGE
        case Invalid(), Join():
            return Why.GONE
        case NotFound(), _:
            return Why.GONE
        case Conflict(), Answer() | SetStatus() | Continue():
            return Why.GONE
        case _:
            return Why.REFUSED
