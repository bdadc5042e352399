"""ARI operations on playbacks and recordings. Messages and checks as in Asterisk."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from urllib.parse import quote

from bench.asterisk.application import BRIDGE, CHANNEL, Kind
from bench.asterisk.ari.bridges import find_bridge
from bench.asterisk.ari.channels import find_session
from bench.asterisk.ari.operations import operation
from bench.asterisk.ari.request import Refusal, Reply, Request
from bench.asterisk.playback import Playback, play_on_bridge, play_on_channel
from bench.asterisk.recording import (
    FILE_FORMATS,
    Limits,
    LiveRecording,
    StoredRecording,
    join_recorder,
    record_bridge,
    record_channel,
)

PLAY_ON_CHANNEL = {"media": list, "lang": str, "offsetms": int, "skipms": int, "playbackId": str}
PLAY_ON_BRIDGE = {**PLAY_ON_CHANNEL, "announcer_format": str}
RECORD_CHANNEL = {
    "name": str,
    "format": str,
    "maxDurationSeconds": int,
    "maxSilenceSeconds": int,
    "ifExists": str,
    "beep": bool,
    "terminateOn": str,
}
RECORD_BRIDGE = {**RECORD_CHANNEL, "recorder_format": str}


# `terminateOn` -> the keys that end a recording.
KEYS = {"none": "", "any": "0123456789*#ABCD", "*": "*", "#": "#"}


def without_id(parameters: dict[str, type]) -> dict[str, type]:
    return {name: kind for name, kind in parameters.items() if name != "playbackId"}


# -- playing --------------------------------------------------------------------------------------------------------


@operation("POST", "/channels/{channelId}/play", PLAY_ON_CHANNEL)
@operation("POST", "/channels/{channelId}/play/{playbackId}", without_id(PLAY_ON_CHANNEL))
async def play_channel(call: Request) -> Reply:
    channel, session = await find_session(call)
    playback = make_playback(call, (CHANNEL, channel.id), "Failed to queue media for playback")
    reply = Reply(201, playback.json(), f"/playbacks/{quote(playback.id, safe='')}")
    session.submit(lambda: play_on_channel(playback, channel))
    return reply


@operation("POST", "/bridges/{bridgeId}/play", PLAY_ON_BRIDGE)
@operation("POST", "/bridges/{bridgeId}/play/{playbackId}", without_id(PLAY_ON_BRIDGE))
async def play_bridge(call: Request) -> Reply:
    bridge = find_bridge(call)
    playback = make_playback(call, (BRIDGE, bridge.id), "Allocation failed")
    reply = Reply(201, playback.json(), f"/playbacks/{quote(playback.id, safe='')}")
    play_on_bridge(call.exchange, bridge, playback)
    return reply


def make_playback(call: Request, target: tuple[Kind, str], refusal: str) -> Playback:
    if call.number("skipms") < 0:
        raise Refusal(400, "skipms cannot be negative")
    if call.number("offsetms") < 0:
        raise Refusal(400, "offsetms cannot be negative")
    media = call.items("media")
    if not media or not all(media):
        raise Refusal(500, refusal)
    playback_id = call.path.get("playbackId") or call.text("playbackId") or str(uuid.uuid4())
    if playback_id in call.exchange.playbacks:
        # Asterisk would keep both under one id, and nobody could say which one is meant.
        raise Refusal(409, f"stand-in: there is a playback {playback_id!r} already")
    playback = Playback(call.exchange, playback_id, media, target)
    playback.language = call.text("lang", "en")
    return playback


def find_playback(call: Request) -> Playback:
    playback = call.exchange.playbacks.get(call.path["playbackId"])
    if playback is None:
        raise Refusal(404, "Playback not found")
    return playback


@operation("GET", "/playbacks/{playbackId}")
async def get_playback(call: Request) -> Reply:
    return Reply(200, find_playback(call).json())


@operation("DELETE", "/playbacks/{playbackId}")
async def stop_playback(call: Request) -> Reply:
    if not find_playback(call).stop():
        raise Refusal(500, "Could not stop playback")
    return Reply()


@operation("POST", "/playbacks/{playbackId}/control", {"operation": str})
async def control_playback(call: Request) -> Reply:
    wanted = call.text("operation")
    if not wanted:
        raise Refusal(400, "Missing operation")
    if wanted not in ("restart", "pause", "unpause", "reverse", "forward"):
        raise Refusal(400, f"Invalid operation {wanted}")
    playback = find_playback(call)
    if playback.state not in ("playing", "paused"):
        raise Refusal(409, f"Can only {wanted} while media is playing")
    if wanted not in ("pause", "unpause"):
        raise Refusal(501, f"stand-in: playback control {wanted!r} is not simulated")
    playback.pause(wanted == "pause")
    return Reply()


# -- recording ------------------------------------------------------------------------------------------------------


@operation("POST", "/channels/{channelId}/record", RECORD_CHANNEL)
async def start_channel_recording(call: Request) -> Reply:
    channel, session = await find_session(call, in_any_state=True)
    check_recording(call)
    recording = make_recording(call, (CHANNEL, channel.id))
    reply = recording_reply(recording)
    session.submit(lambda: record_channel(recording, channel))
    return reply


@operation("POST", "/bridges/{bridgeId}/record", RECORD_BRIDGE)
async def start_bridge_recording(call: Request) -> Reply:
    """The recorder is in the bridge before it is known whether it may record (recordings)."""
    bridge = find_bridge(call)
    check_recording(call)
    recorder, ear = join_recorder(bridge)
    try:
        recording = make_recording(call, (BRIDGE, bridge.id))
    except Refusal:
        bridge.leave(recorder)
        raise
    reply = recording_reply(recording)
    record_bridge(recording, bridge, recorder, ear)
    return reply


def recording_reply(recording: LiveRecording) -> Reply:
    return Reply(201, recording.json(), f"/recordings/live/{quote(recording.name, safe='')}")


def check_recording(call: Request) -> None:
    name, form, exists = call.text("name"), call.text("format"), call.text("ifExists", "fail")
    if call.number("maxDurationSeconds") < 0:
        raise Refusal(400, "max_duration_seconds cannot be negative")
    if call.number("maxSilenceSeconds") < 0:
        raise Refusal(400, "max_silence_seconds cannot be negative")
    if call.text("terminateOn", "none") not in KEYS:
        raise Refusal(400, "terminateOn invalid")
    if exists not in ("fail", "overwrite", "append"):
        raise Refusal(400, "ifExists invalid")
    if form not in FILE_FORMATS:
        raise Refusal(422, "specified format is unknown on this system")
    if not name:
        raise Refusal(500, "Error parsing request")
    if ".." in name:
        raise Refusal(400, "Recording name invalid")


def make_recording(call: Request, target: tuple[Kind, str]) -> LiveRecording:
    name, exists = call.text("name"), call.text("ifExists", "fail")
    stored = call.exchange.stored_recordings.get(name)
    if name in call.exchange.live_recordings or (stored is not None and exists == "fail"):
        raise Refusal(409, f"Recording '{name}' already exists and can not be overwritten")
    limits = Limits(
        seconds=call.number("maxDurationSeconds"),
        silence_s=call.number("maxSilenceSeconds"),
        keys=KEYS[call.text("terminateOn", "none")],
        beep=call.flag("beep"),
    )
    recording = LiveRecording(call.exchange, name, call.text("format"), target, limits)
    recording.append_to = stored if exists == "append" else None
    return recording


def find_live(call: Request) -> LiveRecording:
    recording = call.exchange.live_recordings.get(call.path["recordingName"])
    if recording is None:
        raise Refusal(404, "Recording not found")
    return recording


@operation("GET", "/recordings/live/{recordingName}")
async def get_live(call: Request) -> Reply:
    return Reply(200, find_live(call).json())


def live_operation(method: str, path: str, act: Callable[[LiveRecording], None]) -> None:
    async def function(call: Request) -> Reply:
        recording = find_live(call)
        if recording.state == "queued" and path not in ("", "/stop"):
            raise Refusal(409, "Recording not in session")
        act(recording)
        return Reply()

    operation(method, f"/recordings/live/{{recordingName}}{path}")(function)


live_operation("DELETE", "", lambda recording: recording.stop(keep=False))
live_operation("POST", "/stop", lambda recording: recording.stop())
live_operation("POST", "/pause", lambda recording: recording.pause(True))
live_operation("DELETE", "/pause", lambda recording: recording.pause(False))
live_operation("POST", "/mute", lambda recording: recording.mute(True))
live_operation("DELETE", "/mute", lambda recording: recording.mute(False))


def find_stored(call: Request) -> StoredRecording:
    recording = call.exchange.stored_recordings.get(call.path["recordingName"])
    if recording is None:
        raise Refusal(404, "Recording not found")
    return recording


@operation("GET", "/recordings/stored")
async def list_stored(call: Request) -> Reply:
    return Reply(200, [recording.json() for recording in call.exchange.stored_recordings.values()])


@operation("GET", "/recordings/stored/{recordingName}")
async def get_stored(call: Request) -> Reply:
    return Reply(200, find_stored(call).json())


@operation("GET", "/recordings/stored/{recordingName}/file")
async def get_stored_file(call: Request) -> Reply:
    return Reply(200, file=find_stored(call).wav())


@operation("DELETE", "/recordings/stored/{recordingName}")
async def delete_stored(call: Request) -> Reply:
    del call.exchange.stored_recordings[find_stored(call).name]
    return Reply()


@operation("POST", "/recordings/stored/{recordingName}/copy", {"destinationRecordingName": str})
async def copy_stored(call: Request) -> Reply:
    source, name = find_stored(call), call.text("destinationRecordingName")
    if name in call.exchange.stored_recordings:
        raise Refusal(409, "A recording with the same name already exists on the system")
    copy = StoredRecording(name, source.form, source.sound)
    call.exchange.stored_recordings[name] = copy
    return Reply(200, copy.json())
