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
from collections.abc import Callable

from actors.call_control.ari import Ari, AriError, AriEvent, Channel
from actors.call_control.calls import Calls, answer
from actors.call_control.commands import Place
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
    remade_direct,
)
from actors.call_control.event_stream import Down, EventStream, Up, decoded
from actors.call_control.events import (
    BridgeGone,
    CallerLeft,
    ConversationLost,
    DigitPressed,
    Event,
    HangUpAsked,
    MediaAttached,
    MediaLegArrived,
    MediaLegEnded,
    MediaLost,
    TransferAsked,
)
from actors.call_control.hands import SUPERVISOR, Hands
from actors.call_control.sessions import DIRECT_PREFIX, Session, direct_call_id, is_media_channel
from actors.call_control.version import sends_digits
from config.schema import Destination, Settings
from ipc.bus import BadMessage, Bus, NoAnswer, Refused
from ipc.messages import (
    ActorChanged,
    CallList,
    HangUp,
    ListCalls,
    MediaChanged,
    Message,
    OfferMedia,
    Problem,
    Transfer,
)

log = logging.getLogger(__name__)

COMPARE_EVERY_S = 60.0
COMPARE_ASIDE_S = 5.0
"""While another program has our application, nothing else says that a caller has gone."""
COMPARE_AGAIN_S = 1.0
"""After a comparison that failed."""
LIST_S = 5.0

DIRECT_RATE = 8000
"""The dialplan application AudioSocket knows no other (apps/app_audiosocket.c)."""


