"""Recording a bridge or a channel. The sound is kept in memory, not on a disk. Source: recordings."""

from __future__ import annotations

import io
import time
import wave
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.asterisk.application import Event, Kind
from bench.asterisk.media.formats import FORMATS, Frame, Resampler
from bench.asterisk.media.leg import ListenerLeg

if TYPE_CHECKING:
    from bench.asterisk.bridge import Bridge
    from bench.asterisk.channel import Channel
    from bench.asterisk.exchange import Exchange

EVENTS = {
    "recording": "RecordingStarted",
    "done": "RecordingFinished",
    "canceled": "RecordingFinished",
    "failed": "RecordingFailed",
}
FILE_FORMATS = frozenset({"wav", "sln", "ulaw", "alaw", "gsm", "wav16", "sln16"})


class StoredRecording:
    """sound: 8 kHz PCM"""

    def __init__(self, name: str, form: str, sound: Frame) -> None:
        self.name = name
        self.form = form
        self.sound = sound

    def json(self) -> Event:
        return {"name": self.name, "format": self.form}

    def wav(self) -> bytes:
        """The file as WAV, whatever its format says (assumption: nobody here wants it coded)."""
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(self.sound.rate)
            writer.writeframes(self.sound.pcm)
        return file.getvalue()


class LiveRecording:
    def __init__(self, exchange: Exchange, name: str, form: str, target: tuple[Kind, str]) -> None:
        self.exchange = exchange
        self.name = name
        self.form = form
        self.state = "queued"
        self.append_to: StoredRecording | None = None
        self.target = target
        self._cause: str | None = None
        self._began_s = time.monotonic()
        self._finished = False
        self._pcm = bytearray()
        self._resampler = Resampler(8000)
        self._muted = False
        self._detach: Callable[[], None] = lambda: None
        exchange.live_recordings[name] = self

    def json(self) -> Event:
        shown: Event = {
            "name": self.name,
            "format": self.form,
            "state": self.state,
            "target_uri": ":".join(self.target),
        }
        if self._finished:
            shown["duration"] = round(time.monotonic() - self._began_s)
        if self._cause is not None:
            shown["cause"] = self._cause
        return shown

    def start(self, detach: Callable[[], None]) -> None:
        """detach: called when the recording is over, to take its ear out of the call"""
        self._detach = detach
        self._began_s = time.monotonic()
        self._enter("recording")

    def fail(self, cause: str) -> None:
        self._cause = cause
        self._forget()
        self._enter("failed")

    def take(self, frame: Frame) -> None:
        """In a media thread: more sound."""
        pcm = self._resampler.convert(frame)
        if self.state == "recording":
            self._pcm += bytes(len(pcm)) if self._muted else pcm

    def stop(self, keep: bool = True) -> None:
        if self.state not in ("recording", "paused"):
            self._forget()
            return
        self._finished = True
        if keep:
            before = self.append_to.sound.pcm if self.append_to is not None else b""
            with self.exchange.plane.lock:
                sound = Frame(before + bytes(self._pcm), 8000)
            self.exchange.stored_recordings[self.name] = StoredRecording(self.name, self.form, sound)
        self._forget()
        self._enter("done" if keep else "canceled")
        self._detach()

    def pause(self, paused: bool) -> None:
        self.state = "paused" if paused else "recording"

    def mute(self, muted: bool) -> None:
        self._muted = muted

    def _forget(self) -> None:
        self.exchange.live_recordings.pop(self.name, None)

    def _enter(self, state: str) -> None:
        self.state = state
        kind = EVENTS.get(state)
        if kind is not None:
            event = {"type": kind, "timestamp": self.exchange.now(), "recording": self.json()}
            self.exchange.publish(*self.target, event)


def record_bridge(recording: LiveRecording, bridge: Bridge) -> None:
    """A recorder joins the bridge and hears what a further member would."""
    exchange = recording.exchange
    leg = ListenerLeg(FORMATS["slin"], lambda pcm: recording.take(Frame(pcm, 8000)))
    recorder = exchange.add_attendant("Recorder", leg)
    bridge.join(recorder)

    def detach() -> None:
        if recorder in bridge.members:
            bridge.leave(recorder)

    recording.start(detach)


def record_channel(recording: LiveRecording, channel: Channel) -> None:
    """What the channel's far end says; only outside of bridges."""
    if channel.bridge is not None:
        recording.fail("Cannot record channel while in bridge")
        return
    channel.answer()
    channel.recording = True
    plane = recording.exchange.plane
    with plane.lock:
        channel.leg.sink = recording.take

    def detach() -> None:
        channel.recording = False
        with plane.lock:
            if channel.bridge is None:
                channel.leg.sink = None

    recording.start(detach)
