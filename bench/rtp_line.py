"""What is left of a call over RTP in bad weather: the jitter buffer in virtual time, the whole wire on real sockets.

    python -m bench.rtp_line                  ten minutes of virtual time for each weather, then 30 s of the real wire
    python -m bench.rtp_line --seconds 0      virtual time only

Prints for each weather what share of the caller's audio was heard as it was and what share with concealment (up to
60 ms of each loss), how long after the sender's clock the audio was in the ear, and by how much that changed from the
first minute to the last. Exits with 1 unless 5 % of loss with 40 ms of jitter and reordering leave at least 0.99.
"""

import argparse
import heapq
import random
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from actors.audio import rtp
from actors.audio.concealment import SILENT_MS
from actors.audio.jitter import Hole, JitterBuffer
from actors.audio.rtp_wire import RtpWire
from config.media import ExternalMedia
from ipc.messages import AttachMedia
from ipc.rings import FRAME_NS

RATE = 8000
SAMPLES = 160
SECOND_NS = 1_000_000_000
LEAST = 0.99
"""Share of the audio that must be heard, with concealment."""
MOST_DRIFT_MS = 2.0
"""By so much the mean delay may differ between the first and the last minute, whatever the sender's clock does."""


@dataclass(frozen=True)
class Weather:
    name: str
    loss: float = 0.0
    jitter_ms: float = 0.0
    """Each packet takes up to so much longer than the fastest, evenly spread: over 20 ms they overtake each other."""
    spikes: float = 0.0
    """Share of packets that take 200 ms longer."""
    ppm: float = 0.0
    """By how many millionths the sender's clock is slow."""
    strict: bool = False
    """Whether `LEAST` is asked of it."""

    def arrivals(self, packets: int, seed: int) -> list[tuple[int, int]]:
        """When each packet arrives (ns from the beginning) and which it is, in the order of arrival."""
        rng = random.Random(seed)
        found = []
        for number in range(packets):
            sent = self.sent_ns(number)
            delay = 20 + rng.random() * self.jitter_ms + (200 if rng.random() < self.spikes else 0)
            if rng.random() >= self.loss:
                found.append((sent + int(delay * 1e6), number))
        return sorted(found)

    def sent_ns(self, number: int) -> int:
        return int(number * FRAME_NS * (1 + self.ppm / 1e6))


WEATHERS = (
    Weather("clear"),
    Weather("5 % loss", loss=0.05, strict=True),
    Weather("40 ms of jitter", jitter_ms=40, strict=True),
    Weather("5 % loss, 40 ms of jitter", loss=0.05, jitter_ms=40, strict=True),
    Weather("the same, sender 200 ppm slow", loss=0.05, jitter_ms=40, ppm=200, strict=True),
    Weather("the same, sender 200 ppm fast", loss=0.05, jitter_ms=40, ppm=-200, strict=True),
    Weather("5 % loss, 80 ms of jitter", loss=0.05, jitter_ms=80),
    Weather("1 % of spikes of 200 ms", spikes=0.01),
    Weather("20 % loss", loss=0.2),
)


