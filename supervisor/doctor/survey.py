"""Everything that the doctor looks at, in order: the house, the machine, each Asterisk, the dialplan, the line."""

from collections.abc import Collection

import msgspec

from config.load import Config
from config.schema import Asterisk
from ipc.bus import Bus
from ipc.orders import SystemStatus
from supervisor.doctor import application, console, dialplan, files, machine, modules, music, reach, sockets
from supervisor.doctor.agentcall import AgentCall
from supervisor.doctor.ari import Ari, NoReply
from supervisor.doctor.findings import Finding, Subject, worst
from supervisor.doctor.selfcall import SelfCall


class Options(msgspec.Struct, frozen=True, kw_only=True):
    call: bool = True
    """Whether the doctor calls itself, and the agent."""
    seconds: float = 10.0
    """How long each of these calls is measured."""
    cli: str = ""
    """Asterisk's console, where it is not on this machine: a command to which one CLI command is added."""


class House(msgspec.Struct, frozen=True, kw_only=True):
    """The running system, or that there is none."""

    config: Config
    status: SystemStatus | None = None
    bus: Bus | None = None
    trouble: str = ""
    """Why it does not say how it is, though it runs."""

    @property
    def running(self) -> bool:
        return self.status is not None or bool(self.trouble)


async def survey(house: House, options: Options) -> list[Finding]:
    settings, status = house.config.settings, house.status
    findings = [*_house(house), *_machine(house)]
    findings += files.directory(settings, Subject("Files", "files"))
    findings += await sockets.left_open(settings, status, Subject("Machine", "machine"))
    findings += await _asterisk(house, options, settings.asterisk)
    for name, asterisk in settings.more_asterisks.items():
        findings += await _another(house, name, asterisk)
    return findings


def _house(house: House) -> list[Finding]:
    subject = Subject("Ringmaster", "system")
    agents = len(house.config.agents)
    seen = f"{house.config.path}, {agents} agent{'s' if agents != 1 else ''}"
    findings = [subject.ok("configuration", "the configuration is right", seen)]
    if house.trouble:
        remedy = "ask as the user that it runs as: sudo -u ringmaster ringmaster doctor"
        what = "the running system does not say how it is"
        findings.append(subject.warning("running", what, "only half of it can be looked at", remedy, house.trouble))
    elif house.status is None:
        what = "the system does not run"
        remedy = "ringmaster up   (or: systemctl start ringmaster)"
        why = "calls go on in the dialplan at once, with STASISSTATUS=FAILED; and the agent itself was not looked at"
        findings.append(subject.advice("running", what, why, remedy))
    else:
        status = house.status
        seen = f"version {status.version}, {len(status.calls)} calls, {status.warm_audio} audio actors warm"
        if status.ready:
            findings.append(subject.ok("running", "the system runs", seen))
        else:
            what = "the system runs, but is not ready for calls"
            why = "callers go on in the dialplan"
            findings.append(subject.error("running", what, why, "ringmaster status --watch   shows what it waits for"))
        for problem in status.problems:
            what, _, remedy = problem.partition(": ")
            why = "the running system says so itself"
            findings.append(subject.warning("problem", what, why, remedy or "ringmaster status", problem))
        degraded = [actor for actor in status.actors if actor.state == "degraded"]
        for actor in degraded:
            what = f"{actor.name} has died too often and is not started again for a while"
            remedy = f"journalctl -u ringmaster | grep '{actor.name}'; ringmaster dump {actor.name}"
            findings.append(subject.warning("degraded", what, "fewer calls are served", remedy, actor.note))
    return findings


def _machine(house: House) -> list[Finding]:
    settings, status, subject = house.config.settings, house.status, Subject("Machine", "machine")
    return [
        *machine.clock(subject),
        *machine.priority(settings, status, subject),
        *machine.memory(settings, subject),
        *machine.descriptors(settings, status, subject),
        *files.kept(settings, subject),
        # Whose the ports are is not known of a system that does not answer.
        *([] if house.trouble else machine.audio_port(settings, status, subject)),
        *([] if house.trouble else machine.rtp_ports(settings, status, subject)),
    ]


