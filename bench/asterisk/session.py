"""A channel's stay in a Stasis application, from StasisStart to StasisEnd.

Commands for the channel are executed one after another, as by Asterisk's one thread per channel: a file that plays on
the channel holds up everything behind it except hanging up. ARI's 204 means queued, not done.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bench.asterisk.application import BRIDGE, CHANNEL, Application

if TYPE_CHECKING:
    from bench.asterisk.bridge import Bridge
    from bench.asterisk.channel import Channel

Command = Callable[[], Awaitable[None] | None]


class Session:
    def __init__(self, channel: Channel, application: Application) -> None:
        self.channel = channel
        self.application = application
        self.ended = asyncio.Event()
        self._loop_follows: Bridge | None = None
        self._busy = False
        self._commands: deque[tuple[Command, asyncio.Future[None]]] = deque()

    def start(self, arguments: list[str]) -> None:
        self.channel.session = self
        self.application.subscribe(CHANNEL, self.channel.id)
        if self.channel.phone is not None:
            self.channel.phone.entered_ns = time.monotonic_ns()
        self.application.send(self.channel.event("StasisStart", args=arguments))
        if self.channel.exchange.watcher is not None:
            self.channel.exchange.watcher.entered(self.channel.id, time.monotonic_ns())

    def end(self) -> None:
        """By hanging up, `continue` or the far end: leaves the bridge, says StasisEnd. More than once is harmless."""
        if self.ended.is_set():
            return
        self.ended.set()
        bridge = self.channel.bridge
        if bridge is not None:
            bridge.leave(self.channel)
        self.channel.stop_music()
        self.channel.exchange.finish_recordings(CHANNEL, self.channel.id)
        self.application.unsubscribe(CHANNEL, self.channel.id)
        self.application.send(self.channel.event("StasisEnd"))
        self.channel.session = None
        while self._commands:
            _, done = self._commands.popleft()
            if not done.done():
                done.set_result(None)

    def move(self, application: Application, arguments: list[str]) -> None:
        """Into another application, without leaving Stasis between: StasisEnd here, StasisStart there."""
        channel = self.channel
        if channel.bridge is not None:
            channel.bridge.leave(channel)
        self.application.unsubscribe(CHANNEL, channel.id)
        self.application.send(channel.event("StasisEnd"))
        self.application = application
        application.subscribe(CHANNEL, channel.id)
        application.send(channel.event("StasisStart", args=arguments))

    def join(self, bridge: Bridge, tell_lines: bool) -> None:
        """Puts the channel into the bridge, out of any other first."""
        if self.channel.bridge is not None:
            self.channel.bridge.leave(self.channel)
        # Followed once for the joining and once by the channel's loop; see `left_bridge`.
        self.application.subscribe(BRIDGE, bridge.id)
        bridge.join(self.channel, tell_lines)
        self.application.subscribe(BRIDGE, bridge.id)
        self._loop_follows = bridge

    def left_bridge(self, bridge: Bridge) -> None:
        """The channel is out. The loop's own interest ends only if the loop goes on: a channel that left by ending
        leaves its interest behind, which is why BridgeDestroyed of an empty bridge still arrives."""
        if self.channel.muted_for_bridge:
            self.channel.muted_for_bridge = self.channel.leg.muted_in = False
        self.application.unsubscribe(BRIDGE, bridge.id)
        if not self.ended.is_set() and not bridge.dissolved:
            self.forget_bridge(bridge)

    def forget_bridge(self, bridge: Bridge) -> None:
        if self._loop_follows is bridge:
            self._loop_follows = None
            self.application.unsubscribe(BRIDGE, bridge.id)

    def submit(self, command: Command) -> asyncio.Future[None]:
        """Executes the command when its turn comes, at once if nothing is ahead; the future is done when it is."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.ended.is_set():
            done.set_result(None)
            return done
        self._commands.append((command, done))
        if not self._busy:
            self._execute()
        return done

    def _execute(self) -> None:
        while self._commands and not self._busy:
            command, done = self._commands.popleft()
            lasting = command()
            if lasting is None:
                if not done.done():
                    done.set_result(None)
                continue
            self._busy = True
            task = asyncio.ensure_future(lasting)
            self.channel.exchange.keep(task)
            task.add_done_callback(lambda _, done=done: self._finished(done))  # type: ignore[misc]

    def _finished(self, done: asyncio.Future[None]) -> None:
        self._busy = False
        if not done.done():
            done.set_result(None)
        self._execute()
