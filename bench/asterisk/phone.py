"""A telephone as tests, demo and benches hold it: it calls or is called, speaks, listens, presses keys, hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.asterisk.causes import NORMAL_CLEARING
from bench.asterisk.media.handset import HandsetLeg, Wire, WireLog

if TYPE_CHECKING:
    from bench.asterisk.channel import Channel
    from bench.asterisk.exchange import Exchange

# As in the recording: the telephone-events of one key press spanned 180 ms.
DIGIT_MS = 180
BETWEEN_DIGITS_MS = 100


class Where(NamedTuple):
    """Where a call is in the dialplan, and what runs there."""

    context: str
    exten: str
    priority: int
    app: str
    data: str


class Phone:
    """Belongs to the event loop in which the stand-in was started.

    id, name:      of its channel
    answered:      the call is up
    media_started: the first frame has been heard
    ended:         the call is over; then `cause` is the Q.850 cause, None when Asterisk itself disappeared
    path:          every dialplan line that the call has come to, in order
    variables:     the channel's variables, also after the end
    log:           every frame sent and heard, with its time
    held, ringing: what Asterisk has last told the phone to show
    progress:      early sound was announced (183)
    redirected_to: where `redirect` has sent the phone, "" if it has not; it does not go there by itself, and nothing
                   that is queued for its channel happens before it hangs up (recordings)
    entered_ns:    when StasisStart was last sent for it (monotonic ns), 0 before
    """

    def __init__(self, exchange: Exchange, channel: Channel, leg: HandsetLeg) -> None:
        self.id = channel.id
        self.name = channel.name
        self.answered = asyncio.Event()
        self.media_started = asyncio.Event()
        self.ended = asyncio.Event()
        self.cause: int | None = None
        self.path: list[Where] = []
        self.variables = channel.variables
        self.held = False
        self.ringing = False
        self.progress = asyncio.Event()
        self.redirected_to = ""
        self.entered_ns = 0
        self._exchange = exchange
        self._channel = channel
        self._leg = leg
        self._moved = asyncio.Event()
        self._accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        leg.on_first = lambda: exchange.plane.notify(self.media_started.set)

    # -- speaking and listening -------------------------------------------------------------------------------------

    @property
    def rate(self) -> int:
        """Samples per second: 8000, or 16000 for a wideband phone."""
        return self._leg.rate

    @property
    def frame_bytes(self) -> int:
        """The size of 20 ms: 320 or 640 bytes."""
        return self._leg.frame_bytes

    @property
    def log(self) -> WireLog:
        return self._leg.log

    @property
    def unsaid(self) -> int:
        """How many frames wait for the microphone."""
        return self._leg.waiting()

    def send(self, frame: bytes) -> None:
        """Gives the microphone its next 20 ms of 16-bit PCM; silence goes out whenever it has none."""
        if len(frame) != self.frame_bytes:
            raise ValueError(f"20 ms at {self.rate} Hz are {self.frame_bytes} bytes, not {len(frame)}")
        with self._exchange.plane.lock:
            self._leg.say(frame)

    def say(self, pcm: bytes) -> asyncio.Future[int]:
        """Queues any length of PCM; the future holds when its last frame went out (monotonic ns).

        It stays open if the call ends before; `speak` does not.
        """
        if not pcm:
            raise ValueError("nothing to say")
        said: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def settle(at_ns: int) -> None:
            if not said.done():
                said.set_result(at_ns)

        def spoken(at_ns: int) -> None:
            self._exchange.plane.notify(lambda: settle(at_ns))

        frames = [pcm[at : at + self.frame_bytes] for at in range(0, len(pcm), self.frame_bytes)]
        frames[-1] = frames[-1].ljust(self.frame_bytes, b"\0")
        with self._exchange.plane.lock:
            for frame in frames[:-1]:
                self._leg.say(frame)
            self._leg.say(frames[-1], spoken)
        return said

    async def speak(self, pcm: bytes) -> int | None:
        """Says it and waits until it is out: when its last frame went (monotonic ns), None if the call ended before."""
        said = self.say(pcm)
        over = asyncio.ensure_future(self.ended.wait())
        either: list[asyncio.Future[Any]] = [said, over]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        return said.result() if said.done() else None

    def shut_up(self) -> int:
        """Takes back what was not said yet; how many frames that were. Futures of `say` then stay open."""
        with self._exchange.plane.lock:
            return self._leg.shut_up()

    def on_frame(self, heard: Callable[[Wire], None] | None) -> None:
        """`heard` is called for every frame from now on, in a media thread: it must return at once."""
        with self._exchange.plane.lock:
            self._leg.on_heard = heard

    def listen(self) -> asyncio.Queue[Wire]:
        """A queue of every frame heard from now on. Replaces a callback given to `on_frame`."""
        queue: asyncio.Queue[Wire] = asyncio.Queue()
        self.on_frame(lambda wire: self._exchange.plane.notify(lambda: queue.put_nowait(wire)))
        return queue

    @property
    def digits(self) -> str:
        """The keys that Asterisk has sent to this phone."""
        return self._leg.digits

    # -- doing ------------------------------------------------------------------------------------------------------

    async def press(self, digits: str, duration_ms: int = DIGIT_MS) -> None:
        """Presses keys one after another; returns when the last one is released. No sound goes out meanwhile."""
        for place, digit in enumerate(digits):
            if place:
                await asyncio.sleep(BETWEEN_DIGITS_MS / 1000)
            with self._exchange.plane.lock:
                self._leg.hold_digit(duration_ms / 1000)
            await asyncio.sleep(duration_ms / 1000)
            if not self.ended.is_set():
                self._exchange.digit_received(self._channel, digit, duration_ms)

    def hang_up(self) -> None:
        """The person puts the receiver down. Harmless when the call is over."""
        if not self.ended.is_set():
            self._exchange.phone_hung_up(self._channel)

    def pick_up(self) -> None:
        """Answers a call that rings here."""
        if not self._accepted.done():
            self._accepted.set_result(0)

    def reject(self, cause: int = 21) -> None:
        """Refuses a call that rings here; 21 = rejected, 17 = busy."""
        if not self._accepted.done():
            self._accepted.set_result(cause)

    def hold(self) -> None:
        """The person presses "hold": their phone sends nothing until `resume`."""
        self._holds(True)
        self._exchange.phone_held(self._channel, True)

    def resume(self) -> None:
        self._holds(False)
        self._exchange.phone_held(self._channel, False)

    def _holds(self, held: bool) -> None:
        with self._exchange.plane.lock:
            self._leg.on_hold = held

    def suppress_silence(self, suppressed: bool = True) -> None:
        """The phone sends nothing at all while it is given nothing to say (DTX)."""
        with self._exchange.plane.lock:
            self._leg.suppresses_silence = suppressed

    # -- seeing -----------------------------------------------------------------------------------------------------

    @property
    def where(self) -> Where | None:
        """Where the call is in the dialplan, or was last."""
        return self.path[-1] if self.path else None

    async def reaches(self, context: str, exten: str = "", priority: int = 0) -> Where:
        """Waits until the call has come to a line there ("" and 0: any); returns the first such line.

        LookupError if the call ends before.
        """
        while True:
            for where in self.path:
                if where.context == context and exten in ("", where.exten) and priority in (0, where.priority):
                    return where
            if self.ended.is_set():
                raise LookupError(f"the call ended at {self.where}, and never came to {context},{exten},{priority}")
            self._moved.clear()
            await self._moved.wait()

    # -- what the exchange tells it ---------------------------------------------------------------------------------

    async def decision(self, seconds: float | None) -> int | None:
        """For a call to this phone: 0 when it is answered, a cause when refused, None when nobody does anything."""
        done, _ = await asyncio.wait([self._accepted], timeout=seconds)
        return self._accepted.result() if done else None

    async def redirected(self, resource: str) -> None:
        """Asterisk asks the phone to go elsewhere (REFER), and waits for what becomes of it: until it hangs up."""
        self.redirected_to = resource
        await self.ended.wait()

    def was_told(self, status: str) -> None:
        if status == "RINGING":
            self.ringing = True
        elif status == "PROGRESS":
            self.progress.set()

    def was_answered(self) -> None:
        with self._exchange.plane.lock:
            self._leg.pick_up()
        self.answered.set()

    def was_hung_up(self, cause: int | None) -> None:
        """cause: 0 where nobody set one, which a person would call normal"""
        self.cause = NORMAL_CLEARING if cause == 0 else cause
        self.reject(NORMAL_CLEARING)
        self.ended.set()
        self._moved.set()

    def came_to(self, channel: Channel) -> None:
        self.path.append(Where(*channel.location, channel.app_name, channel.app_data))
        self._moved.set()


class Endpoint:
    """A telephone's registration: `PJSIP/<name>`.

    takes_calls:  whether there is a phone, or callers only
    context:      of the dialplan, that it is configured with; a call to it is shown there
    refuses_with: it does not ring but refuses every call with this cause: 17 = busy, 21 = declined, 34 = congestion,
                  19 = unavailable; 0 = it rings
    state:        what DEVICE_STATE says of it, "" = what it does: "UNAVAILABLE", "ONHOLD", "BUSY" ...
    calls:        the phones that ring, to be answered with `pick_up` or refused
    """

    def __init__(self, name: str, takes_calls: bool) -> None:
        self.name = name
        self.takes_calls = takes_calls
        self.wideband = False
        self.context = "default"
        self.refuses_with = 0
        self.state = ""
        self.calls: asyncio.Queue[Phone] = asyncio.Queue()