async def _asterisk(house: House, options: Options, asterisk: Asterisk) -> list[Finding]:
    """The one that `asterisk` names: with dialplan and calls."""
    settings, status = house.config.settings, house.status
    subject = Subject("Asterisk", "asterisk")
    cli = console.find(asterisk.port, options.cli) if _here(asterisk) or options.cli else None
    routes = await dialplan.reachable(cli, asterisk, settings, Subject("Dialplan", "dialplan"))
    try:
        async with Ari(asterisk) as ari:
            findings, goes_on, loaded = await _look(house, ari, cli, subject)
            findings += routes
            if not goes_on or not options.call:
                return findings + await _places(cli, house)
            bare = [
                module for module in modules.TRANSPORTS["audiosocket"] if loaded is not None and module not in loaded
            ]
            findings += await SelfCall(ari, settings, house.running, cli, options.seconds, bare).run()
            served = (
                status is not None
                and not bare
                and worst([one for one in findings if one.subject == "Asterisk"]) != "error"
            )
            if served and status is not None and house.bus is not None:
                findings += await AgentCall(ari, settings, status, house.bus, options.seconds).run()
            return findings
    except NoReply as error:
        return [*routes, _lost(subject, error)]


async def _another(house: House, name: str, asterisk: Asterisk) -> list[Finding]:
    """One of `more_asterisks`: what can be seen without a call."""
    subject = Subject(f"Asterisk {name}", f"asterisk.{name}")
    try:
        async with Ari(asterisk) as ari:
            return (await _look(house, ari, None, subject))[0]
    except NoReply as error:
        return [_lost(subject, error)]


def _lost(subject: Subject, error: NoReply) -> Finding:
    remedy = "systemctl status asterisk; look into its log"
    return subject.error("reach", "Asterisk went away in the middle of it", "so it may in a call", remedy, str(error))


async def _look(
    house: House, ari: Ari, cli: console.Console | None, subject: Subject
) -> tuple[list[Finding], bool, Collection[str] | None]:
    """What ARI tells, whether more can be asked, and which modules run if that is known."""
    settings = house.config.settings
    findings, reached = await reach.reach(ari, cli, subject)
    if reached is None:
        what = "modules, application and the line were not looked at"
        remedy = "put right what stands above, and ask again"
        findings.append(subject.advice("unseen", what, "Asterisk cannot be asked", remedy))
        return findings, False, None
    if reached.version:
        findings += reach.version_findings(reached.version, subject, settings.media.transports)
    findings += await reach.clock(ari, subject)
    loaded, reason = await modules.running(ari)
    if loaded is None:
        what = "Asterisk does not tell its modules"
        remedy = "asterisk -rx 'module show'"
        findings.append(subject.advice("modules", what, "what it lacks shows only in calls", remedy, reason))
    else:
        findings += modules.module_findings(settings, loaded, subject)
        findings += modules.timing(loaded, subject)
    secure = ari.asterisk.scheme == "https"
    findings += modules.transport_findings(settings, reached.version, loaded, secure, subject)
    if not house.trouble:
        findings += await application.application(ari, house.status, subject)
    if cli is not None:
        findings += await music.music(cli, settings, subject)
    findings += await _sound(ari, house, subject)
    may_write = not any(finding.check.endswith(".rights") and finding.level == "error" for finding in findings)
    return findings, may_write, loaded


async def _sound(ari: Ari, house: House, subject: Subject) -> list[Finding]:
    """Is there what Asterisk says to a caller whose agent is lost?"""
    media = house.config.settings.failure.sound
    if not media.startswith("sound:"):
        return []
    reply = await ari.get("sounds", media.removeprefix("sound:"))
    if reply.status != 404 or "Sound" not in reply.message:
        return []
    what = f"Asterisk has no sound `{media}` (`failure.sound`)"
    remedy = "install its core sounds (asterisk-core-sounds-en), or name another: ls /var/lib/asterisk/sounds/en"
    why = "a caller whose agent is lost is sent on without a word"
    return [subject.warning("sound", what, why, remedy, reply.message)]


async def _places(cli: console.Console | None, house: House) -> list[Finding]:
    """The destinations, where there is no channel to ask with."""
    settings = house.config.settings
    exists = {
        key: await dialplan.exists_by_console(cli, place) if cli else None
        for key, place in dialplan.places(settings).items()
    }
    return dialplan.destination_findings(exists, settings, Subject("Dialplan", "dialplan"))


def _here(asterisk: Asterisk) -> bool:
    return asterisk.host in ("localhost", "::1") or asterisk.host.startswith("127.")
