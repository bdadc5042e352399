"""Plays the agent's speech from files, where streaming cannot hold: `ipc.messages.FileReady` says what is to be heard,
Asterisk plays it, and `FileHeard` says back what it does.

A file is played into the media leg, as if it had come over the media connection: by a channel of ours that whispers
there (`snoop`, `whisper=in`). Played on the bridge, everybody in it hears the file, and so does our end of the media
leg: the agent would take itself for a caller who interrupts (tried with Asterisk 22.11: a tone was as loud there as at
the caller's; whispered, the caller heard the same, and our end nothing). That channel is made for a call's first file,
and ends with the media leg by itself. Over RTP it cannot be done: from the first whisper on, nothing at all of a
UnicastRTP channel reached the caller any more (22.11 again, mu-law). Over AudioSocket (8000 and 16,000 Hz) and a
WebSocket it can.

The files are `<directory>/<playback id>.sln` or `.sln16`, made by the call's audio actor (`actors.audio.spool`). They
are deleted here: when Asterisk is done with them, when the call ends, and by age, for those that a predecessor or a
crash has left. Nothing that is not named like ours is ever deleted, or played.
"""

import asyncio
import contextlib
import logging
import re
import stat
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from actors.call_control.ari import AriError, AriEvent, Broken, Channel, Conflict
from actors.call_control.sessions import MediaLeg
from config.media import Streaming
from ipc.messages import FileHeard, FileReady, FilesDropped, Message

log = logging.getLogger(__name__)

VOICE_PREFIX = "voice-"
"""Before a media leg's id: the channel that whispers there."""
ARRIVE_S = 2.0
"""Until that channel is in the application: Asterisk takes 1 ms."""
OLD_S = 600.0
"""A file that is older belongs to nobody: the longest is of 60 s, and few wait for their turn."""
SWEEP_S = 60.0
ENDINGS = (".sln", ".sln16")

_OURS = re.compile(r"audio-[A-Za-z0-9-]{1,80}")


def is_voice_channel(channel_id: str) -> bool:
    """Whether the channel is one that plays an agent's files: neither a caller nor a leg."""
    return channel_id.startswith(VOICE_PREFIX)


class Player(Protocol):
    """What of ARI is wanted here (`actors.call_control.ari`)."""

    async def snoop(
        self, channel_id: str, snoop_id: str, *, spy: str = "none", whisper: str = "none", app_args: str = ""
    ) -> None: ...

    async def channel(self, channel_id: str) -> Channel | None: ...

    async def play_on_channel(self, channel_id: str, media: str, playback_id: str) -> None: ...

    async def stop_playback(self, playback_id: str) -> None: ...

    async def hang_up(self, channel_id: str) -> None: ...


@dataclass(slots=True)
class _Voice:
    """The channel that plays one call's files."""

    channel_id: str
    there: asyncio.Event = field(default_factory=asyncio.Event)
    asked: bool = False


@dataclass(slots=True)
class _Call:
    """One call's files. What is done about them is done in the order in which it was asked for."""

    voice: _Voice
    jobs: deque[Coroutine[Any, Any, None]] = field(default_factory=deque)
    busy: bool = False
    live: dict[str, int] = field(default_factory=dict)
    """Playback ids that Asterisk is not done with, and their generations, in their order."""
    audible: int = 0


