"""Recording a bridge or a channel. The sound is kept in memory, not on a disk. Source: recordings."""

from __future__ import annotations

import io
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.asterisk.application import Event, Kind
from bench.asterisk.media.formats import FORMATS, Frame, Resampler, loudness
from bench.asterisk.media.leg import ListenerLeg
from bench.asterisk.sounds import frames_of, tone

if TYPE_CHECKING:
    from bench.asterisk.bridge import Attendant, Bridge
    from bench.asterisk.channel import Channel
    from bench.asterisk.exchange import Exchange

EVENTS = {
    "recording": "RecordingStarted",
    "done": "RecordingFinished",
    "failed": "RecordingFailed",
}
RATE = 8000
# Quieter than this (RMS of 20 ms) is silence: as in Asterisk, whose threshold is 256.
SILENCE_LEVEL = 256
BEEP = Frame(tone(1400, 0.2), RATE)
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


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a recording by itself. Sound and silence are counted, not the clock: Asterisk's own count is by full
    seconds and ends up to one later.

    seconds:   of sound, 0 = no limit
    silence_s: of silence at its end, which is cut away, 0 = no limit
    keys:      that end it
    beep:      the channel hears one first, and it is no part of the recording
    """

    seconds: int = 0
    silence_s: int = 0
    keys: str = ""
    beep: bool = False


class LiveRecording:
    def __init__(
        self, exchange: Exchange, name: str, form: str, target: tuple[Kind, str], limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits()
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
        self._resampler = Resampler(RATE)
        self._muted = False
        self._quiet = 0
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
        if self.state != "recording":
            return
        self._pcm += bytes(len(pcm)) if self._muted else pcm
        limits = self.limits
        if not limits.seconds and not limits.silence_s:
            return
        self._quiet = self._quiet + len(pcm) if loudness(pcm) < SILENCE_LEVEL else 0
        if limits.silence_s and self._quiet >= 2 * RATE * limits.silence_s:
            del self._pcm[-self._quiet :]
        elif not limits.seconds or len(self._pcm) < 2 * RATE * limits.seconds:
            return
        self.state = "ending"
        self.exchange.plane.notify(self._limit_reached)

    def _limit_reached(self) -> None:
        if self.state == "ending":
            self.state = "recording"
            self.stop()

    def pressed(self, digit: str) -> None:
        """Somebody who is recorded has pressed a key."""
        if digit in self.limits.keys:
            self.stop()

    def stop(self, keep: bool = True) -> None:
        if self.state not in ("recording", "paused"):
            self._forget()
            return
        self._finished = True
        if keep:
            before = self.append_to.sound.pcm if self.append_to is not None else b""
            with self.exchange.plane.lock:
                sound = Frame(before + bytes(self._pcm), RATE)
            self.exchange.stored_recordings[self.name] = StoredRecording(self.name, self.form, sound)
        self._forget()
        # "done" also where it was thrown away (recordings).
        self._enter("done")
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


class Ear(ListenerLeg):
    """The recorder's leg: hears what a further member of the bridge would, its keys too."""

    def __init__(self) -> None:
        super().__init__(FORMATS["slin"], self._take_sound)
        self.recording: LiveRecording | None = None

    def _take_sound(self, pcm: bytes) -> None:
        if self.recording is not None:
            self.recording.take(Frame(pcm, RATE))

    def digit(self, digit: str, seconds: float) -> None:
        recording = self.recording
        if recording is not None:
            recording.exchange.plane.notify(lambda: recording.pressed(digit))


def join_recorder(bridge: Bridge) -> tuple[Attendant, Ear]:
    ear = Ear()
    recorder = bridge.exchange.add_attendant("Recorder/ARI", ear)
    bridge.join(recorder)
    return recorder, ear


def record_bridge(recording: LiveRecording, bridge: Bridge, recorder: Attendant, ear: Ear) -> None:
    with recording.exchange.plane.lock:
        ear.recording = recording

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
    channel.on_digit = recording.pressed
    plane = recording.exchange.plane
    with plane.lock:
        source = frames_of(BEEP)
        while recording.limits.beep and (frame := source()) is not None:
            channel.leg.write(frame)
        channel.leg.sink = recording.take

    def detach() -> None:
        channel.recording = False
        channel.on_digit = None
        with plane.lock:
            if channel.bridge is None:
                channel.leg.sink = None

    recording.start(detach)
