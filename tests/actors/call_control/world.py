"""Asterisk, supervisor and conversation as one call's state machine sees them, in virtual time.

    call = World()            a caller has arrived: `call.waiting` holds the commands that nobody has answered yet
    call.answer(Answer)       the oldest waiting command of that kind is carried out and answered
    call.settle()             all are, and what they lead to
    call.tell(event)          something happens
    call.pass_time(2.5)       seconds go by; the machine is woken whenever it asked to be

The world keeps what exists, and complains at once about what no correct machine does: making a thing twice, removing
what is not there, bridging a channel that is not in Stasis.
"""

from collections.abc import Callable

import msgspec

from actors.call_control.commands import (
    Abandon,
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
    Note,
    OpenRings,
    Originate,
    OriginateCaller,
    OriginatePerson,
    Place,
    PlaySound,
    ReadCall,
    RemoveBridge,
    RemoveMedia,
    RemovePerson,
    Reply,
    StartConversation,
    StartMusic,
    StopMusic,
    Tell,
)
from actors.call_control.events import (
    Begun,
    BridgeGone,
    CallerAnswered,
    CallerLeft,
    CallRead,
    ConversationLost,
    Event,
    Failed,
    MediaExpected,
    MediaLegArrived,
    MediaLegEnded,
    MediaLegMade,
    Performed,
    PersonArrived,
    PersonLeft,
    RingsOpened,
    SoundEnded,
    TimePassed,
    Why,
)
from actors.call_control.legs import step, wake_ns
from actors.call_control.sessions import CONNECTED, Remote, Session, Stage
from config.media import Transport
from ipc.messages import Message

SECOND = 1_000_000_000
FALLBACK = Place("from-internal", "0", 1)
CALL = "1795348111.4"