@dataclass
class Heard:
    """What came out."""

    sent: int
    whole: int = 0
    """Packets heard as they were."""
    concealed: int = 0
    """Samples."""
    delays_ms: list[float] = field(default_factory=list)
    """Of each packet that was heard: from the sender's clock to the ear."""

    @property
    def ratio(self) -> float:
        return self.whole / self.sent + self.concealed / (self.sent * SAMPLES)

    @property
    def drift_ms(self) -> float:
        """Mean delay of the last tenth less that of the first."""
        tenth = max(1, len(self.delays_ms) // 10)
        return fmean(self.delays_ms[-tenth:]) - fmean(self.delays_ms[:tenth])


def virtually(weather: Weather, minutes: float, seed: int) -> Heard:
    """The jitter buffer alone, read every 20 ms."""
    packets = int(minutes * 60 * SECOND_NS / FRAME_NS)
    arrivals = weather.arrivals(packets, seed)
    heard = Heard(packets)
    buffer = JitterBuffer(RATE, ExternalMedia().jitter_buffer_ms)
    at = 0
    for tick in range(packets + 50):
        now = tick * FRAME_NS + 7_000_000
        while at < len(arrivals) and arrivals[at][0] <= now:
            number = arrivals[at][1]
            payload = struct.pack("<I", number)
            # Sequence numbers and time stamps wrap in the middle.
            buffer.put(
                (number + 65_000) & 0xFFFF, (number * SAMPLES + (1 << 32) - 9_000) & 0xFFFFFFFF, SAMPLES, payload, now
            )
            at += 1
        for piece in buffer.take(now):
            if isinstance(piece, Hole):
                heard.concealed += min(piece.units, SILENT_MS * RATE // 1000)
            else:
                (number,) = struct.unpack("<I", piece)
                heard.whole += 1
                heard.delays_ms.append((now - weather.sent_ns(number)) / 1e6)
    return heard


class _Ear:
    """Counts what the wire hands on."""

    def __init__(self) -> None:
        self.samples = 0

    def hear(self, pcm: bytes, now_ns: int) -> None:
        self.samples += len(pcm) // 2

    def hear_any(self, pcm: bytes, now_ns: int) -> None:
        self.samples += len(pcm) // 2

    def press(self, digit: str) -> None:
        """Nobody does."""


@dataclass(frozen=True)
class RealRun:
    sent: int
    samples: int
    answered: int
    """Packets that came back, numbered one after the other."""
    cpu_us: float
    """Of the wire, for a frame each way."""


def really(weather: Weather, seconds: float, seed: int) -> RealRun:
    """The wire on real sockets and the real clock; the far end sends as the weather says, and takes what comes back."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
    ):
        for end in (far, ours):
            end.bind(("127.0.0.1", 0))
            end.setblocking(False)
        host, port = far.getsockname()
        attach = AttachMedia(call_id="bench", segment="bench", wire="rtp", codec="ulaw", peer_host=host, peer_port=port)
        ear = _Ear()
        wire = RtpWire(ours, attach, RATE, ExternalMedia(), ear, 0, 0)
        packets = int(seconds * SECOND_NS / FRAME_NS)
        begin = time.monotonic_ns()
        work = [(begin + arrival, number) for arrival, number in weather.arrivals(packets, seed)]
        work += [(begin + tick * FRAME_NS, -1) for tick in range(packets + 50)]
        heapq.heapify(work)
        answered, expected, spent = 0, None, 0
        while work:
            due, number = heapq.heappop(work)
            time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
            if number >= 0:
                payload = bytes([number % 128]) * SAMPLES
                far.sendto(rtp.pack(0, False, number, number * SAMPLES, 1, payload), ours.getsockname())
                continue
            before = time.process_time_ns()
            wire.send_silence(due)
            wire.receive(time.monotonic_ns())
            spent += time.process_time_ns() - before
            came = rtp.parse(memoryview(far.recv(2048))).sequence
            answered += expected is None or came == expected
            expected = (came + 1) & 0xFFFF
        return RealRun(packets, ear.samples, answered, spent / (packets + 50) / 1000)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.rtp_line", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of virtual time")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the real wire")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)
    fine = True
    print(f"{'weather':32} {'as sent':>8} {'with concealment':>17} {'delay mean':>11} {'p99':>7} {'drift':>8}")
    for weather in WEATHERS:
        heard = virtually(weather, options.minutes, options.seed)
        p99 = sorted(heard.delays_ms)[len(heard.delays_ms) * 99 // 100]
        print(
            f"{weather.name:32} {heard.whole / heard.sent:8.4f} {heard.ratio:17.4f} {fmean(heard.delays_ms):8.1f} ms"
            f" {p99:4.0f} ms {heard.drift_ms:+5.1f} ms"
        )
        fine = fine and abs(heard.drift_ms) <= MOST_DRIFT_MS and (not weather.strict or LEAST <= heard.ratio <= 1.001)
    if options.seconds:
        worst = Weather("5 % loss, 40 ms of jitter", loss=0.05, jitter_ms=40)
        run = really(worst, options.seconds, options.seed)
        ratio = run.samples / (run.sent * SAMPLES)
        print(
            f"real sockets, {options.seconds:.0f} s of {worst.name}: {ratio:.4f} of the audio, {run.answered} packets"
            f" sent without a gap, {run.cpu_us:.0f} us of CPU a frame each way"
        )
        fine = fine and ratio >= LEAST and run.answered == run.sent + 50
    print("holds" if fine else "does not hold")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
