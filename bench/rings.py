"""Tortures the rings between real processes, and measures how fast a frame gets through.

    python -m bench.rings                      a billion samples (320-byte slots) and the delivery time
    python -m bench.rings --samples 10000000   less

A writer and a reader process share one call's rings; both are killed (SIGKILL) and stopped (SIGSTOP) at random instants
and started again. Every frame holds its own number forty times over: one that is torn, doubled, missing or out of order
is seen. At the end the books must balance: frames written = frames read + frames counted as lost.
"""

import argparse
import json
import os
import random
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ipc import rings as ring
from ipc.ear import EarReader, EarWriter
from ipc.mouth import MouthGauge, MouthReader, MouthWriter
from ipc.rings import EAR_SLOTS, MOUTH_SLOTS, Bell, Rings
from ipc.segment import Segment

RATE = 8000
FRAME_SAMPLES = 160
LEAD = EAR_SLOTS - 100
"""A writer that is this far ahead waits for the reader, so that losses come from stalls and kills alone ..."""
PATIENCE_S = 0.02
"""... but not for long: the real one never waits."""

_BOOKS = struct.Struct("<QQQQQ")


@dataclass(frozen=True)
class Books:
    """What the reader has seen so far."""

    read: int = 0
    lost: int = 0
    wrong: int = 0
    torn: int = 0
    position: int = 0


class Ledger:
    """The reader's books in shared memory, written in two places in turn: whoever is killed leaves one whole.

    The position comes last in memory: a copy that was begun and not finished still bears its old one.
    """

    def __init__(self, name: str) -> None:
        self._segment = Segment.attach(name)
        self._turn = 0

    def load(self) -> Books:
        copies = (Books(*_BOOKS.unpack_from(self._segment.buf, 64 * copy)) for copy in (0, 1))
        return max(copies, key=lambda books: books.position)

    def store(self, books: Books) -> None:
        self._turn ^= 1
        fields = (books.read, books.lost, books.wrong, books.torn, books.position)
        _BOOKS.pack_into(self._segment.buf, 64 * self._turn, *fields)


@dataclass(frozen=True)
class Torture:
    """What came of it."""

    ring: str
    samples: int
    frames_written: int
    frames_read: int
    frames_lost: int
    """Counted as lost by the reader (ear), or discarded by a flush (mouth)."""
    wrong: int
    """Frames that were not what had been written under their number, or came out of order."""
    torn_reads: int
    kills: int
    stalls: int
    seconds: float
    ok: bool


