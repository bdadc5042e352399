"""The bench's side of the generators: start them, give them calls, ask what a caller heard.

`Callers` is also the stand-in's studio (`bench.asterisk.media.lending`): calls over ARI get their media socket from
there, calls straight over AudioSocket connect here. Either way a connected socket whose UUID has been sent goes to the
generator with the fewest calls.
"""

import asyncio
import contextlib
import random
import socket
import sys
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bench.asterisk import Asterisk, Phone
from bench.load import figures
from bench.load.frames import CALL_MASK
from bench.load.orders import Heard, Leave, Order, Over, Ready, Say, Speak, Take, pack, unpack
from bench.load.sheet import ROWS, Row, Sheet
from ipc import descriptors

START_S = 10.0
"""For a generator to start: Python and NumPy take 0.3 s on an idle core."""
CONNECT_S = 5.0
UUID_HEADER = b"\x01\x00\x10"

SPEECH_EVERY = 250
"""Frames: a caller who interrupts does so every 5 s."""


class NoGenerator(Exception):
    """A generator did not start or has died. The text says which."""


class NotServed(Exception):
    """The call ended before a first frame came. The text says how."""


@dataclass(frozen=True)
class Manner:
    """How the callers of a bench behave.

    marks:        every frame carries a mark, for an agent that gives callers their own voice back
    speech_every: frames from one onset of 0.6 s of speech to the next; 0 never
    listens:      they talk with the agent (`Call.say`): what is below -50 dBFS is no sound
    random_phase: the calls' grids lie at random within 20 ms, seeded; else as far from each other as can be
    """

    marks: bool = True
    speech_every: int = 0
    random_phase: bool = False
    listens: bool = False


@dataclass(eq=False)
class _Process:
    process: asyncio.subprocess.Process
    control: socket.socket
    granted: str = ""
    stamped: bool = False
    calls: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    outbox: deque[tuple[bytes, socket.socket | None]] = field(default_factory=deque)


class Call:
    """One caller. Times in monotonic ns, 0 for what has not happened.

    phone:      of a call over ARI
    media_uuid: "" until the media connection is there
    began_ns:   StasisStart, or the connection of a call straight over AudioSocket
    first_ns:   the first frame arrived
    over_ns:    the generator's connection ended
    by_agent:   the agent ended it
    """

    def __init__(self, callers: "Callers", phone: Phone | None = None) -> None:
        self.phone = phone
        self.media_uuid = ""
        self.over = asyncio.Event()
        self.by_agent = False
        self.over_ns = self.first_ns = self.hung_up_ns = 0
        self.why = ""
        self.number = -1
        """Of its row; -1 while it has none."""
        self._callers = callers
        self._connected_ns = 0
        self._up = asyncio.Event()

    @property
    def began_ns(self) -> int:
        return self.phone.entered_ns if self.phone is not None else self._connected_ns

    @property
    def row(self) -> Row:
        """What is written down of it. Only once it is up."""
        return self._callers.sheet.row(self.number)

    @property
    def is_up(self) -> bool:
        """It has heard a first frame and its microphone is open."""
        return self._up.is_set() and not self.over.is_set()

    async def up(self, within: float = 10.0) -> None:
        """Until `is_up`. Raises `NotServed` when the call ends instead, or `TimeoutError`."""
        async with asyncio.timeout(within):
            await self._up.wait()
        if self.first_ns == 0 or self.over.is_set():
            raise NotServed(self.why or "the call ended before the agent's first frame")

    def heard(self, begin_ns: int, end_ns: int) -> figures.Heard:
        """What the caller heard between two times, and what became of what it said."""
        return figures.heard(self.row, begin_ns, end_ns)

    def say(self, wire: bytes) -> None:
        """Speaks these AudioSocket frames, one after the other: `Head.LINES` counts when it has (`orders.Say`)."""
        self._callers.say(self, wire)

    def hang_up(self) -> None:
        """ARI: the phone puts the receiver down. Direct: the connection is closed. `over` follows."""
        self.hung_up_ns = self.hung_up_ns or figures.now_ns()
        if self.phone is not None:
            self.phone.hang_up()
        else:
            self._callers.leave(self)

    def forget(self) -> None:
        """The row may be used again. Only after `over`."""
        self._callers.forget(self)

    # -- what the callers tell it

    def came_up(self) -> None:
        self._up.set()

    def ended(self, why: str) -> None:
        self.why = self.why or why
        self._up.set()
        self.over.set()


