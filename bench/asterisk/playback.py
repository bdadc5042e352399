"""Playing media on a channel or a bridge. Source: recordings; traps from the protocol document.

    state       event                 when
    queued      none                  the reply to POST .../play
    playing     PlaybackStarted       the first frame goes out; again after a pause
    continuing  PlaybackContinuing    one of several media is over
    done        PlaybackFinished      played to the end, stopped, or cancelled before it began (then without a start)
    failed      PlaybackFinished      the sound does not exist
    paused      none

A medium with an unknown scheme, or a recording that does not exist, is skipped without a PlaybackFinished.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.asterisk.application import Event
from bench.asterisk.media.formats import Frame
from bench.asterisk.media.leg import Player, Sink
from bench.asterisk.sounds import SPOKEN_TONE_HZ, Source, endless, frames_of, tone

if TYPE_CHECKING:
    from bench.asterisk.bridge import Bridge
    from bench.asterisk.channel import Channel
    from bench.asterisk.exchange import Exchange

EVENTS = {
    "playing": "PlaybackStarted",
    "continuing": "PlaybackContinuing",
    "done": "PlaybackFinished",
    "failed": "PlaybackFinished",
}


class Skipped(Exception):
    """A medium that Asterisk starts and then forgets."""


class Playback:
    def __init__(self, exchange: Exchange, playback_id: str, media: list[str], target: tuple[str, str]) -> None:
        """target: kind ("channel" or "bridge") and id of what it is played on"""
        self.exchange = exchange
        self.id = playback_id
        self.language = "en"
        self.state = "queued"
        self._media = media
        self._index = 0
        self._kind, self._key = target
        self._player: Player | None = None
        self._over = asyncio.Event()
        self._stopped = False
        self._controllable = False
        exchange.playbacks[playback_id] = self

    def json(self) -> Event:
        shown = {
            "id": self.id,
            "media_uri": self._media[self._index],
            "target_uri": f"{self._kind}:{self._key}",
            "language": self.language,
            "state": self.state,
        }
        if self._index + 1 < len(self._media):
            shown["next_media_uri"] = self._media[self._index + 1]
        return shown

    async def play(self, take: Sink, given_up: asyncio.Event) -> None:
        """Plays all media into `take`, until the end, a stop, or `given_up` (the channel hangs up)."""
        try:
            for index in range(len(self._media)):
                self._index = index
                if self._stopped:
                    self._enter("done")
                    return
                self._enter("playing")
                try:
                    source = self._source(self._media[self._index])
                except Skipped:
                    continue
                self._controllable = not self._media[self._index].startswith(tuple(SPOKEN_TONE_HZ))
                if source is not None:
                    await self._sound(take, source, given_up)
                if self._finish_medium(missing=source is None, hung_up=given_up.is_set()):
                    return
        finally:
            self.exchange.playbacks.pop(self.id, None)

    def _finish_medium(self, missing: bool, hung_up: bool) -> bool:
        """Says how one medium ended; True when no further one follows."""
        last = self._index == len(self._media) - 1 or hung_up
        if self._stopped:
            self._enter("done")
            return True
        if not last:
            self._enter("continuing")
            return False
        self._enter("failed" if missing else "done")
        return True

    async def _sound(self, take: Sink, source: Source, given_up: asyncio.Event) -> None:
        self._over.clear()
        plane = self.exchange.plane
        with plane.lock:
            self._player = Player(plane.clock, take, source, lambda: plane.notify(self._over.set))
        waiting = [asyncio.ensure_future(self._over.wait()), asyncio.ensure_future(given_up.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()
            with plane.lock:
                self._player.stop()

    def _source(self, medium: str) -> Source | None:
        """The sound, None if it is missing; raises Skipped if Asterisk passes over it without another event."""
        scheme, _, rest = medium.partition(":")
        if scheme == "sound":
            found = self.exchange.sounds.find(rest)
            return None if found is None else frames_of(found)
        if scheme == "recording":
            stored = self.exchange.stored_recordings.get(rest)
            if stored is None:
                raise Skipped
            return frames_of(stored.sound)
        if scheme in SPOKEN_TONE_HZ:
            return frames_of(self.exchange.sounds.spoken(scheme, rest))
        if scheme == "tone":
            return endless(Frame(tone(440, 1.0), 8000))
        raise Skipped

    # -- what DELETE and control do -------------------------------------------------------------------------------

    def stop(self) -> bool:
        """False where Asterisk cannot: said numbers play to their end."""
        if self.state == "queued":
            self._stopped = True
            return True
        if not self._controllable:
            return False
        self._stopped = True
        self._over.set()
        return True

    def pause(self, paused: bool) -> None:
        if self._player is not None and (self.state == "paused") != paused:
            self._player.paused = paused
            self._enter("paused" if paused else "playing")

    def _enter(self, state: str) -> None:
        self.state = state
        kind = EVENTS.get(state)
        if kind is not None:
            event = {"type": kind, "timestamp": self.exchange.now(), "playback": self.json()}
            self.exchange.publish(self._kind, self._key, event)


async def play_on_channel(playback: Playback, channel: Channel) -> None:
    """The channel hears nothing else meanwhile, and nobody hears it: a bridge goes on without it."""
    channel.stop_music()
    leg = channel.leg
    leg.suspended = True
    try:
        await playback.play(leg.write, channel.hung_up)
    finally:
        leg.suspended = False


class BridgePlayer:
    """The announcer of one bridge: joins it for the first playback, leaves it after the last."""

    def __init__(self, exchange: Exchange, bridge: Bridge, gone: Callable[[], None]) -> None:
        self._exchange = exchange
        self._bridge = bridge
        self._gone = gone
        self._queue: list[Playback] = []
        self._given_up = asyncio.Event()
        self._leg = exchange.speaker()
        self._announcer = exchange.add_attendant("Announcer/ARI", self._leg)
        bridge.join(self._announcer)

    def add(self, playback: Playback) -> None:
        self._queue.append(playback)
        if len(self._queue) == 1:
            self._exchange.run(self._play_all())

    def give_up(self) -> None:
        """The bridge is gone."""
        self._given_up.set()

    async def _play_all(self) -> None:
        while self._queue:
            await self._queue[0].play(self._leg.deliver, self._given_up)
            self._queue.pop(0)
        self._gone()
        if self._announcer in self._bridge.members:
            self._bridge.leave(self._announcer)


def play_on_bridge(exchange: Exchange, bridge: Bridge, playback: Playback) -> None:
    player = exchange.bridge_players.get(bridge.id)
    if player is None:

        def gone() -> None:
            exchange.bridge_players.pop(bridge.id, None)

        player = BridgePlayer(exchange, bridge, gone)
        exchange.bridge_players[bridge.id] = player
    player.add(playback)