class CallControl:
    def __init__(
        self, bus: Bus, settings: Settings, ari: Ari, changed: Callable[[int], None] = lambda calls: None
    ) -> None:
        self.bus = bus
        self.settings = settings
        self.ari = ari
        self.stream = EventStream(ari)
        self.hands = Hands(bus, ari, settings)
        self.calls = Calls(
            self.hands.perform,
            lambda call_id, note: bus.tell(self.hands.conversation(call_id), note),
            bus.spawn,
            changed,
        )
        self._problem: str | None = None
        """The last word on Asterisk; None before the first: a predecessor's last word is to be taken back, too."""
        self._compared = False
        self._compare_now = asyncio.Event()
        self._ended_meanwhile: set[str] = set()
        self._digits_in_media = True

    async def start(self) -> None:
        """Takes commands and events from now on; Asterisk may come later."""
        self.bus.on(OfferMedia, self._offer_media)
        self.bus.on(HangUp, self._hang_up)
        self.bus.on(Transfer, self._transfer)
        await self.bus.subscribe(SUPERVISOR, MediaChanged, self._media_changed)
        await self.bus.subscribe(SUPERVISOR, ActorChanged, self._actor_changed)
        self.bus.spawn(self._adopt_direct_calls(), "adoption of direct calls")
        self.bus.spawn(self.stream.run(), "events of Asterisk")
        self.bus.spawn(self._listen(), "listening to Asterisk")
        self.bus.spawn(self._compare_for_ever(), "comparison with Asterisk")

    def stop(self) -> None:
        """Lets go of everybody who waits for an answer. Calls stay as they are: a successor adopts them."""
        self.calls.refuse_requests()

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
                event = decoded(item)
                if event is not None:
                    await self._hear(event)

    def _say(self, problem: str) -> None:
        """Once for each change, in the log and to the supervisor."""
        if problem == self._problem:
            return
        if problem:
            log.error("%s", problem)
        else:
            log.info("connected to Asterisk at %s as application %r", self.ari.origin, self.ari.app_name)
        self._problem = problem
        self.bus.tell(SUPERVISOR, Problem(text=problem))

    async def _hear(self, event: AriEvent) -> None:
        channel = event.channel
        match event.type:
            case "StasisStart" if channel is not None:
                self._stasis_start(channel)
            case "StasisEnd" | "ChannelDestroyed" | "ChannelHangupRequest" if channel is not None:
                self._channel_ended(event, channel)
            case "ChannelDtmfReceived" if channel is not None:
                self.calls.tell(channel.id, DigitPressed(event.digit))
            case "BridgeDestroyed" if event.bridge is not None:
                session = self.calls.store.of_bridge(event.bridge.id)
                if session is not None:
                    self.calls.tell(session.call_id, BridgeGone())
            case "ApplicationReplaced":
                await self.stream.stand_aside()

    def _stasis_start(self, channel: Channel) -> None:
        session = self.calls.store.of_channel(channel.id)
        if not is_media_channel(channel.id):
            self._arrive(channel)
        elif session is not None:
            self.calls.tell(session.call_id, MediaLegArrived(channel.id))
        else:
            self._clean(RemoveChannel(channel.id))

    def _channel_ended(self, event: AriEvent, channel: Channel) -> None:
        cause = event.cause_txt or (f"cause {event.cause}" if event.cause else "no cause given")
        session = self.calls.store.of_channel(channel.id)
        if is_media_channel(channel.id):
            if session is not None and event.type != "ChannelHangupRequest":
                self.calls.tell(session.call_id, MediaLegEnded(channel.id, cause))
            return
        self._ended_meanwhile.add(channel.id)
        self.calls.forget_successor(channel.id)
        self.calls.tell(channel.id, CallerLeft(f"the caller hung up ({cause})"))

    def _arrive(self, channel: Channel) -> None:
        session = self.calls.store.get(channel.id)
        if session is not None and session.departure is None and not session.cause:
            return  # known already: the comparison was faster than the event
        self._ended_meanwhile.discard(channel.id)
        self.calls.begin(
            Session(
                call_id=channel.id,
                rate=16000 if self.settings.audiosocket.format == "slin16" else 8000,
                arrived_ns=time.monotonic_ns(),
                caller_number=channel.caller.number,
                caller_name=channel.caller.name,
                fallback=_place(self.settings.transfers.on_failure),
                digits_in_media=self._digits_in_media,
            )
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
        before = {session.call_id: session for session in self.calls.store}
        self._ended_meanwhile.clear()
        listed = await self.bus.expect(SUPERVISOR, ListCalls(), CallList, within=LIST_S)
        found = Found(
            app_name=self.ari.app_name,
            channels=tuple(await self.ari.channels()),
            bridges=tuple(await self.ari.bridges()),
            calls=listed.calls,
            alone=not self.stream.replaced,
        )
        self._digits_in_media = sends_digits(await self.ari.version())
        fallback = _place(self.settings.transfers.on_failure)
        verdicts = compare(
            found, before, self.calls.store, self._ended_meanwhile, time.monotonic_ns(), fallback=fallback
        )
        for verdict in verdicts:
            self._execute(verdict)
        self._compared = True

    def _execute(self, verdict: Verdict) -> None:
        match verdict:
            case Tell(call_id=call_id, event=event):
                self.calls.tell(call_id, event)
            case Adopt(session=session):
                log.info("%s: goes on after a restart of call-control", session.call_id)
                self.calls.begin(session)
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
            for call in listed.calls:
                if call.call_id.startswith(DIRECT_PREFIX) and self.calls.store.get(call.call_id) is None:
                    self.calls.begin(remade_direct(call, time.monotonic_ns()))
            return

    # -- bus -----------------------------------------------------------------------------------------------------------

    async def _offer_media(self, sender: str, offer: OfferMedia) -> Message | None:
        if not self.settings.audiosocket.direct_calls:
            raise Refused("direct calls are switched off (audiosocket.direct_calls)")
        call_id = direct_call_id(offer.media_uuid)
        if self.calls.store.get(call_id) is not None:
            raise Refused(f"there is a call with media UUID {offer.media_uuid} already")
        request, reply = self.calls.request()
        self.calls.begin(
            Session(
                call_id=call_id,
                rate=DIRECT_RATE,
                arrived_ns=time.monotonic_ns(),
                direct=True,
                direct_uuid=offer.media_uuid,
                agent="",
                offer=request,
            )
        )
        return answer(await reply)

    async def _hang_up(self, sender: str, command: HangUp) -> Message | None:
        """A call that is over needs no hang-up; one that has not been adopted yet cannot be found."""
        if not self.calls.tell(command.call_id, HangUpAsked(command.reason)):
            self._refuse_if_blind(command.call_id)
        return None

    async def _transfer(self, sender: str, command: Transfer) -> Message | None:
        """Destination "" is `transfers.on_failure`: for an agent that has nothing left to answer with."""
        destinations = self.settings.transfers.destinations
        if command.destination and command.destination not in destinations:
            known = ", ".join(sorted(destinations)) or "none"
            raise Refused(f"transfers.destinations has no {command.destination!r}; it has: {known}")
        place = _place(destinations.get(command.destination, self.settings.transfers.on_failure))
        request, reply = self.calls.request()
        status = "" if command.destination else "FAILED"
        asked = TransferAsked(command.destination or "on_failure", place, request, status)
        if not self.calls.tell(command.call_id, asked):
            self._refuse_if_blind(command.call_id)
            raise Refused(f"call {command.call_id} is over")
        return answer(await reply)

    def _refuse_if_blind(self, call_id: str) -> None:
        if not self._compared and not call_id.startswith(DIRECT_PREFIX):
            raise Refused(f"call {call_id} is not known yet: Asterisk has not been asked", busy=True)

    async def _media_changed(self, sender: str, change: MediaChanged) -> None:
        event: Event = MediaAttached(moved=change.state == "moved")
        if change.state == "lost":
            event = MediaLost(change.reason)
        self.calls.tell(change.call_id, event)

    async def _actor_changed(self, sender: str, change: ActorChanged) -> None:
        """`dead` is no news: the supervisor starts it again, and it goes on from the calls' journals."""
        if change.role != "conversation" or change.state != "degraded":
            return
        for session in self.calls.store:
            if self.hands.conversation(session.call_id) == change.name:
                self.calls.tell(session.call_id, ConversationLost(change.reason or f"{change.name} is degraded"))


def _place(destination: Destination | None) -> Place | None:
    if destination is None:
        return None
    return Place(destination.context, destination.extension, destination.priority)