def content(number: int) -> bytes:
    return number.to_bytes(8, "little") * (FRAME_SAMPLES * 2 // 8)


def write_ear(rings: Rings, ledger: Ledger, frames: int) -> None:
    ear = EarWriter(rings)
    while (number := ear.written) < frames:
        patience = time.monotonic() + PATIENCE_S
        while number - ledger.load().position > LEAD and time.monotonic() < patience:
            time.sleep(0.0005)
        for at in range(number, min(number + EAR_SLOTS // 2, frames)):
            ear.write(content(at), captured_ns=at, level=-20.0, speech=True)


def read_ear(rings: Rings, ledger: Ledger, frames: int) -> None:
    before = ledger.load()
    reader = EarReader(rings, before.position)
    read, wrong = before.read, before.wrong
    while reader.position < frames:
        for _ in range(200):
            frame = reader.read()
            if frame is None:
                break
            read += 1
            wrong += frame.pcm != content(frame.number) or frame.captured_ns != frame.number
        ledger.store(Books(read, before.lost + reader.lost, wrong, before.torn + reader.torn, reader.position))
        if reader.behind == 0:
            time.sleep(0.0002)


def write_mouth(rings: Rings, ledger: Ledger, frames: int) -> None:
    mouth = MouthWriter(rings)
    while (number := mouth.written) < frames:
        if not mouth.write(content(number), mouth.audible, 0):
            time.sleep(0.0002)


def run_pair(
    kind: str, name: str, frames: int, seed: int, done: Callable[[], bool], disturb: Callable[[], object]
) -> tuple[int, int]:
    """Keeps writer and reader going through kills and stalls until `done`; returns how many of each there were."""
    chance = random.Random(seed)
    works = {"ear": (write_ear, read_ear), "mouth": (write_mouth, read_mouth)}[kind]

    def start(work: Callable[[Rings, Ledger, int], None]) -> int:
        pid = os.fork()
        if pid == 0:
            work(Rings(name), Ledger(name + "-books"), frames)
            os._exit(0)
        return pid

    pids = [start(work) for work in works]
    kills = stalls = 0
    while not done():
        time.sleep(chance.uniform(0.02, 0.2))
        victim = chance.randrange(2)
        disturb()
        if chance.random() < 0.5:
            os.kill(pids[victim], signal.SIGKILL)
            os.waitpid(pids[victim], 0)
            pids[victim] = start(works[victim])
            kills += 1
        else:
            os.kill(pids[victim], signal.SIGSTOP)
            time.sleep(chance.uniform(0.0, 0.1))
            os.kill(pids[victim], signal.SIGCONT)
            stalls += 1
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return kills, stalls


def read_mouth(rings: Rings, ledger: Ledger, frames: int) -> None:
    """The pacer, without a clock. Within a generation nothing may be missing, but what a killed reader had taken."""
    before = ledger.load()
    mouth = MouthReader(rings)
    read, wrong, last = before.read, before.wrong, before.position - 1
    heard = -1
    while True:
        for _ in range(50):
            taken = mouth.take()
            if taken is None:
                break
            pcm, generation = taken
            number = int.from_bytes(pcm[:8], "little")
            missing = generation == heard and number != last + 1
            wrong += number <= last or missing or pcm != content(number)
            read, last, heard = read + 1, number, generation
        ledger.store(Books(read, 0, wrong, mouth.corrupt, last + 1))
        time.sleep(0.0001)


def torture(kind: str, samples: int, seed: int) -> Torture:
    name = f"ringmaster-torture-{os.getpid()}"
    frames = samples // FRAME_SAMPLES
    ring.create(name, RATE)
    books = Segment.create(name + "-books", 4096)
    rings = Rings(name)
    ledger = Ledger(name + "-books")
    mouth = MouthWriter(rings)
    done, disturb = {
        "ear": (lambda: ledger.load().position >= frames, lambda: None),
        "mouth": (lambda: mouth.written >= frames and mouth.space == MOUTH_SLOTS, MouthGauge(rings).flush),
    }[kind]
    began = time.monotonic()
    try:
        kills, stalls = run_pair(kind, name, frames, seed, done, disturb)
        seen = ledger.load()
    finally:
        rings.close()
        books.close()
        books.unlink()
        ring.unlink(name)
    # What a flush discards, nobody counts one by one: there the order within each generation is the proof.
    lost = seen.lost if kind == "ear" else frames - seen.read
    return Torture(
        ring=kind,
        samples=frames * FRAME_SAMPLES,
        frames_written=frames,
        frames_read=seen.read,
        frames_lost=lost,
        wrong=seen.wrong,
        torn_reads=seen.torn,
        kills=kills,
        stalls=stalls,
        seconds=round(time.monotonic() - began, 1),
        ok=seen.wrong == 0 and seen.read + lost == frames,
    )


def delivery_us(frames: int, gap_s: float = 0.002) -> tuple[float, float, float]:
    """p50, p99 and max of the time from an ear frame's writing to its reading in another process, by eventfd."""
    name = f"ringmaster-delivery-{os.getpid()}"
    ring.create(name, RATE)
    bell = Bell(ring.make_bells()[0])
    pid = os.fork()
    if pid == 0:
        ear = EarWriter(Rings(name))
        for number in range(frames):
            time.sleep(gap_s)
            ear.write(content(number), captured_ns=time.monotonic_ns(), level=-20.0, speech=True)
            bell.ring()
        os._exit(0)
    rings = Rings(name)
    reader = EarReader(rings, 0)
    late: list[int] = []
    while len(late) < frames:
        select.select([bell], (), ())
        bell.clear()
        while frame := reader.read():
            late.append(time.monotonic_ns() - frame.captured_ns)
    os.waitpid(pid, 0)
    rings.close()
    ring.unlink(name)
    late.sort()
    return late[frames // 2] / 1000, late[int(frames * 0.99)] / 1000, late[-1] / 1000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.rings", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--samples", type=float, default=1e9, help="through the ear; a tenth of it through the mouth")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    fine = True
    for kind, samples in (("ear", int(options.samples)), ("mouth", int(options.samples / 10))):
        result = torture(kind, samples, options.seed)
        fine = fine and result.ok
        print(json.dumps(asdict(result)), flush=True)
    p50, p99, most = delivery_us(2000)
    print(json.dumps({"delivery_us": {"p50": round(p50), "p99": round(p99), "max": round(most)}}))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
