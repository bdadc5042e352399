"""The actor: what comes from Asterisk and over the bus is told to the calls, and their commands are carried out.

    Asterisk --events--> EventStream --+                       +--> Hands --> Asterisk, supervisor, conversation
    supervisor, conversation --bus-----+--> CallControl, Calls-+
    comparison with Asterisk ----------+    (legs.step)  ^     |
                                                         +-----+ answers

Direct calls need no Asterisk interface: they are served while it cannot be reached.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence

from actors.call_control.ari import Ari, AriError, AriEvent, Channel
from actors.call_control.calls import Calls
from actors.call_control.choice import Abilities
from actors.call_control.comparison import (
    Adopt,
    Arrive,
    Bury,
    DeleteBridge,
    Found,
    RemoveChannel,
    Tell,
    Verdict,
    compare,
    direct_calls,
    own,
)
from actors.call_control.event_queue import Down, Up
from actors.call_control.event_stream import EventStream
from actors.call_control.events import (
    BridgeGone,
    CallerAnswered,
    CallerHeld,
    CallerLeft,
    ConversationLost,
    DigitPressed,
    Event,
    MediaAttached,
    MediaLegArrived,
    MediaLegEnded,
    MediaLost,
    PersonArrived,
    PersonLeft,
    SoundEnded,
)
from actors.call_control.files import FilePlayer, is_voice_channel
from actors.call_control.hands import SUPERVISOR, Hands
from actors.call_control.requests import Requests, place
from actors.call_control.rules import SOUND_PREFIX
from actors.call_control.sessions import Session, Stage, is_media_channel, is_own_channel, is_person_channel
from actors.call_control.store import Store
from actors.call_control.unreached import unreached
from config.schema import Settings
from ipc.bus import BadMessage, Bus, NoAnswer, Refused
from ipc.messages import (
    ActorChanged,
    CallList,
    FileReady,
    FilesDropped,
    ListCalls,
    MediaChanged,
    Problem,
)

log = logging.getLogger(__name__)

COMPARE_EVERY_S = 60.0
COMPARE_ASIDE_S = 5.0
"""While another program has our application, nothing else says that a caller has gone."""
COMPARE_AGAIN_S = 1.0
"""After a comparison that failed."""
LIST_S = 5.0


class CallControl:
    def __init__(
        self,
        bus: Bus,
        settings: Settings,
        ari: Ari,
        kept: Store,
        changed: Callable[[int], None] = lambda calls: None,
        variables: Sequence[str] = (),
    ) -> None:
        """kept: where the calls are written down, and where those are found that a predecessor held. variables: see
        `Hands`."""
        self.bus = bus
        self.settings = settings
        self.ari = ari
        self.stream = EventStream(ari, ours=self._ours)
        branch = bus.name.partition(".")[2]
        self.prefix = f"{branch}~" if branch else ""
        """Before the channel ids of this Asterisk's callers, in their call ids: two servers may give the same."""
        self.hands = Hands(bus, ari, settings, self.prefix, variables)
        self.kept = kept
        self.kept.ledger.complain = self._complain
        self._tell_number = changed
        self.calls = Calls(
            kept,
            self.hands.perform,
            lambda call_id, note: bus.tell(self.hands.conversation(call_id), note),
            bus.spawn,
            self._number_changed,
            self.hands.judge,
        )
        self.requests = Requests(bus, settings, ari, self.calls, self.hands, self.prefix)
        self.files = FilePlayer(ari, lambda message: bus.tell(SUPERVISOR, message), settings.streaming)
        self._problem: str | None = None
        """The last word on Asterisk; None before the first: a predecessor's last word is to be taken back, too."""
        self._complaint = ""
        """About the call history."""
        self._compare_now = asyncio.Event()
        self._compared_with = ""
        """Which Asterisk it was, by when it was started."""
        self._ended_meanwhile: set[str] = set()
        self._dialled: dict[str, str] = {}
        """What became of the dialling of channels that we have made."""

    async def start(self) -> None:
        """Takes commands and events from now on; Asterisk may come later."""
        further = tuple(f"{self.bus.name}.{name}" for name in self.settings.more_asterisks)
        self._found = self.kept.load((self.bus.name, *further) if not self.prefix else ())
        self._found_direct = dict(self._found)
        self.requests.listen()
        self.bus.on(FileReady, self._file_ready)
        self.bus.on(FilesDropped, self._files_dropped)
        await self.bus.subscribe(SUPERVISOR, MediaChanged, self._media_changed)
        await self.bus.subscribe(SUPERVISOR, ActorChanged, self._actor_changed)
        self.bus.spawn(self._adopt_direct_calls(), "adoption of direct calls")
        self.bus.spawn(self.stream.run(), "events of Asterisk")
        self.bus.spawn(self._listen(), "listening to Asterisk")
        self.bus.spawn(self._compare_for_ever(), "comparison with Asterisk")
        self.bus.spawn(self.kept.keep(), "the call history")
        self.bus.spawn(self.files.sweep_for_ever(), "sweeping of played files")

    async def stop(self) -> None:
        """Lets go of everybody who waits for an answer. Calls stay as they are: a successor adopts them."""
        self.calls.refuse_requests()
        await self.stream.leave()

    # -- Asterisk ------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            item = await self.stream.items.get()
            if isinstance(item, Up):
                self.hands.own_address = item.local_address or self.hands.own_address
                self._say("")
                self._compare_now.set()
            elif isinstance(item, Down):
                self._say(item.problem)
                if self.stream.replaced:
                    self._compare_now.set()
            else:
                await self._hear(item)

    def _say(self, problem: str) -> None:
        """Once for each change, in the log and to the supervisor."""
        if problem == self._problem:
            return
        if problem:
            log.error("%s", problem)
        else:
            log.info("connected to Asterisk at %s as application %r", self.ari.origin, self.ari.app_name)
        self._problem = problem
        self._report()

    def _complain(self, complaint: str) -> None:
        self._complaint = complaint
        self._report()

    def _report(self) -> None:
        problems = " ".join(filter(None, (self._problem, self._complaint)))
        self.bus.tell(SUPERVISOR, Problem(text=problems))

    async def _hear(self, event: AriEvent) -> None:
        channel = event.channel
        if channel is not None and is_voice_channel(channel.id):
            if event.type == "StasisStart":
                self.files.voice_arrived(channel.id)
            return
        match event.type:
            case "StasisStart" if channel is not None:
                self._stasis_start(channel)
            case "StasisEnd" | "ChannelDestroyed" | "ChannelHangupRequest" if channel is not None:
                self._channel_ended(event, channel)
            case "ChannelDtmfReceived" if channel is not None:
                self._digit(channel, event.digit)
            case "Dial" if event.peer is not None and event.dialstatus:
                self._dial_status(event.peer.id, event.dialstatus)
            case "ChannelHold" | "ChannelUnhold" if channel is not None:
                self.calls.tell(self._call_id(channel.id), CallerHeld(event.type == "ChannelHold"))
            case "BridgeDestroyed" if event.bridge is not None:
                session = self.calls.store.of_bridge(event.bridge.id)
                if session is not None:
                    self.calls.tell(session.call_id, BridgeGone(event.bridge.id))
            case "PlaybackStarted" | "PlaybackFinished" if event.playback is not None:
                self._playback(event, event.playback.id)
            case "ApplicationReplaced":
                await self.stream.stand_aside()

    def _digit(self, channel: Channel, digit: str) -> None:
        session = self._session(channel.id)
        if session is not None and not is_media_channel(channel.id):
            person = channel.id if is_person_channel(channel.id) else ""
            self.calls.tell(session.call_id, DigitPressed(digit, person))

    def _dial_status(self, channel_id: str, status: str) -> None:
        """A Local channel ends without a cause where its other half says busy: the status tells."""
        if self._session(channel_id) is not None:
            self._dialled[channel_id] = status

    def _call_id(self, channel_id: str) -> str:
        return self.prefix + channel_id

    def _session(self, channel_id: str) -> Session | None:
        """The call of an own leg, or of a caller."""
        return self.calls.store.of_channel(channel_id) or self.calls.store.get(self._call_id(channel_id))

    def _ours(self, identifier: str) -> bool:
        return (self._session(identifier) or self.calls.store.of_bridge(identifier)) is not None

    def _playback(self, event: AriEvent, playback_id: str) -> None:
        if playback_id.startswith(SOUND_PREFIX):
            if event.type == "PlaybackFinished":
                self.calls.tell(playback_id.removeprefix(SOUND_PREFIX), SoundEnded(playback_id))
        else:
            self.files.playback_event(event)

    def _stasis_start(self, channel: Channel) -> None:
        session = self._session(channel.id)
        if not is_own_channel(channel.id):
            self._arrive(channel)
        elif session is None:
            self._clean(RemoveChannel(channel.id))
        elif is_person_channel(channel.id):
            self.calls.tell(session.call_id, PersonArrived(channel.id))
        else:
            self.calls.tell(session.call_id, MediaLegArrived(channel.id))

    def _channel_ended(self, event: AriEvent, channel: Channel) -> None:
        cause = event.cause_txt or (f"cause {event.cause}" if event.cause else "no cause given")
        session = self._session(channel.id)
        status = self._dialled.get(channel.id, "")
        if event.type == "ChannelDestroyed":
            self._dialled.pop(channel.id, None)
        if is_own_channel(channel.id):
            if session is None or event.type == "ChannelHangupRequest":
                return
            if is_person_channel(channel.id):
                self.calls.tell(session.call_id, PersonLeft(channel.id, unreached(event.cause, cause, status)))
            else:
                self.calls.tell(session.call_id, MediaLegEnded(channel.id, cause))
            return
        call_id = self._call_id(channel.id)
        self._ended_meanwhile.add(call_id)
        self.calls.forget_successor(call_id)
        if session is not None and session.stage is Stage.DIALLING:
            if event.type == "ChannelDestroyed":  # it has the cause; a request to hang up has not
                self.calls.tell(call_id, CallerLeft(f"not answered: {unreached(event.cause, cause, status)}"))
            return
        # Who goes on in the dialplan leaves our application without a word of a hang-up before.
        hung_up = event.type != "StasisEnd"
        self.calls.tell(call_id, CallerLeft(f"the caller hung up ({cause})" if hung_up else "the caller left", hung_up))

    def _arrive(self, channel: Channel) -> None:
        call_id = self._call_id(channel.id)
        session = self.calls.store.get(call_id)
        if session is not None and session.departure is None and not session.cause:
            self.calls.tell(call_id, CallerAnswered())  # of no consequence where the comparison was faster
            return
        self._ended_meanwhile.discard(call_id)
        self.calls.begin(
            self.requests.session(call_id, caller_number=channel.caller.number, caller_name=channel.caller.name)
        )

    # -- comparison ----------------------------------------------------------------------------------------------------

    async def _compare_for_ever(self) -> None:
        pause = COMPARE_EVERY_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._compare_now.wait()
            self._compare_now.clear()
            pause = COMPARE_ASIDE_S if self.stream.replaced else COMPARE_EVERY_S
            if self._problem and not self.stream.replaced:
                continue  # the next `Up` asks for it again
            try:
                await self._compare()
            except (AriError, Refused, NoAnswer, BadMessage) as error:
                log.info("could not compare the calls with Asterisk's: %s", error)
                pause = COMPARE_AGAIN_S

    async def _compare(self) -> None:
        await self._ask_abilities()
        before = {session.call_id: session for session in self.calls.store}
        self._ended_meanwhile.clear()
        listed = await self.bus.expect(SUPERVISOR, ListCalls(), CallList, within=LIST_S)
        found = Found(
            app_name=self.ari.app_name,
            prefix=self.prefix,
            channels=tuple(await self.ari.channels()),
            bridges=tuple(await self.ari.bridges()),
            calls=own(listed.calls, self.bus.name),
            restarted=self._compared_with not in ("", self.ari.started),
            alone=not self.stream.replaced,
        )
        fallback = place(self.settings.transfers.on_failure)
        verdicts = compare(
            found, before, self.calls.store, self._ended_meanwhile, time.monotonic_ns(), fallback, self._found
        )
        for verdict in verdicts:
            self._execute(verdict)
        self._found = {}
        self._compared_with = self.ari.started
        if not self._found_direct:
            self.kept.forsake()
        self.requests.compared = True

    async def _ask_abilities(self) -> None:
        """A user who may not see the modules leaves it open what is missing: then it is tried."""
        version = await self.ari.version()
        try:
            modules = frozenset(name for name, runs in (await self.ari.modules()).items() if runs)
        except AriError as error:
            log.info("Asterisk does not tell its modules: %s", error)
            modules = frozenset()
        self.hands.abilities = Abilities(version, modules, secure=self.ari.settings.scheme == "https")

    def _execute(self, verdict: Verdict) -> None:
        match verdict:
            case Tell(call_id=call_id, event=event):
                self.calls.tell(call_id, event)
            case Adopt(session=session, missed=missed, waiting=waiting):
                log.info("%s: goes on after a restart of call-control", session.call_id)
                self.calls.begin(session, missed, waiting)
            case Bury(session=session):
                log.info("%s: %s", session.call_id, session.cause)
                self.calls.begin(session)
            case Arrive(channel=channel):
                self._arrive(channel)
            case RemoveChannel() | DeleteBridge():
                self._clean(verdict)

    def _clean(self, what: RemoveChannel | DeleteBridge) -> None:
        self.bus.spawn(self._remove(what), "cleaning")

    async def _remove(self, what: RemoveChannel | DeleteBridge) -> None:
        try:
            if isinstance(what, RemoveChannel):
                await self.ari.hang_up(what.channel_id)
            else:
                await self.ari.delete_bridge(what.bridge_id)
        except AriError as error:
            log.info("%s: %s", what, error)
        else:
            log.info("removed what belonged to no call: %s", what)

    async def _adopt_direct_calls(self) -> None:
        """These need no word from Asterisk."""
        while True:
            try:
                listed = await self.bus.expect(SUPERVISOR, ListCalls(), CallList, within=LIST_S)
            except (Refused, NoAnswer, BadMessage) as error:
                log.info("the supervisor does not say which calls are open: %s", error)
                await asyncio.sleep(COMPARE_AGAIN_S)
                continue
            calls = own(listed.calls, self.bus.name)
            for verdict in direct_calls(self._found_direct, calls, self.calls.store, time.monotonic_ns()):
                self._execute(verdict)
            self._found_direct = {}
            return

    async def _media_changed(self, sender: str, change: MediaChanged) -> None:
        event: Event = MediaAttached(moved=change.state == "moved")
        if change.state == "lost":
            event = MediaLost(change.reason, change.media_uuid)
        self.calls.tell(change.call_id, event)

    async def _actor_changed(self, sender: str, change: ActorChanged) -> None:
        """`dead` is no news: the supervisor starts it again, and it goes on from the calls' journals."""
        if change.role != "conversation" or change.state != "degraded":
            return
        for session in self.calls.store:
            if self.hands.conversation(session.call_id) == change.name:
                self.calls.tell(session.call_id, ConversationLost(change.reason or f"{change.name} is degraded"))

    # -- playback from files -------------------------------------------------------------------------------------------

    async def _file_ready(self, sender: str, note: FileReady) -> None:
        session = self.calls.store.get(note.call_id)
        if session is not None:
            self.files.ready(note, session.media)

    def _number_changed(self, calls: int) -> None:
        self._tell_number(calls)
        self.files.end_others(lambda call_id: self.calls.store.get(call_id) is not None)

    async def _files_dropped(self, sender: str, note: FilesDropped) -> None:
        self.files.dropped(note)