class _Borrowed:
    """A call over ARI that has its media, before and after it is known whose it is (`lending.Loan`)."""

    def __init__(self, callers: "Callers", call: Call, ended: Callable[[], None]) -> None:
        self.call = call
        self.ended = ended
        self._callers = callers

    def bridged(self, others: Sequence[str]) -> None:
        self._callers.bind(self, others)

    def close(self) -> None:
        self._callers.leave(self.call)


class Callers:
    """Generators and their calls. A context manager: entered when the generators are ready."""

    def __init__(self, manner: Manner | None = None, processes: int = 1, seed: int = 1, rows: int = ROWS) -> None:
        self.manner = manner or Manner()
        self.sheet = Sheet.create(rows)
        self._wanted = processes
        self._processes: list[_Process] = []
        self._free = deque(range(rows))
        self._numbers = 0
        self._chance = random.Random(seed)
        self._calls: dict[int, Call] = {}  # by row
        self._of: dict[int, _Process] = {}  # by row
        self._borrowed: dict[int, _Borrowed] = {}  # by row
        self._phones: dict[str, Call] = {}  # by channel, until the media is there
        self._watches: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        try:
            for _ in range(self._wanted):
                self._processes.append(await self._start())
            async with asyncio.timeout(START_S):
                for process in self._processes:
                    await process.ready.wait()
        except TimeoutError:
            await self.__aexit__(None, None, None)
            raise NoGenerator(f"a generator was not ready within {START_S:g} s") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for process in self._processes:
            loop.remove_reader(process.control)
            loop.remove_writer(process.control)
            process.control.close()  # which is the end of the generator
        for process in self._processes:
            await process.process.wait()
        for watch in self._watches:
            watch.cancel()
        self._processes.clear()
        self.sheet.close()

    async def _start(self) -> _Process:
        near, far = descriptors.pair()
        with far:
            given = (far.fileno(), self.sheet.descriptor)
            started = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.load.generator", *map(str, given), pass_fds=given
            )
        near.setblocking(False)
        process = _Process(started, near)
        asyncio.get_running_loop().add_reader(near, self._hear, process)
        return process

    # -- how the generators are

    @property
    def pids(self) -> list[int]:
        return [process.process.pid for process in self._processes]

    @property
    def granted(self) -> str:
        return ", ".join(sorted({process.granted for process in self._processes}))

    @property
    def clock(self) -> str:
        """By which arrivals are timed."""
        return "kernel" if all(process.stamped for process in self._processes) else "reading"

    @property
    def calls(self) -> list[Call]:
        """All that have a row, ended ones that are not forgotten included."""
        return list(self._calls.values())

    def health(self, begin_ns: int, end_ns: int, cpu_percent: float = 0.0) -> figures.Health:
        """How late the generators themselves were. cpu_percent: of the busiest, of one core."""
        return figures.health([call.row for call in self._calls.values()], begin_ns, end_ns, cpu_percent)

    # -- calls

    async def direct(self, port: int, host: str = "127.0.0.1") -> Call:
        """A caller straight over AudioSocket, without ARI. Raises `OSError` when nobody listens there."""
        connection = socket.socket()
        connection.setblocking(False)
        with connection:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().sock_connect(connection, (host, port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
            call = Call(self)
            call._connected_ns = figures.now_ns()
            name = uuid.uuid4()
            connection.send(UUID_HEADER + name.bytes)
            self._take(call, str(name), connection)
        self._order(call, Speak(row=call.number))
        return call

    def dial(self, asterisk: Asterisk, extension: str = "1000", context: str = "inbound") -> Call:
        """A phone calls in over the stand-in, which was made with `media=` this."""
        phone = asterisk.dial(extension, context=context, keep_sound=False)
        call = Call(self, phone)
        self._phones[phone.id] = call
        watch = asyncio.ensure_future(self._watch(call, phone))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return call

    async def _watch(self, call: Call, phone: Phone) -> None:
        """A phone whose call never had media ends all the same."""
        await phone.ended.wait()
        self._phones.pop(phone.id, None)
        if call.number < 0:
            status = phone.variables.get("AGENT_STATUS", "")
            call.over_ns = figures.now_ns()
            call.by_agent = call.hung_up_ns == 0
            call.ended(f"no media came{f': AGENT_STATUS={status}' if status else ''} (cause {phone.cause})")

    def lend(self, call: uuid.UUID, connection: socket.socket, ended: Callable[[], None]) -> _Borrowed:
        """For the stand-in (`lending.Studio`)."""
        taken = Call(self)
        self._take(taken, str(call), connection)
        borrowed = self._borrowed[taken.number] = _Borrowed(self, taken, ended)
        return borrowed

    def bind(self, borrowed: _Borrowed, others: Sequence[str]) -> None:
        """The media leg is in a bridge with these channels: the phone among them is whose it is, and may speak now."""
        media = borrowed.call
        for channel in others:
            call = self._phones.pop(channel, None)
            if call is None or media.number not in self._calls or self._calls[media.number] is not media:
                continue
            call.number, call.media_uuid, call.first_ns = media.number, media.media_uuid, media.first_ns
            borrowed.call = self._calls[media.number] = call
            self._order(call, Speak(row=call.number))
            if call.first_ns:
                call.came_up()

    def say(self, call: Call, wire: bytes) -> None:
        if not call.over.is_set() and call.number in self._of:
            self._order(call, Say(row=call.number, wire=wire))

    def leave(self, call: Call) -> None:
        if not call.over.is_set() and call.number in self._of:
            self._order(call, Leave(row=call.number))

    def forget(self, call: Call) -> None:
        if call.over.is_set() and self._calls.get(call.number) is call:
            del self._calls[call.number]
            self._free.append(call.number)

    def _take(self, call: Call, media_uuid: str, connection: socket.socket) -> None:
        if not self._free:
            raise NoGenerator(f"the sheet has no row left of {self.sheet.rows}: `forget` calls that are over")
        process = min(self._processes, key=lambda process: process.calls)
        process.calls += 1
        call.number, call.media_uuid = self._free.popleft(), media_uuid
        self._calls[call.number], self._of[call.number] = call, process
        call.row.begin(self._numbers & CALL_MASK)
        every = self.manner.speech_every
        # Staggered: the first onset is one to two periods away, so that no two callers speak up together for long.
        first = every + (self._numbers * 37) % every if every else 0
        take = Take(
            row=call.number,
            marks=self.manner.marks,
            phase=self._phase(),
            speech_every=every,
            speech_first=first,
            listens=self.manner.listens,
        )
        self._numbers += 1
        self._send(process, pack(take), connection.dup())

    def _phase(self) -> float:
        """The golden ratio puts each further point into the middle of the widest gap, however many there will be."""
        return self._chance.random() if self.manner.random_phase else self._numbers * 0.6180339887498949 % 1.0

    # -- between the processes

    def _order(self, call: Call, order: Order) -> None:
        self._send(self._of[call.number], pack(order), None)

    def _send(self, process: _Process, packet: bytes, connection: socket.socket | None) -> None:
        process.outbox.append((packet, connection))
        if len(process.outbox) == 1:
            self._flush(process)

    def _flush(self, process: _Process) -> None:
        loop = asyncio.get_running_loop()
        while process.outbox:
            packet, connection = process.outbox[0]
            try:
                socket.send_fds(process.control, [packet], [connection.fileno()] if connection else [])
            except BlockingIOError:
                loop.add_writer(process.control, self._flush, process)
                return
            except OSError:
                break  # it is gone: reading says so
            if connection is not None:
                connection.close()
            process.outbox.popleft()
        loop.remove_writer(process.control)

    def _hear(self, process: _Process) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, _ = descriptors.receive_packet(process.control)
                if not packet:
                    self._lost(process)
                    return
                self._understand(process, unpack(packet))

    def _understand(self, process: _Process, order: Order) -> None:
        if isinstance(order, Ready):
            process.granted, process.stamped = order.granted, order.stamped
            process.ready.set()
        elif isinstance(order, Heard):
            call = self._calls[order.row]
            call.first_ns = order.at_ns
            # A call over ARI is up when it may speak as well; until then nobody knows whose it is.
            if call.phone is not None or order.row not in self._borrowed:
                call.came_up()
        elif isinstance(order, Over):
            self._over(process, order)

    def _over(self, process: _Process, order: Over) -> None:
        call = self._calls[order.row]
        process.calls -= 1
        del self._of[order.row]
        call.over_ns, call.by_agent = order.at_ns, order.by_agent
        call.ended(order.detail)
        borrowed = self._borrowed.pop(order.row, None)
        if borrowed is not None:
            if order.by_agent:
                borrowed.ended()
            if call.phone is None:
                self.forget(call)  # it was never anybody's

    def _lost(self, process: _Process) -> None:
        asyncio.get_running_loop().remove_reader(process.control)
        for row, owner in list(self._of.items()):
            if owner is process:
                now = figures.now_ns()
                self._over(process, Over(row=row, at_ns=now, by_agent=False, detail="the generator has died"))
