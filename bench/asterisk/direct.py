"""A caller that goes straight to the agent, without ARI: what `AudioSocket(uuid,host:port)` does in the dialplan."""

from __future__ import annotations

import asyncio
import time
import uuid

from bench.asterisk.channel import Channel
from bench.asterisk.media.audiosocket import Ending, Link
from bench.asterisk.media.formats import FORMATS, Frame, Resampler

INACTIVITY_S = 2.0


class AudioSocketCall:
    """One such call. The agent hears 8 kHz, whatever the phone speaks."""

    def __init__(self, channel: Channel, link: Link) -> None:
        self._channel = channel
        self._link = link
        self._plane = channel.exchange.plane
        self._to_slin = Resampler(FORMATS["slin"].rate)
        self._over = asyncio.Event()
        self._ending = Ending.BROKEN
        self._last_activity_s = 0.0

    async def run(self, call: uuid.UUID) -> bool:
        """True if the agent said goodbye or closed in order: the dialplan goes on. Anything else hangs up."""
        self._link.said = self._agent_said
        self._link.ended = lambda ending: self._plane.notify(lambda: self._ended(ending))
        self._touch()
        with self._plane.lock:
            self._channel.leg.sink = self._caller_said
            self._link.introduce(call)
        self._channel.on_digit = self._digit
        try:
            await self._talk()
        finally:
            with self._plane.lock:
                self._channel.leg.sink = None
                self._link.close()
            self._channel.on_digit = None
        return self._over.is_set() and self._ending is Ending.GRACEFUL and not self._channel.hung_up.is_set()

    async def _talk(self) -> None:
        while not self._over.is_set() and not self._channel.hung_up.is_set():
            left = self._last_activity_s + INACTIVITY_S - time.monotonic()
            if left <= 0:
                return
            await self._channel.until_hangup(self._over, left)

    def _touch(self) -> None:
        # From media threads too; a float is replaced in one step.
        self._last_activity_s = time.monotonic()

    def _caller_said(self, frame: Frame) -> None:
        self._touch()
        self._link.send_audio(FORMATS["slin"], self._to_slin.convert(frame))

    def _agent_said(self, frame: Frame) -> None:
        self._touch()
        self._channel.leg.write(frame)

    def _digit(self, digit: str) -> None:
        self._touch()
        with self._plane.lock:
            self._link.send_digit(digit)

    def _ended(self, ending: Ending) -> None:
        self._ending = ending
        self._over.set()
