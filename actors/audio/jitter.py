"""Packets that come late, twice, in another order or never: made into one stream again. Pure: it is told the time.

Nobody plays what goes into the ear, it is read. So this buffer holds nothing back that can go on: a packet whose turn
it is leaves at once, and only a hole is waited for, because the packet that belongs there may still come. How long:

    expected = when the missing packet would have come on the fastest way seen lately
    waited until: expected + wait, where 20 ms <= wait <= what the settings allow

`wait` grows at once with the jitter that is seen, and shrinks within seconds when the line is good. "The fastest way
lately" is the least of (arrival - time stamp) in the last 5 to 10 s, so a sender whose clock is faster or slower than
ours changes nothing: what is followed is the sender's own time.

Asterisk's own habits (all seen in its source): time stamps jump when a caller's stream changes or pauses, while
sequence numbers go on by one: that is no loss. Sequence numbers that jump are a loss up to 100 packets; beyond it is
another stream. SSRC is the business of whoever calls: `restart`.
"""

from dataclasses import dataclass

LEAST_WAIT_NS = 20_000_000
"""A missing packet is waited for at least until the next one after it would have come: reordering of neighbours."""

MARGIN_NS = 5_000_000
"""On top of the jitter that was seen."""

WINDOW_NS = 5_000_000_000
"""The fastest way is that of the present window and the one before. A sender's clock that is off by 200 ppm moves by
2 ms in that time."""

FORGET = 256
"""Packets in which the jitter that was seen falls to 37 % of its excess: 5 s of 20 ms each."""

FARTHEST = 100
"""Packets. Asterisk hands on gaps of another stream's numbers up to this, and a gap that is larger is a new stream."""

UNKNOWN = 3
"""Packets that are made up for at most where time stamps do not say how much was lost."""


@dataclass(slots=True)
class Hole:
    """Packets that never came, or too late."""

    units: int
    """How long they were, in units of the time stamp."""


@dataclass(slots=True)
class LineReport:
    """What a line did with the packets."""

    released: int = 0
    lost: int = 0
    """Never came, or not in time."""
    late: int = 0
    """Of the lost ones, those that came after all."""
    duplicate: int = 0
    reordered: int = 0
    """Were overtaken, and came in time all the same."""
    restarts: int = 0
    """Times that the sender began a new stream."""


@dataclass(slots=True)
class _Held:
    timestamp: int
    units: int
    payload: bytes
    arrived_ns: int