class World:
    def __init__(
        self,
        *,
        direct: bool = False,
        agent: str = "",
        begin: bool = True,
        transports: tuple[Transport, ...] = ("audiosocket",),
        early: bool = False,
        **session: object,
    ) -> None:
        """transports: those that the call's settings allow. early: the dialplan wants early media."""
        self.now = 1_000 * SECOND
        self.said = CallRead(agent=agent, transports=transports, early=early)
        self.uuids = 0
        self.caller_here = True
        self.conversation = False
        self.rings = False
        self.bridges: set[str] = set()
        self.where: dict[str, str] = {}
        """The bridge of each channel that is in one."""
        self.music = False
        self.people: set[str] = set()
        """Channels of persons who were called."""
        self.told: list[Message] = []
        """Notes to the conversation."""
        self.judged: list[Judge] = []
        self.media: dict[str, bool] = {}
        """Media channels that exist, and whether they are in Stasis."""
        self.removals: list[str] = []
        self.waiting: list[Command] = []
        self.notes: list[str] = []
        self.replies: list[Reply] = []
        self.abandoned: list[str] = []
        self.all: list[Command] = []
        base = Session(call_id=CALL, rate=8000, arrived_ns=self.now, fallback=FALLBACK, caller_number="100")
        if direct:
            base = msgspec.structs.replace(
                base, call_id="direct-uuid-0", direct=True, direct_uuid="uuid-0", agent="", offer=7
            )
        if session.pop("agent_known", None) is not None:  # an outbound call's agent is named by whoever places it
            base = msgspec.structs.replace(base, agent=agent, transports=transports)
        self.session = msgspec.structs.replace(base, **session)
        if begin:
            self.tell(Begun())

    @property
    def stage(self) -> str:
        return self.session.stage.value

    @property
    def leftovers(self) -> list[str]:
        things = [*self.bridges, *self.media, *self.people]
        return things + ["rings"] * self.rings + ["conversation"] * self.conversation

    def tell(self, event: Event) -> list[Command]:
        """What the machine wants done at once."""
        self.session, commands = step(self.session, event, self.now)
        for command in commands:
            match command:
                case Note(what=what):
                    self.notes.append(what)
                case Reply():
                    self.replies.append(command)
                case Tell(message=message):
                    self.told.append(message)
                case Judge():
                    self.judged.append(command)
                case Abandon(what=what):
                    self.abandoned.append(what)
                case _:
                    self.waiting.append(command)
        self.all += commands
        return commands

    def asked(self, kind: type[Command]) -> int:
        """How many commands of this kind there were so far."""
        return sum(isinstance(command, kind) for command in self.all)

    def answer(self, kind: type[Command] | int = 0, why: Why | None = None, *, done: bool = False) -> None:
        """Answers the oldest waiting command of a kind, or the one at an index.

        Without `why` it is carried out and answered so. With `Why.UNKNOWN`, `done` says whether it is carried out.
        """
        if isinstance(kind, int):
            command = self.waiting.pop(kind)
        else:
            command = next(waiting for waiting in self.waiting if isinstance(waiting, kind))
            self.waiting.remove(command)
        if why is None or (why is Why.UNKNOWN and done):
            outcome = self._carry_out(command)
            self.tell(outcome if why is None else Failed(command, why, "no answer in time"))
        else:
            self.tell(Failed(command, why, f"{why}"))

    def settle(self) -> None:
        while self.waiting:
            self.answer(0)

    def pass_time(self, seconds: float) -> None:
        end = self.now + int(seconds * SECOND)
        while (wake := wake_ns(self.session, self.now)) is not None and wake <= end:
            self.now = wake
            self.tell(TimePassed())
        self.now = end

    def talk(self) -> "World":
        """As far as a good call goes by itself."""
        self.settle()
        assert self.session.stage is Stage.TALKING
        return self

    # -- what others do ------------------------------------------------------------------------------------------------

    def caller_leaves(self, cause: str = "normal clearing") -> None:
        self.caller_here = False
        self.where.pop(self.session.call_id, None)
        self.tell(CallerLeft(cause))

    def media_leg_ends(self, channel_id: str) -> None:
        if self.media.pop(channel_id, None) is not None:
            self.where.pop(channel_id, None)
            self.tell(MediaLegEnded(channel_id, "normal clearing"))

    @property
    def in_bridge(self) -> set[str]:
        """Whoever is in the call's own bridge."""
        return {channel for channel, bridge in self.where.items() if bridge == self.session.bridge_id}

    @property
    def person(self) -> str:
        """The channel of the person who is called."""
        (channel,) = self.people
        return channel

    def person_answers(self) -> None:
        self.tell(PersonArrived(self.person))

    def person_hangs_up(self, cause: str = "hung up") -> None:
        channel = self.person
        self.people.clear()
        self.where.pop(channel, None)
        self.tell(PersonLeft(channel, cause))

    def bridge_is_deleted(self) -> None:
        bridge = self.session.bridge_id
        if bridge in self.bridges:
            self.bridges.discard(bridge)
            self.where = {channel: other for channel, other in self.where.items() if other != bridge}
            self.tell(BridgeGone(bridge))

    def conversation_dies(self) -> None:
        self.conversation = False
        self.tell(ConversationLost("conversation.1 is degraded"))

    # -- carrying out --------------------------------------------------------------------------------------------------

    def _carry_out(self, command: Command) -> Event:
        handlers: dict[type[Command], Callable[..., Event]] = {
            ReadCall: lambda _: self.said,
            OpenRings: self._open_rings,
            StartConversation: self._start_conversation,
            ExpectMedia: lambda command: MediaExpected(self._uuid(), command.transport, "127.0.0.1", 18080),
            ConnectMedia: self._connect,
            OriginateCaller: self._dial,
            OriginatePerson: self._ring_person,
            RemovePerson: self._remove_person,
            StartMusic: self._start_music,
            StopMusic: self._stop_music,
            PlaySound: self._play,
            Answer: self._of_caller,
            CreateBridge: self._create_bridge,
            Originate: self._originate,
            Join: self._join,
            Continue: self._caller_out,
            HangUpCaller: self._caller_out,
            RemoveMedia: self._remove_media,
            RemoveBridge: self._remove_bridge,
            EndConversation: self._end_conversation,
            CloseRings: self._close_rings,
        }
        handler = handlers.get(type(command), self._of_caller)
        return handler(command)

    def _uuid(self) -> str:
        self.uuids += 1
        return f"uuid-{self.uuids}"

    def _open_rings(self, command: OpenRings) -> Event:
        assert not self.rings, "the rings are opened twice"
        self.rings = True
        return RingsOpened("segment", command.media_uuid or self._uuid(), "127.0.0.1", 18080)

    def _start_conversation(self, command: StartConversation) -> Event:
        assert not self.conversation, "the conversation is started twice"
        assert self.rings, "the conversation is started without rings"
        self.conversation = True
        return Performed(command)

    def _of_caller(self, command: Command) -> Event:
        return Performed(command) if self.caller_here else Failed(command, Why.GONE, "Channel not found")

    def _create_bridge(self, command: CreateBridge) -> Event:
        self.bridges.add(command.bridge_id)  # an answer of 409 is as good: the id is this call's
        return Performed(command)

    def _originate(self, command: Originate) -> Event:
        assert command.channel_id not in self.media, "a media leg is originated twice"
        self.media[command.channel_id] = True
        if command.transport == "rtp":
            assert command.port, "a leg over RTP is originated without a port of ours"
        if command.transport != "websocket":  # whose channel is answered when we have connected
            self.tell(MediaLegArrived(command.channel_id))
        remote = Remote("127.0.0.1", 8088) if command.transport in CONNECTED else None
        return MediaLegMade(command.channel_id, remote)

    def _connect(self, command: ConnectMedia) -> Event:
        channel = f"media-{command.media_uuid}"
        if channel not in self.media:
            return Failed(command, Why.REFUSED, "404")
        if self.session.media is not None and self.session.media.transport == "websocket":
            self.tell(MediaLegArrived(channel))
        return Performed(command)

    def _dial(self, command: OriginateCaller) -> Event:
        return Performed(command)

    def callee_answers(self) -> None:
        self.tell(CallerAnswered())

    def _ring_person(self, command: OriginatePerson) -> Event:
        assert not self.people, "somebody else is rung already"
        self.people.add(command.channel_id)
        return Performed(command)

    def _remove_person(self, command: RemovePerson) -> Event:
        self._remove(command.channel_id)
        if command.channel_id not in self.people:
            return Failed(command, Why.GONE, "Channel not found")
        self.people.discard(command.channel_id)
        self.where.pop(command.channel_id, None)
        self.tell(PersonLeft(command.channel_id, "hung up"))
        return Performed(command)

    def _start_music(self, command: StartMusic) -> Event:
        self.music = self.caller_here
        return self._of_caller(command)

    def _stop_music(self, command: StopMusic) -> Event:
        self.music = False
        return self._of_caller(command)

    def _play(self, command: PlaySound) -> Event:
        if self.caller_here:
            self.tell(SoundEnded(command.playback_id))
        return self._of_caller(command)

    def _join(self, command: Join) -> Event:
        if command.bridge_id not in self.bridges:
            return Failed(command, Why.NO_BRIDGE, "Bridge not found")
        here = {*self.media, *self.people, *([self.session.call_id] if self.caller_here else [])}
        if command.channel_id not in here:
            return Failed(command, Why.GONE, "Channel not found")
        self.where[command.channel_id] = command.bridge_id
        return Performed(command)

    def _caller_out(self, command: Command) -> Event:
        if not self.caller_here:
            return Failed(command, Why.GONE, "Channel not found")
        self.caller_leaves()
        return Performed(command)

    def _remove_media(self, command: RemoveMedia) -> Event:
        self._remove(command.channel_id)
        self.where.pop(command.channel_id, None)
        if self.media.pop(command.channel_id, None) is None:
            return Failed(command, Why.GONE, "Channel not found")
        self.tell(MediaLegEnded(command.channel_id, "normal clearing"))
        return Performed(command)

    def _remove_bridge(self, command: RemoveBridge) -> Event:
        self._remove(command.bridge_id)
        if command.bridge_id not in self.bridges:
            return Failed(command, Why.GONE, "Bridge not found")
        self.bridges.discard(command.bridge_id)
        inside = {channel for channel, bridge in self.where.items() if bridge == command.bridge_id}
        # A leg that is not wanted any more, for the caller is leaving, may be in it: it is being hung up, too.
        agent = self.session.media.channel_id if self.session.media else ""
        assert self.session.cause or agent not in inside & set(self.media), "a bridge is taken from under the agent"
        self.where = {channel: other for channel, other in self.where.items() if other != command.bridge_id}
        self.tell(BridgeGone(command.bridge_id))
        return Performed(command)

    def _end_conversation(self, command: EndConversation) -> Event:
        self._remove("conversation")
        self.conversation = False
        return Performed(command)

    def _close_rings(self, command: CloseRings) -> Event:
        self._remove("rings")
        tried = self.session.conversation.tries or self.abandoned
        assert not self.conversation or tried, "the rings are taken from under a conversation"
        self.rings = False
        return Performed(command)

    def _remove(self, what: str) -> None:
        assert what not in self.removals, f"{what} is removed twice"
        self.removals.append(what)
