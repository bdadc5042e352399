"""What others want of call-control over the bus, and how a call begins.

What changes the course of a call goes through its state machine, which answers; what only asks or tells Asterisk
something, and changes nothing that we keep, is done here.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec.structs import replace

from actors.call_control.ari import Ari, AriError
from actors.call_control.calls import Calls, answer
from actors.call_control.commands import Place
from actors.call_control.events import (
    AnswerAsked,
    ConsultAsked,
    ConsultDecided,
    Event,
    HangUpAsked,
    HoldAsked,
    ResultSet,
    TransferAsked,
)
from actors.call_control.hands import Hands
from actors.call_control.sessions import DIRECT_PREFIX, OUTBOUND_PREFIX, OutboundCall, Session, Stage, direct_call_id
from config.schema import Destination, Settings
from ipc import media_uuid
from ipc.actions import (
    AnswerCall,
    AskExtension,
    CallPlaced,
    CancelConsult,
    Consult,
    DecideConsult,
    ExtensionState,
    HoldCaller,
    PlaceCall,
    RecordCall,
    SendDigits,
    SetResult,
)
from ipc.bus import Bus, Refused
from ipc.messages import HangUp, Message, OfferMedia, Transfer

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_S = 1.0
"""For what is good to know or to have said, and for which no caller shall wait: is a place there, a result."""

DIRECT_RATE = 8000
"""The dialplan application AudioSocket knows no other (apps/app_audiosocket.c)."""

OCCUPIED = frozenset({"BUSY", "UNAVAILABLE", "INVALID", "INUSE", "RINGING", "RINGINUSE", "ONHOLD", "HOLDINUSE"})
"""States of an extension or a device at which nobody would answer soon (main/devicestate.c, EXTENSION_STATE())."""

KEYS = frozenset("0123456789*#ABCDabcdwW")
"""What can be pressed; `w` is a pause of half a second."""
MOST_KEYS = 64

NUMBER = frozenset("0123456789+*#-() .ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
"""Of a number that we call. Anything else could end the dial string and begin another."""


class Requests:
    def __init__(self, bus: Bus, settings: Settings, ari: Ari, calls: Calls, hands: Hands, prefix: str) -> None:
        self._bus = bus
        self._settings = settings
        self._ari = ari
        self._calls = calls
        self._hands = hands
        self._prefix = prefix
        self.compared = False
        """Asterisk has been asked which calls there are."""

    def listen(self) -> None:
        on = self._bus.on
        on(OfferMedia, self._offer_media)
        on(HangUp, self._hang_up)
        on(Transfer, self._transfer)
        on(Consult, self._consult)
        on(DecideConsult, self._decide)
        on(CancelConsult, self._cancel)
        on(HoldCaller, self._hold)
        on(AnswerCall, self._answer)
        on(SetResult, self._set_result)
        on(SendDigits, self._send_digits)
        on(RecordCall, self._record)
        on(AskExtension, self._ask_extension)
        on(PlaceCall, self._place_call)

    def session(self, call_id: str, caller_number: str = "", caller_name: str = "") -> Session:
        """A call that begins now, with what the settings say of every call."""
        settings = self._settings
        return Session(
            call_id=call_id,
            rate=8000,
            arrived_ns=time.monotonic_ns(),
            caller_number=caller_number,
            caller_name=caller_name,
            fallback=place(settings.transfers.on_failure),
            failure_sound=settings.failure.sound,
            sound_ns=int(settings.failure.longest_s * 1e9),
            arrive_ns=int(settings.media.connect_s * 1e9),
            digits_in_media=self._hands.abilities.digits,
            transports=settings.media.transports,
        )

    # -- calls that begin ----------------------------------------------------------------------------------------------

    async def _offer_media(self, sender: str, offer: OfferMedia) -> Message | None:
        if not self._settings.audiosocket.direct_calls:
            raise Refused("direct calls are switched off (audiosocket.direct_calls)")
        call_id = direct_call_id(offer.media_uuid)
        if self._calls.store.get(call_id) is not None:
            raise Refused(f"there is a call with media UUID {offer.media_uuid} already")
        request, reply = self._calls.request()
        self._calls.begin(
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

    async def _place_call(self, sender: str, command: PlaceCall) -> Message:
        if not self.compared:
            raise Refused("Asterisk has not been reached yet", busy=True)
        if not command.number or not NUMBER.issuperset(command.number) or len(command.number) > MOST_KEYS:
            raise Refused(f"{command.number!r} cannot be dialled: letters, digits and + * # - ( ) . only")
        settings = self._settings.outbound
        call_id = f"{self._prefix}{OUTBOUND_PREFIX}{media_uuid.make()}"
        request, reply = self._calls.request()
        said = {"AI_AUDIO_PROFILE": command.profile, "AI_PROVIDER": command.provider, "AI_AGENT": command.agent}
        chosen = self._hands.choose({name: value for name, value in said.items() if value})
        session = self.session(call_id, caller_number=command.number)
        self._calls.begin(
            replace(
                session,
                agent=command.agent,
                provider=command.provider,
                rate=chosen.rate,
                transports=chosen.transports,
                playback=chosen.playback,
                variables=command.variables,
                outbound=OutboundCall(
                    number=command.number,
                    endpoint=settings.endpoint.replace("{number}", command.number),
                    caller_id=settings.caller_id,
                    ring_s=settings.ring_s,
                    request=request,
                    variables=command.variables,
                ),
            )
        )
        answer(await reply)
        return CallPlaced(call_id=call_id)

    # -- calls that go on ----------------------------------------------------------------------------------------------

    async def _hang_up(self, sender: str, command: HangUp) -> Message | None:
        """A call that is over needs no hang-up; one that has not been adopted yet cannot be found."""
        if not self._calls.tell(command.call_id, HangUpAsked(command.reason)):
            self._refuse_if_blind(command.call_id)
        return None

    async def _transfer(self, sender: str, command: Transfer) -> Message | None:
        """Destination "" is `transfers.on_failure`: for an agent that has nothing left to answer with."""
        wanted = command.destination
        destination = self._destination(wanted) if wanted else self._settings.transfers.on_failure
        if destination is not None and not await self._exists(command.call_id, destination):
            if wanted:
                raise Refused(f"{destination.extension}@{destination.context} is not in the dialplan")
            destination = None
        name, status = (wanted, "TRANSFERRED") if wanted else ("on_failure", "FAILED")
        sound = "" if wanted or command.announced else self._settings.failure.sound
        variables = destination.variables if destination else {}
        return await self._ask(
            command.call_id,
            lambda request: TransferAsked(name, place(destination), request, status, variables, sound),
        )

    async def _consult(self, sender: str, command: Consult) -> Message | None:
        destination = self._destination(command.destination)
        return await self._ask(
            command.call_id,
            lambda request: ConsultAsked(
                destination=command.destination,
                endpoint=f"Local/{destination.extension}@{destination.context}/n",
                uuid=media_uuid.make(),
                ring_s=destination.ring_s,
                decide_s=destination.decide_s,
                request=request,
            ),
        )

    async def _decide(self, sender: str, command: DecideConsult) -> Message | None:
        accepted, reason = command.accepted, command.reason
        return await self._ask(command.call_id, lambda request: ConsultDecided(accepted, reason, request))

    async def _cancel(self, sender: str, command: CancelConsult) -> Message | None:
        return await self._ask(command.call_id, lambda request: ConsultDecided(False, "cancelled", request))

    async def _hold(self, sender: str, command: HoldCaller) -> Message | None:
        return await self._ask(command.call_id, lambda request: HoldAsked(command.on, request))

    async def _answer(self, sender: str, command: AnswerCall) -> Message | None:
        return await self._ask(command.call_id, lambda request: AnswerAsked(request))

    async def _set_result(self, sender: str, command: SetResult) -> Message | None:
        """Kept until the caller leaves, and set at once, too: who hangs up leaves no time, and `h` is to know."""
        if not self._calls.tell(command.call_id, ResultSet(command.variables)):
            self._refuse_if_blind(command.call_id)
        session = self._calls.store.get(command.call_id)
        if session is not None and session.stage is Stage.TALKING and not session.direct:
            with contextlib.suppress(AriError, TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await self._ari.set_variables(self._hands.channel(session.call_id), command.variables)
        return None

    # -- errands to Asterisk -------------------------------------------------------------------------------------------

    async def _send_digits(self, sender: str, command: SendDigits) -> Message | None:
        if not command.digits or not KEYS.issuperset(command.digits) or len(command.digits) > MOST_KEYS:
            raise Refused(f"{command.digits!r} cannot be pressed: up to {MOST_KEYS} of 0-9 * # A-D, and w for a pause")
        session = self._talking(command.call_id)
        await _asterisk(self._ari.send_digits(self._hands.channel(session.call_id), command.digits))
        return None

    async def _record(self, sender: str, command: RecordCall) -> Message | None:
        """In Asterisk's own spool, as `ringmaster/<call id>.wav`. It ends with the bridge."""
        session = self._talking(command.call_id)
        name = recording_name(session.call_id)
        if command.on:
            await _asterisk(self._ari.record_bridge(session.bridge_id, name, "wav"))
        else:
            await _asterisk(self._ari.stop_recording(name))
        return None

    async def _ask_extension(self, sender: str, command: AskExtension) -> Message:
        destination = self._destination(command.destination)
        session = self._talking(command.call_id)
        question = f"EXTENSION_STATE({destination.extension}@{destination.context})"
        if destination.device:
            question = f"DEVICE_STATE({destination.device})"
        state = await _asterisk(self._ari.variable(self._hands.channel(session.call_id), question)) or "UNKNOWN"
        return ExtensionState(state=state, reachable=state not in OCCUPIED)

    async def _exists(self, call_id: str, destination: Destination) -> bool:
        """Whether the dialplan has the place: Asterisk takes a caller to one that it has not, too, and hangs up there.
        Where it does not tell, it is taken at its word."""
        session = self._calls.store.get(call_id)
        if session is None or session.direct:
            return True
        question = f"DIALPLAN_EXISTS({destination.context},{destination.extension},{destination.priority})"
        try:
            async with asyncio.timeout(ANSWER_S):
                exists = await self._ari.variable(self._hands.channel(call_id), question) != "0"
        except (AriError, TimeoutError):
            return True
        if not exists:
            at = f"{destination.extension}@{destination.context}, priority {destination.priority}"
            log.warning("call %s cannot go to %s: the dialplan has no such place (`ringmaster doctor`)", call_id, at)
        return exists

    # -- common --------------------------------------------------------------------------------------------------------

    async def _ask(self, call_id: str, event: Callable[[int], Event]) -> Message | None:
        reply = self._calls.ask(call_id, event)
        if reply is None:
            self._refuse_if_blind(call_id)
            raise Refused(f"call {call_id} is over")
        return answer(await reply)

    def _talking(self, call_id: str) -> Session:
        session = self._calls.store.get(call_id)
        if session is None or session.stage is not Stage.TALKING or session.direct:
            self._refuse_if_blind(call_id)
            raise Refused(f"call {call_id} is not in a state for that: {session.stage if session else 'over'}")
        return session

    def _destination(self, name: str) -> Destination:
        destinations = self._settings.transfers.destinations
        destination = destinations.get(name)
        if destination is None:
            known = ", ".join(sorted(destinations)) or "none"
            raise Refused(f"transfers.destinations has no {name!r}; it has: {known}")
        return destination

    def _refuse_if_blind(self, call_id: str) -> None:
        if not self.compared and not call_id.startswith(DIRECT_PREFIX):
            raise Refused(f"call {call_id} is not known yet: Asterisk has not been asked", busy=True)


def place(destination: Destination | None) -> Place | None:
    if destination is None:
        return None
    return Place(destination.context, destination.extension, destination.priority)


def recording_name(call_id: str) -> str:
    return f"ringmaster/{call_id}"


async def _asterisk(question: Awaitable[T]) -> T:
    """Raises `Refused` for what Asterisk does not do."""
    try:
        return await question
    except AriError as error:
        raise Refused(str(error)) from error