class JitterBuffer:
    """One direction of one call."""

    def __init__(self, units_per_s: int, longest_wait_ms: int) -> None:
        self._unit_ns = 1_000_000_000 / units_per_s
        self._longest_ns = longest_wait_ms * 1_000_000
        self._out: list[bytes | Hole] = []
        self._held: dict[int, _Held] = {}
        """By sequence number: packets behind a hole."""
        self._next = -1
        """Sequence number of the next packet; -1 before the first."""
        self._next_stamp = 0
        """The time stamp it should bear (32 bits), if the stream simply goes on."""
        self._units = 0
        """How long a packet is, as the last one was."""
        self._given_up: set[int] = set()
        self._stranger: tuple[int, _Held] | None = None
        """A packet from far outside; the next one says whether it began a new stream."""
        self._position = 0
        """Units since the beginning of the present spurt, of the next packet."""
        self._fastest = self._fastest_before = self._window_began = 0
        self._base_ns = 0
        """When a packet at position 0 would have come on the fastest way."""
        self.jitter_ns = 0.0
        """How much later than on the fastest way packets have come lately: the worst of them, slowly forgotten."""
        self.report = LineReport()

    @property
    def wait_ns(self) -> int:
        """How long after its time a missing packet is still waited for."""
        wanted = int(self.jitter_ns) + MARGIN_NS
        return min(max(wanted, LEAST_WAIT_NS), max(self._longest_ns, LEAST_WAIT_NS))

    # -- in

    def put(self, sequence: int, timestamp: int, units: int, payload: bytes, now_ns: int) -> None:
        """A packet has come: `sequence` of 16 bits, `timestamp` of 32, `units` the time it lasts."""
        ahead = (sequence - self._next) & 0xFFFF
        if self._next < 0:
            self._begin(sequence, timestamp, now_ns)
            ahead = 0
        if ahead == 0:
            self._release(timestamp, units, payload, now_ns)
            if self._held:
                self.report.reordered += 1
                self._go_on()
        elif ahead <= FARTHEST:
            self._hold(sequence, _Held(timestamp, units, payload, now_ns))
        elif ahead >= 0x10000 - FARTHEST:
            self._too_late(sequence, timestamp, now_ns)
        else:
            self._doubt(sequence, _Held(timestamp, units, payload, now_ns))

    def _hold(self, sequence: int, packet: _Held) -> None:
        if sequence in self._held:
            self.report.duplicate += 1
            return
        self._held[sequence] = packet

    def _too_late(self, sequence: int, timestamp: int, now_ns: int) -> None:
        if sequence not in self._given_up:
            self.report.duplicate += 1
            return
        self._given_up.discard(sequence)
        self.report.late += 1
        behind = self._next_stamp - timestamp & 0xFFFFFFFF
        if behind <= FARTHEST * max(self._units, 1):
            # Whoever comes too late shows how long should have been waited.
            self._see(self._position - behind, now_ns)

    def _doubt(self, sequence: int, packet: _Held) -> None:
        """One packet from elsewhere is a stray; two that follow each other are a stream that began anew."""
        if self._stranger is None or self._stranger[0] != (sequence - 1) & 0xFFFF:
            self._stranger = (sequence, packet)
            return
        first, before = self._stranger
        self.restart()
        self.put(first, before.timestamp, before.units, before.payload, before.arrived_ns)
        self.put(sequence, packet.timestamp, packet.units, packet.payload, packet.arrived_ns)

    def restart(self) -> None:
        """What comes next belongs to another stream. What is held leaves, with its holes."""
        while self._held:
            self._give_up()
        if self._next >= 0:
            self.report.restarts += 1
        self._next, self._stranger = -1, None
        self._given_up.clear()

    # -- out

    def take(self, now_ns: int) -> list[bytes | Hole]:
        """What may go on now, in order; mostly nothing or one payload."""
        while self._held and now_ns >= self._due_ns():
            self._give_up()
        out = self._out
        if out:
            self._out = []
        return out

    def _due_ns(self) -> int:
        """When the packet that is missing next is given up."""
        return self._base_ns + int(self._position * self._unit_ns) + self.wait_ns

    def _give_up(self) -> None:
        """The packets before the first that is held are not coming."""
        ahead, sequence = min((sequence - self._next & 0xFFFF, sequence) for sequence in self._held)
        packet = self._held[sequence]
        missing = packet.timestamp - self._next_stamp & 0xFFFFFFFF
        if missing <= (ahead + 1) * max(self._units, packet.units):
            # Also none at all: Asterisk hands on gaps in the numbers of a stream that it has just begun to relay.
            self._next_stamp = packet.timestamp
            self._position += missing
        else:
            # Another spurt: nobody knows how long the missing ones were. A pause has been heard as a pause already.
            missing = min(ahead, UNKNOWN) * self._units
        if missing:
            self._out.append(Hole(missing))
        self.report.lost += ahead
        if len(self._given_up) > FARTHEST:
            self._given_up.clear()
        self._given_up.update(self._next + number & 0xFFFF for number in range(ahead))
        self._next = sequence
        self._go_on()

    def _go_on(self) -> None:
        """Releases what is held and whose turn it is."""
        while packet := self._held.pop(self._next, None):
            self._release(packet.timestamp, packet.units, packet.payload, packet.arrived_ns)

    def _release(self, timestamp: int, units: int, payload: bytes, arrived_ns: int) -> None:
        if timestamp != self._next_stamp:
            self._begin(self._next, timestamp, arrived_ns)
        self._see(self._position, arrived_ns)
        self._out.append(payload)
        self._next = (self._next + 1) & 0xFFFF
        self._next_stamp = (timestamp + units) & 0xFFFFFFFF
        self._position += units
        self._units = units
        self.report.released += 1

    # -- the line

    def _begin(self, sequence: int, timestamp: int, now_ns: int) -> None:
        """A new spurt: its time stamps have nothing to do with the last one's."""
        self._next, self._next_stamp, self._position = sequence, timestamp, 0
        self._fastest = self._fastest_before = self._base_ns = now_ns
        self._window_began = now_ns

    def _see(self, position: int, arrived_ns: int) -> None:
        """Learns from one packet: its way, and how much longer that was than the fastest."""
        way = arrived_ns - int(position * self._unit_ns)
        if arrived_ns - self._window_began > WINDOW_NS:
            self._fastest_before, self._fastest, self._window_began = self._fastest, way, arrived_ns
            self._base_ns = min(self._fastest_before, way)
        elif way < self._fastest:
            self._fastest = way
            self._base_ns = min(self._fastest_before, way)
        excess = min(way - self._base_ns, self._longest_ns)
        if excess >= self.jitter_ns:
            self.jitter_ns = excess
        else:
            self.jitter_ns -= (self.jitter_ns - excess) / FORGET