class FilePlayer:
    """All calls of one call-control. Nothing here waits: requests to Asterisk are made beside."""

    def __init__(self, ari: Player, tell: Callable[[Message], None], streaming: Streaming) -> None:
        """`tell` sends a note to the supervisor, which passes it to the call's audio actor."""
        self._ari = ari
        self._tell = tell
        self._directory = Path(streaming.media_directory)
        self._uri = streaming.media_uri
        self._calls: dict[str, _Call] = {}
        self._call_of: dict[str, str] = {}
        """Which call a playback belongs to."""
        self._work: set[asyncio.Task[None]] = set()

    # -- from the audio actors

    def ready(self, message: FileReady, leg: MediaLeg | None) -> None:
        """Plays this file after those before it, into the media leg. A call straight from the dialplan has none."""
        media_channel = leg.channel_id if leg is not None and leg.transport != "rtp" else ""
        name = message.playback_id
        if not _OURS.fullmatch(name):
            log.error("call %s: %r is no name of a file of ours, it is not played", message.call_id, name)
            self._say(message.call_id, name, "failed")
            return
        call = self._calls.get(message.call_id)
        voice = VOICE_PREFIX + media_channel if media_channel else ""
        if call is None:
            call = self._calls[message.call_id] = _Call(_Voice(voice))
        elif call.voice.channel_id != voice:
            call.voice = _Voice(voice)  # the media leg is another one: the old one's voice has ended with it
        if message.generation < call.audible:
            self._delete(name)
            return
        call.live[name] = message.generation
        self._call_of[name] = message.call_id
        self._do(call, self._play(message.call_id, call, name, media_channel))

    def dropped(self, message: FilesDropped) -> None:
        """The caller has interrupted: nothing of an older generation is to be heard any more."""
        call = self._calls.get(message.call_id)
        if call is None:
            return
        call.audible = max(call.audible, message.generation)
        for name in [name for name, generation in call.live.items() if generation < call.audible]:
            self._forget(name)
            # Beside, and not behind what is still being asked for: the caller is speaking.
            self._spawn(self._stop(name))

    def end(self, call_id: str) -> None:
        """The call is over. Asterisk stops by itself, with the media leg."""
        call = self._calls.pop(call_id, None)
        if call is None:
            return
        for job in call.jobs:
            job.close()
        call.jobs.clear()
        for name in list(call.live):
            self._call_of.pop(name, None)
            self._delete(name)
        if call.voice.asked:
            self._spawn(self._hang_up(call.voice.channel_id))

    def end_others(self, goes_on: Callable[[str], bool]) -> None:
        """Ends every call that does not go on."""
        for call_id in [call_id for call_id in self._calls if not goes_on(call_id)]:
            self.end(call_id)

    # -- from Asterisk

    def voice_arrived(self, channel_id: str) -> None:
        """StasisStart of a voice channel: it can play from now on."""
        for call in self._calls.values():
            if call.voice.channel_id == channel_id:
                call.voice.there.set()

    def playback_event(self, event: AriEvent) -> None:
        """PlaybackStarted or PlaybackFinished. One that nobody knows may be a predecessor's: its file is deleted."""
        playback = event.playback
        if playback is None or not _OURS.fullmatch(playback.id):
            return
        call_id = self._call_of.get(playback.id)
        if event.type == "PlaybackStarted" and call_id is not None:
            self._say(call_id, playback.id, "playing")
        elif event.type == "PlaybackFinished":
            self._forget(playback.id)
            self._delete(playback.id)
            if call_id is None:
                return
            # A stopped one is `done`, too.
            if playback.state == "failed":
                log.error(
                    "call %s: Asterisk cannot find or read %s/%s: its sounds directory must have a link to %s, and it "
                    "must be allowed to read there (`ringmaster doctor` says how)",
                    *(call_id, self._uri, playback.id, self._directory),
                )
            self._say(call_id, playback.id, "failed" if playback.state == "failed" else "done")

    # -- clearing up

    async def sweep_for_ever(self) -> None:
        while True:
            self.sweep()
            await asyncio.sleep(SWEEP_S)

    def sweep(self) -> int:
        """Deletes files that are older than ten minutes, whoever has left them; gives how many."""
        limit = time.time() - OLD_S
        deleted = 0
        with contextlib.suppress(OSError):  # no directory, no files
            for path in self._directory.iterdir():
                if not _OURS.fullmatch(path.stem) or path.suffix not in ENDINGS:
                    continue
                with contextlib.suppress(OSError):  # gone meanwhile, or not ours to delete
                    about = path.lstat()
                    if stat.S_ISREG(about.st_mode) and about.st_mtime < limit:
                        path.unlink()
                        deleted += 1
        return deleted

    # -- effects

    def _do(self, call: _Call, job: Coroutine[Any, Any, None]) -> None:
        call.jobs.append(job)
        if not call.busy:
            call.busy = True
            self._spawn(self._work_off(call))

    async def _work_off(self, call: _Call) -> None:
        try:
            while call.jobs:
                await call.jobs.popleft()
        finally:
            call.busy = False

    async def _play(self, call_id: str, call: _Call, name: str, media_channel: str) -> None:
        if name not in call.live:
            return  # dropped before its turn
        try:
            if not media_channel:
                raise AriError(
                    "its audio comes over RTP or straight from the dialplan, and nothing can be played into that: have "
                    "`audiosocket` or `websocket` first in `media.transports`"
                )
            await self._raise_voice(call.voice, media_channel)
            if name in call.live:
                await self._ari.play_on_channel(call.voice.channel_id, f"{self._uri}/{name}", name)
                if name not in call.live:
                    await self._ari.stop_playback(name)  # dropped while we asked
        except (AriError, TimeoutError) as error:
            log.error("call %s: Asterisk does not play %s: %s", call_id, name, error or "no voice channel in time")
            if name in call.live:
                self._forget(name)
                self._say(call_id, name, "failed")
            self._delete(name)

    async def _raise_voice(self, voice: _Voice, media_channel: str) -> None:
        if not voice.asked:
            try:
                await self._ari.snoop(media_channel, voice.channel_id, whisper="in")
            except (Broken, Conflict):
                if await self._ari.channel(voice.channel_id) is None:
                    raise
                voice.there.set()  # a predecessor has made it
            voice.asked = True
        async with asyncio.timeout(ARRIVE_S):
            await voice.there.wait()

    async def _stop(self, name: str) -> None:
        with contextlib.suppress(AriError):  # it may never have begun; else it ends with its file
            await self._ari.stop_playback(name)
        self._delete(name)

    async def _hang_up(self, channel_id: str) -> None:
        with contextlib.suppress(AriError):  # gone with its media leg
            await self._ari.hang_up(channel_id)

    def _forget(self, name: str) -> None:
        call = self._calls.get(self._call_of.pop(name, ""))
        if call is not None:
            call.live.pop(name, None)

    def _delete(self, name: str) -> None:
        for ending in ENDINGS:
            with contextlib.suppress(OSError):
                (self._directory / (name + ending)).unlink()

    def _say(self, call_id: str, playback_id: str, state: Literal["playing", "done", "failed"]) -> None:
        self._tell(FileHeard(call_id=call_id, playback_id=playback_id, state=state))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
