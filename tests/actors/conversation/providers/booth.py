"""A provider, on its own between real rings: the test is the audio actor, frame by frame, and time is what it says.

booth = Booth("loopback", rate=8000)
booth.caller(pcm)        20 ms arrive, and the bell rings
booth.tick()             20 ms go on the wire: what the caller hears of the mouth, or None for silence
"""

import asyncio
import os
from itertools import count
from typing import Self

from actors.conversation.providers import providers
from actors.conversation.providers.provider import Engagement, Provider
from config.agent import Agent
from config.schema import Settings
from ipc import rings as ring
from ipc.ear import EarWriter
from ipc.journal import Record
from ipc.mouth import MouthGauge, MouthReader
from ipc.rings import FRAME_NS, Rings

AGENT = Agent(name="desk", greeting="Hello.")

_names = count(1)


class Booth:
    """A context manager: the call's rings are there inside."""

    def __init__(self, name: str, *, rate: int = 8000, settings: Settings | None = None) -> None:
        self.name = name
        self.settings = settings or Settings()
        self.records: list[Record] = []
        self.given_up: list[str] = []
        self.now_ns = 0
        self._segment = f"ringmaster-test-{os.getpid()}-booth{next(_names)}"
        ring.create(self._segment, rate)

    def __enter__(self) -> Self:
        self.rings = Rings(self._segment)
        self.ear = EarWriter(self.rings)
        self.pacer = MouthReader(self.rings)
        self.gauge = MouthGauge(self.rings)
        self.provider = self.opened()
        return self

    def __exit__(self, *error: object) -> None:
        self.rings.close()
        ring.unlink(self._segment)

    def made(self) -> Provider:
        engagement = Engagement("c1", self.rings, AGENT, self.settings, self.records.append, self.given_up.append)
        return providers.load(self.name)(engagement)

    def opened(self, *, taken_over: bool = False) -> Provider:
        """Another one on the same rings, as a successor of the actor makes it."""
        provider = self.made()
        asyncio.run(provider.open(taken_over=taken_over))
        return provider

    def caller(
        self, pcm: bytes | None = None, *, speech: bool = False, gap: bool = False, digit: str = "", rings: bool = True
    ) -> None:
        """rings: False where the conversation actor is busy with something else."""
        self.now_ns += FRAME_NS
        self.ear.write(
            self.silence if pcm is None else pcm,
            captured_ns=self.now_ns,
            level=-20.0 if speech else -96.0,
            speech=speech,
            gap=gap,
            digit=digit,
        )
        if rings:
            self.provider.hear()

    def tick(self) -> bytes | None:
        taken = self.pacer.take()
        if taken is None:
            return None
        pcm, generation = taken
        self.pacer.note_played(generation, len(pcm) // 2, self.now_ns)
        return pcm

    def ticks(self) -> list[bytes]:
        """All that is in the mouth."""
        heard = []
        while (pcm := self.tick()) is not None:
            heard.append(pcm)
        return heard

    def close(self) -> dict[str, int]:
        return asyncio.run(self.provider.close("hung up"))

    @property
    def silence(self) -> bytes:
        return bytes(self.rings.payload)

    def say(self, number: int) -> bytes:
        """20 ms that are like no others: they bear their number, from 1 on."""
        return number.to_bytes(2, "little") * (self.rings.payload // 2)


def numbers(heard: list[bytes]) -> list[int]:
    """Of the frames of `Booth.say`."""
    return [int.from_bytes(pcm[:2], "little") for pcm in heard]
