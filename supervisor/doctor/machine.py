"""What the machine gives us: a clock, real-time priority, shared memory, descriptors, ports."""

import ctypes
import os
import resource
import shutil
import socket
import threading
import time
from pathlib import Path

import psutil

from config.schema import Settings
from ipc import rings
from ipc.orders import SystemStatus
from supervisor import ports
from supervisor.doctor.findings import Finding, Subject

COARSE_S = 1e-6
"""Of CLOCK_MONOTONIC: with less the pacer's grid of whole milliseconds is not one."""
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit")
"""Clock sources that are read over a bus, or tick rarely: about 1 us a look instead of 0.02."""
CLOCKSOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")

_UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2)."""
_TIMEX_BYTES = 208

CALL_BYTES = (rings.EAR_SLOTS + rings.MOUTH_SLOTS + rings.TAP_SLOTS) * (rings.frame_bytes(16000) + 64)
"""Of shared memory that a call at 16000 Hz may take, headers included, rounded up."""
SHARED_MEMORY = Path("/dev/shm")

CALL_DESCRIPTORS = 16
"""Of the supervisor's and of an audio actor's, that a call may take: sockets, bells, pidfd, duplicates."""
FEW_DESCRIPTORS = 256
"""That the rest of the system needs."""

SERVICE = "in the systemd unit ([Service]; deploy/ringmaster.service has them):"


def clock(subject: Subject) -> list[Finding]:
    """The clock that paces, and the time of day."""
    findings = []
    resolution = time.get_clock_info("monotonic").resolution
    source = CLOCKSOURCE.read_text().strip() if CLOCKSOURCE.exists() else "unknown"
    seen = f"clock source {source}, resolution {resolution * 1e9:.0f} ns"
    if resolution > COARSE_S or source in SLOW_CLOCKS:
        what = f"the machine keeps time by {source}"
        why = "each look at the clock is slow or coarse, and every frame needs some: pacing suffers"
        remedy = "boot with tsc or the hypervisor's clock (kernel parameter clocksource=tsc, or kvm-clock in a guest)"
        findings.append(subject.warning("clock", what, why, remedy, seen))
    else:
        findings.append(subject.ok("clock", "the clock that paces is fine", seen))
    if synchronised():
        findings.append(subject.ok("time", "the time of day is synchronised"))
    else:
        what = "the kernel does not know of a synchronised time of day"
        why = "calls are unharmed, but the times in logs and history drift (in a container the host keeps the time)"
        findings.append(subject.advice("time", what, why, "timedatectl set-ntp true"))
    return findings


def synchronised() -> bool:
    """As adjtimex(2) says; True where it cannot be asked."""
    try:
        state = int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return True
    return state not in (_UNSYNCHRONISED, -1)


def priority(settings: Settings, status: SystemStatus | None, subject: Subject) -> list[Finding]:
    """Whether the audio actors get the real-time priority that was asked for."""
    wanted = settings.audio.priority
    if not wanted:
        return [subject.ok("priority", "real-time priority is not asked for", "`audio.priority: 0`")]
    why = "on a busy machine frames go out late: 2.6 to 7.4 ms at the 99th percentile instead of 0.1"
    remedy = (
        f"{SERVICE}\nLimitRTPRIO=40\nLimitNICE=-15\nthen: systemctl daemon-reload && systemctl restart ringmaster"
        "\n(in a container: --cap-add SYS_NICE; on an interactive shell: `ringmaster  -  rtprio  40` in"
        " /etc/security/limits.conf)"
    )
    if status is not None:
        granted = [actor.scheduling for actor in status.actors if actor.role == "audio" and actor.pid]
        if granted and not any(one.startswith("fifo") for one in granted):
            return [subject.warning("priority", "audio actors run without real-time priority", why, remedy, granted[0])]
        if granted:
            return [subject.ok("priority", "audio actors have real-time priority", granted[0])]
    if may_be_realtime(wanted):
        return [subject.ok("priority", "real-time priority is allowed", f"fifo:{wanted}")]
    what = "this user may not ask for real-time priority"
    return [subject.warning("priority", what, why, remedy, f"`audio.priority: {wanted}`")]


def may_be_realtime(wanted: int) -> bool:
    """Tried on a thread that ends at once."""
    allowed = []

    def ask() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(wanted))
        except OSError:
            return
        allowed.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return bool(allowed)


def memory(settings: Settings, subject: Subject) -> list[Finding]:
    """Room for the rings of as many calls as are allowed."""
    needed = CALL_BYTES * settings.audio.max_calls
    usage = shutil.disk_usage(SHARED_MEMORY)
    seen = f"{usage.free / 1e6:.0f} MB free, {needed / 1e6:.0f} MB for {settings.audio.max_calls} calls"
    if usage.free >= needed:
        return [subject.ok("memory", f"{SHARED_MEMORY} has room for the audio", seen)]
    what = f"{SHARED_MEMORY} is too small for {settings.audio.max_calls} calls"
    remedy = (
        f"mount -o remount,size={needed * 2 // 1_000_000}M {SHARED_MEMORY}   (container: --shm-size"
        f" {needed * 2 // 1_000_000}m), or lower `audio.max_calls`"
    )
    why = "callers for whom there is none are sent on with AGENT_STATUS=BUSY"
    return [subject.warning("memory", what, why, remedy, seen)]


def descriptors(settings: Settings, status: SystemStatus | None, subject: Subject) -> list[Finding]:
    """The limit on open files of the running supervisor, or of whoever starts it from here."""
    needed = CALL_DESCRIPTORS * settings.audio.max_calls + FEW_DESCRIPTORS
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if status is not None:
        try:
            limit = psutil.Process(status.pid).rlimit(psutil.RLIMIT_NOFILE)[0]
        except psutil.Error:
            return []
    seen = f"{limit} allowed, {needed} for {settings.audio.max_calls} calls"
    if limit in (resource.RLIM_INFINITY, -1) or limit >= needed:
        return [subject.ok("descriptors", "enough files may be open", seen)]
    what = "too few files may be open for so many calls"
    remedy = f"{SERVICE}\nLimitNOFILE=65536\n(interactive: ulimit -n 65536)"
    return [subject.warning("descriptors", what, "callers are turned away though there is room", remedy, seen)]


def audio_port(settings: Settings, status: SystemStatus | None, subject: Subject) -> list[Finding]:
    """Free, or ours; and whether what was told to Asterisk can be right."""
    audio = settings.audiosocket
    findings = []
    if status is None:
        family = socket.AF_INET6 if ":" in audio.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((audio.host, audio.port))
                findings.append(subject.ok("port", f"port {audio.port} is free for the calls' audio"))
            except OSError as error:
                what, _, remedy = ports.explain(error, audio.host, audio.port, "audiosocket").partition(": ")
                findings.append(subject.error("port", what, "the system cannot start", remedy))
    else:
        findings.append(subject.ok("port", f"port {audio.port} is ours", f"{len(status.calls)} calls"))
    remote = not _is_local(settings.asterisk.host)
    if remote and _is_local(audio.advertise_host or audio.host):
        what = f"Asterisk is on {settings.asterisk.host}, but is told to bring the audio to its own loopback"
        remedy = (
            "set `audiosocket.host: 0.0.0.0`, `audiosocket.advertise_host` to this machine's address, and"
            f" `audiosocket.allowed_hosts: [{settings.asterisk.host}]`"
        )
        why = "every media connection is refused there: callers and agent cannot hear each other"
        findings.append(subject.error("address", what, why, remedy, f"{audio.advertise_host or audio.host}"))
    if audio.host not in ("127.0.0.1", "localhost", "::1") and not audio.allowed_hosts:
        what = f"anybody who reaches port {audio.port} may talk to the agent"
        remedy = f"set `audiosocket.allowed_hosts: [{settings.asterisk.host}]`, or close the port in the firewall"
        findings.append(subject.advice("open", what, "AudioSocket has no password", remedy, f"bound to {audio.host}"))
    return findings


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def rtp_ports(settings: Settings, status: SystemStatus | None, subject: Subject) -> list[Finding]:
    """Whether the RTP range is free. Those in use by the running system count as free."""
    if "rtp" not in settings.media.transports:
        return []
    media = settings.external_media
    first, last = (int(word) for word in media.port_range.split("-"))
    ours = set()
    if status is not None:
        pids = {status.pid, *(actor.pid for actor in status.actors), None}
        ours = {one.laddr.port for one in psutil.net_connections(kind="udp") if one.laddr and one.pid in pids}
    taken = [port for port in range(first, last + 1) if port not in ours and not _udp_free(media.rtp_host, port)]
    count = last - first + 1
    seen = f"{count} ports, {count - len(taken)} of them usable, up to {settings.audio.max_calls} calls"
    if count - len(taken) >= settings.audio.max_calls:
        return [subject.ok("rtp-ports", f"there are UDP ports for RTP ({media.port_range})", seen)]
    what = f"too few UDP ports are free in {media.port_range}"
    remedy = "set `external_media.port_range` to a free range; ss -uanp   shows who has them"
    return [subject.warning("rtp-ports", what, "calls over RTP fail when they run out", remedy, seen)]


def _udp_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
