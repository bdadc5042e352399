"""One call that a provider holds: opened, told of the ear's bell, closed. What it says and when is the provider's."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from actors.conversation.line import Line
from actors.conversation.providers import providers
from actors.conversation.providers.provider import Engagement, NoProvider, Provider
from config.agent import Agent
from config.schema import Settings
from ipc.journal import ProviderClosed, ProviderResumed
from ipc.messages import CallNote


@dataclass(frozen=True)
class ProvidedSetting:
    """Who holds a call, and as whom."""

    provider: str
    agent: Agent
    settings: Settings
    started_ns: int
    """When the conversation began, under whichever actor."""
    waits: bool = False
    """A call that we make: the provider begins when it has been answered."""


class ProvidedCall:
    """Made once the provider is wanted; `open` begins, `close` ends it all."""

    def __init__(self, setting: ProvidedSetting, line: Line, give_up: Callable[[str], None] | None = None) -> None:
        """`give_up` is called with the reason when the provider cannot go on; without it, the caller is sent on."""
        self._setting = setting
        self.line = line
        self._give_up = give_up or line.send_on
        self._waits = setting.waits
        make: Callable[[Engagement], Provider] = providers.load(setting.provider)
        engagement = Engagement(
            line.call_id, line.rings, setting.agent, setting.settings, line.write, self._give_up_once
        )
        self._provider = make(engagement)
        self._given_up = self._dismissed = False
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, *, taken_over: bool = False) -> None:
        """Raises `NoProvider`."""
        if self._waits:
            return
        if taken_over:
            self._note_takeover()
        await self._provider.open(taken_over=taken_over)
        self.line.listen(self._provider.hear)
        over_ns = self._setting.started_ns + self._setting.settings.turns.max_call_s * 1_000_000_000
        left = max(0, over_ns - time.monotonic_ns()) / 1e9
        self._timer = asyncio.get_running_loop().call_later(left, self._time_is_up)

    async def answered(self) -> None:
        """The call that we make has been answered."""
        if not self._waits:
            return
        self._waits = False
        try:
            await self.open()
        except NoProvider as error:
            self._give_up_once(str(error))

    @property
    def provider(self) -> str:
        """Its name."""
        return self._setting.provider

    def _give_up_once(self, reason: str) -> None:
        """A provider that hears on may say so every 20 ms."""
        if not self._given_up:
            self._given_up = True
            self._give_up(reason)

    def _note_takeover(self) -> None:
        gauge, now_ns = self.line.gauge, time.monotonic_ns()
        last_ns = gauge.played(gauge.generation).last_ns
        away_ms = max(0, now_ns - last_ns) // 1_000_000 if last_ns else 0
        self.line.write(ProviderResumed(at_ns=now_ns, provider=self._setting.provider, away_ms=away_ms))

    def _time_is_up(self) -> None:
        self.line.spawn(self.line.hang_up("the call's time was up", "time_up"))

    def note(self, note: CallNote) -> None:
        self.line.note(note)

    async def close(self, cause: str) -> None:
        """Writes down what the provider did and how the call ended, and gives everything back."""
        await self.dismiss(cause)
        self.line.close(cause)

    async def dismiss(self, cause: str) -> None:
        """The provider's part is over, and the call may go on."""
        if self._dismissed:
            return
        self._dismissed = True
        self.line.stop_listening()
        if self._timer:
            self._timer.cancel()
        figures = await self._provider.close(cause)
        self.line.write(ProviderClosed(at_ns=time.monotonic_ns(), provider=self._setting.provider, figures=figures))
