"""The directory through which Asterisk plays the agent's speech from files: there, writable, in memory, with room.

Whether Asterisk really finds a file in it is tried in `selfcall`.
"""

import errno
import os
import shutil
import uuid
from pathlib import Path

import psutil

from config.schema import Settings
from supervisor.doctor.findings import Finding, Subject

MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")

CALL_BYTES = 2 * 8000 * 2 * 30
"""Of files that a call may have at once: 30 s at 8000 Hz, twice."""

FEW_BYTES = 500_000_000
"""Of a disk: four hours of recordings."""

ASTERISK_SOUNDS = "/var/lib/asterisk/sounds"
"""The usual `astdatadir`/sounds; `asterisk -rx 'core show settings'` tells another one."""


def used(settings: Settings) -> bool:
    """Whether files are played at all."""
    return settings.downstream_mode == "file" or settings.streaming.file_fallback


def make_directory(settings: Settings) -> str:
    """The commands that set everything up, as root."""
    directory = settings.streaming.media_directory
    name = settings.streaming.media_uri.removeprefix("sound:")
    owner = "uid=$(id -u ringmaster),gid=$(id -g ringmaster)"
    options = f"size=256m,mode=0755,{owner}"
    return (
        f"mkdir -p {directory}\n"
        f'echo "tmpfs {directory} tmpfs {options} 0 0" >> /etc/fstab && mount {directory}\n'
        f"ln -sfn {directory} {ASTERISK_SOUNDS}/{name}\n"
        f"(on a disk instead: install -d -o ringmaster -g ringmaster -m 0755 {directory}; with no files at all:"
        " `streaming.file_fallback: false`)"
    )


def directory(settings: Settings, subject: Subject) -> list[Finding]:
    """Looks at it, and writes a file of a few bytes that is removed at once."""
    if not used(settings):
        return [subject.ok("files", "no files are played", "`streaming.file_fallback: false`")]
    path = Path(settings.streaming.media_directory)
    always = settings.downstream_mode == "file"
    make = subject.error if always else subject.warning
    why = (
        "callers hear nothing: `downstream_mode` is file"
        if always
        else "when an engine comes too slowly, its speech cannot be played from files instead"
    )
    if not path.is_dir():
        what = f"the directory for files that Asterisk plays is not there: {path}"
        return [make("files", what, why, make_directory(settings))]
    probe = path / f"doctor-{uuid.uuid4()}"
    try:
        probe.write_bytes(b"\0")
        probe.unlink()
    except OSError as error:
        what = f"{path} cannot be written by this user ({_user()})"
        remedy = f"chown ringmaster: {path}   (and run the doctor as the service's user: sudo -u ringmaster)"
        if error.errno == errno.EROFS:
            remedy = f"{remedy}\nin the systemd unit: ReadWritePaths=-{path}"
        return [make("files", what, why, remedy, str(error))]
    findings = [*_room(settings, path, subject)]
    kind = file_system(path)
    if kind in MEMORY_FILE_SYSTEMS:
        findings.append(subject.ok("files.memory", f"{path} is in memory", kind))
    else:
        what = f"{path} is on a disk, not in memory"
        slow = "a disk that is busy holds up the process that keeps the call's clock"
        findings.append(subject.advice("files.memory", what, slow, make_directory(settings), f"file system {kind}"))
    return findings


def kept(settings: Settings, subject: Subject) -> list[Finding]:
    """Whether the call history can be written, and has room."""
    folder = settings.history.folder.absolute()
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK | os.X_OK):
        what = f"the call history cannot be written to {folder} by this user ({_user()})"
        remedy = f"install -d -o ringmaster -g ringmaster -m 0700 {folder}   (or ask as the service's user)"
        return [subject.warning("history", what, "what happened in calls is not kept", remedy, f"{there}")]
    if free < FEW_BYTES:
        what = f"the disk of the call history is nearly full: {there}"
        remedy = f"df -h {there}; `history.keep_days` and `recording.keep_days` say what is kept"
        return [subject.warning("history", what, "recordings stop, then the history", remedy, f"{free / 1e6:.0f} MB")]
    return [subject.ok("history", "the call history can be kept", f"{folder}, {free / 1e9:.0f} GB free")]


def _room(settings: Settings, path: Path, subject: Subject) -> list[Finding]:
    free, needed = shutil.disk_usage(path).free, CALL_BYTES * settings.audio.max_calls
    seen = f"{free / 1e6:.0f} MB free, {needed / 1e6:.0f} MB for {settings.audio.max_calls} calls"
    if free >= needed:
        return [subject.ok("files", f"{path} can be written, and has room", seen)]
    what = f"{path} has too little room"
    remedy = f"mount -o remount,size={needed * 2 // 1_000_000 + 1}M {path.parent}"
    return [subject.warning("files", what, "replies that are played from files stop", remedy, seen)]


def file_system(path: Path) -> str:
    """Its kind, such as "tmpfs"; "unknown" where the system does not say."""
    resolved = str(path.resolve())
    inside = [
        mount
        for mount in psutil.disk_partitions(all=True)
        if resolved == mount.mountpoint or resolved.startswith(mount.mountpoint.rstrip("/") + "/")
    ]
    return max(inside, key=lambda mount: len(mount.mountpoint)).fstype if inside else "unknown"


def _user() -> str:
    try:
        return psutil.Process().username()
    except (psutil.Error, KeyError):
        return str(os.geteuid())
