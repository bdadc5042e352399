"""The doctor calls itself through Asterisk: does Asterisk reach us, how even is the audio, does it find our files, do
the extensions exist to which callers are to be sent? Nobody's telephone rings.

    doctor --AudioSocket--> channel A --+
                                        +-- bridge     marks go round: A, bridge, B, doctor, B, bridge, A
    doctor <-AudioSocket--- channel B --+
"""

import contextlib
import uuid
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from config.schema import Settings
from supervisor.doctor import cadence, dialplan, files, line, marks
from supervisor.doctor.ari import Ari, NoReply
from supervisor.doctor.console import Console
from supervisor.doctor.door import Door
from supervisor.doctor.findings import Finding, Subject
from supervisor.doctor.guest import START_S, Guest
from supervisor.doctor.line import Heard, Wire

ARRIVE_S = 4.0
"""From Asterisk's reply to its connection's UUID."""
PLAYED_FRAMES = 25
PLAYED_FROM = 60_000
"""Numbers of the marks in the file that Asterisk is asked to play: not those of a conversation."""
PLAY_S = 1.5

ANY_ADDRESS = ("0.0.0.0", "::", "")


async def advertised(ari: Ari, settings: Settings, port: int) -> str:
    """host:port as Asterisk is told it; raises `NoReply`."""
    host = settings.audiosocket.advertise_host or settings.audiosocket.host
    if host in ANY_ADDRESS:
        host = await ari.own_address()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class SelfCall:
    def __init__(
        self,
        ari: Ari,
        settings: Settings,
        running: bool,
        console: Console | None,
        seconds: float,
        missing: Sequence[str] = (),
    ) -> None:
        """running: the system has its port. missing: modules that AudioSocket needs and Asterisk lacks."""
        self._ari = ari
        self._settings = settings
        self._running = running
        self._console = console
        self._seconds = seconds
        self._missing = missing
        self._line = Subject("Line", "line")

    async def run(self) -> list[Finding]:
        """Raises `NoReply` when Asterisk goes away meanwhile."""
        try:
            async with Guest(self._ari) as guest:
                findings = await self._with_door(guest)
                left = await guest.tidy_up()
        except NoReply as error:
            what = "the doctor could not call itself through Asterisk"
            remedy = "asterisk -rx 'module load res_ari_events.so'; if that is loaded, look into Asterisk's log"
            return [self._line.error("call", what, "calls go the same way", remedy, str(error))]
        if left:
            what = f"{len(left)} of the doctor's own channels did not end"
            why = "calls would leave channels behind, too"
            remedy = "\n".join(f"asterisk -rx 'channel request hangup {channel}'" for channel in left)
            findings.append(self._line.warning("orphans", what, why, remedy))
        return findings

    async def _with_door(self, guest: Guest) -> list[Finding]:
        audio = self._settings.audiosocket
        if self._missing:
            what = "the line was not measured: the doctor calls over AudioSocket"
            remedy = "\n".join(f"asterisk -rx 'module load {module}.so'" for module in self._missing)
            why = f"Asterisk lacks {', '.join(self._missing)}"
            return [self._line.advice("call", what, why, remedy), *await self._places(guest, await guest.probe())]
        # While the system runs, its port is taken; then any other has to do.
        try:
            async with Door(audio.host, 0 if self._running else audio.port) as door:
                return await self._call(guest, door)
        except OSError as error:
            what = "the doctor cannot listen for Asterisk's connection"
            remedy = "see `audiosocket.host` and `audiosocket.port`"
            return [self._line.error("call", what, "the system could not, either", remedy, str(error))]

    async def _call(self, guest: Guest, door: Door) -> list[Finding]:
        address = await advertised(self._ari, self._settings, door.port)
        ends: list[tuple[str, Wire]] = []
        for _ in range(2):
            media = door.expect()
            channel, reply = await guest.call(f"AudioSocket/{address}/{media}/c(slin)")
            wire = await door.connection(media, ARRIVE_S) if reply.ok else None
            if wire is None or await guest.event("StasisStart", "channel", channel, START_S) is None:
                finding = self._unreached(address, f"POST /ari/channels: {reply.message}")
                return [finding, *await self._places(guest, await guest.probe())]
            ends.append((channel, wire))
        (first, near), (second, far) = ends
        findings = [self._line.ok("reached", "Asterisk brings audio to us", address)]
        findings += await self._places(guest, first)
        findings += await self._files(guest, first, near)
        near.heard = Heard([], {})
        joined = await guest.join(first, second)
        if not joined.ok:
            what = "Asterisk does not bridge two channels"
            remedy = "asterisk -rx 'module load bridge_simple.so'; asterisk -rx 'module load bridge_softmix.so'"
            return [*findings, self._line.error("bridge", what, "no call works", remedy, joined.message)]
        record = await line.in_a_thread(partial(line.converse, near, far, self._seconds))
        measured = cadence.figures(record, record.far)
        if measured.first < 0:
            what = "no audio comes through a bridge of Asterisk"
            remedy = "asterisk -rx 'core show translation'; look into Asterisk's log"
            seen = near.heard.ended or f"{len(far.heard.arrivals)} frames arrived on the other side"
            return [*findings, self._line.error("audio", what, "callers hear nothing", remedy, seen)]
        remedy = (
            "look what else runs on Asterisk's machine (top -H), give Asterisk priority (highpriority = yes in"
            " asterisk.conf, or Nice=-11 in its systemd unit), and look at the network between the two if they are on"
            " different machines (ping -i 0.2)"
        )
        limit = cadence.BRIDGE_ROUND_TRIP_MS
        return findings + cadence.judge(measured, "through Asterisk", limit, remedy, self._line, "audio")

    def _unreached(self, address: str, evidence: str) -> Finding:
        audio = self._settings.audiosocket
        what = f"Asterisk does not bring audio to {address}"
        why = "callers and agent cannot hear each other"
        own_port = ""
        if self._running:
            own_port = (
                f" (a port of the doctor's own, for the running system has {audio.port}; if a firewall lets only that"
                " one through, stop the system and try again)"
            )
        remedy = (
            f"on Asterisk's machine: nc -vz {address.rpartition(':')[0].strip('[]')} {address.rpartition(':')[2]}"
            f"{own_port}\nif that fails: open the port in the firewall; if Asterisk reaches this machine under another"
            " address (containers, NAT), set `audiosocket.advertise_host`\nif it does not: asterisk -rx 'module load"
            " chan_audiosocket.so'"
        )
        return self._line.error("reached", what, why, remedy, evidence)

    async def _places(self, guest: Guest, channel: str | None) -> list[Finding]:
        """Do the destinations exist? Asked of Asterisk's function DIALPLAN_EXISTS, or of its console."""
        exists: dict[str, bool | None] = {}
        for key, place in dialplan.places(self._settings).items():
            context, extension, priority = place
            asked = f"DIALPLAN_EXISTS({context},{extension},{priority})"
            value = await guest.read(channel, asked) if channel else None
            if value in ("0", "1"):
                exists[key] = value == "1"
            else:
                exists[key] = await dialplan.exists_by_console(self._console, place) if self._console else None
        subject = Subject("Dialplan", "dialplan")
        findings = dialplan.destination_findings(exists, self._settings, subject)
        context = dialplan.outbound_context(self._settings)
        if channel and context and await guest.read(channel, f"DIALPLAN_EXISTS({context})") == "0":
            findings.append(dialplan.no_way_out(context, self._settings, subject))
        return findings

    async def _files(self, guest: Guest, channel: str, wire: Wire) -> list[Finding]:
        """Has Asterisk play a file of marks to us, if the directory for it is there."""
        streaming = self._settings.streaming
        directory = Path(streaming.media_directory)
        name = f"doctor-{uuid.uuid4().hex}"
        path = directory / f"{name}.sln"
        if not files.used(self._settings) or not directory.is_dir():
            return []
        try:
            path.write_bytes(b"".join(marks.frame(PLAYED_FROM + number) for number in range(PLAYED_FRAMES)))
            path.chmod(0o644)
        except OSError:
            return []  # which `files.directory` has told already
        try:
            playback, reply = await guest.play(channel, f"{streaming.media_uri}/{name}")
            await line.in_a_thread(partial(line.listen, wire, PLAY_S))
            finished = await guest.event("PlaybackFinished", "playback", playback, START_S) if reply.ok else None
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
        heard = sum(number >= PLAYED_FROM for number in wire.heard.marks)
        seen = f"{heard} of {PLAYED_FRAMES} frames heard"
        subject = Subject("Files", "files")
        if heard >= PLAYED_FRAMES // 2:
            return [subject.ok("played", "Asterisk plays our files", seen)]
        state = finished["playback"].get("state") if finished else reply.message
        make = subject.error if self._settings.downstream_mode == "file" else subject.warning
        what = f"Asterisk does not find the files in {directory} as `{streaming.media_uri}/...`"
        link = f"{files.ASTERISK_SOUNDS}/{streaming.media_uri.removeprefix('sound:')}"
        remedy = (
            f"ln -sfn {directory} {link}\n(another sounds directory: asterisk -rx 'core show settings' | grep 'Data"
            f" directory')\nAsterisk's user must be able to read it: sudo -u asterisk ls {directory}\nwithout files:"
            " `streaming.file_fallback: false`"
        )
        why = "speech that is to be played from files is not heard"
        return [make("played", what, why, remedy, f"the playback ended as {state}; {seen}")]
