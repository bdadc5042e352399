"""Which extensions lead to us, as `dialplan show` tells, and what they do when nobody is there."""

import re
from collections.abc import Sequence

import msgspec

from config.schema import Asterisk, Settings
from supervisor.doctor.console import Console
from supervisor.doctor.findings import Finding, Subject

_CONTEXT = re.compile(r"\[ (?:Included )?[Cc]ontext '([^']+)'")
_EXTENSION = re.compile(r"^\s+'([^']+)'(?: \(CID match '[^']*'\))? =>\s*(.*)$")
_LINE = re.compile(r"^\s*(?:\[[^\]]+\]\s*)?(\d+)\.\s+(\w+)\((.*)\)\s*(?:\[[^\]]*\])?\s*$")

SHOWN = 3
"""So many places are named in a finding."""


class Step(msgspec.Struct, frozen=True):
    context: str
    extension: str
    priority: int
    application: str
    data: str

    def __str__(self) -> str:
        return f"{self.extension}@{self.context}"


def steps(text: str) -> list[Step]:
    """What `dialplan show` says, line by line."""
    found: list[Step] = []
    context = extension = ""
    for line in text.splitlines():
        if match := _CONTEXT.search(line):
            context, extension = match[1], ""
            continue
        if match := _EXTENSION.match(line):
            extension, line = match[1], match[2]
        if context and extension and (match := _LINE.match(line)):
            found.append(Step(context, extension, int(match[1]), match[2], match[3]))
    return found


def entrances(dialplan: Sequence[Step], asterisk: Asterisk, audio_port: int) -> list[Step]:
    """Steps that lead to us. Not the context that Asterisk makes by itself for a connected application."""
    own = f"stasis-{asterisk.app_name}"
    return [
        step
        for step in dialplan
        if step.context != own
        and (
            (step.application == "Stasis" and step.data.split(",")[0].strip() == asterisk.app_name)
            or ("AudioSocket" in f"{step.application}({step.data}" and f":{audio_port}" in step.data)
        )
    ]


def without_fallback(dialplan: Sequence[Step], doors: Sequence[Step]) -> list[Step]:
    """Of the entrances by Stasis() those behind which the caller is hung up."""

    def goes_on(door: Step) -> bool:
        behind = (
            step.application
            for step in dialplan
            if (step.context, step.extension) == (door.context, door.extension) and step.priority > door.priority
        )
        return any(application not in ("Hangup", "NoOp", "Verbose", "Log") for application in behind)

    return [door for door in doors if door.application == "Stasis" and not goes_on(door)]


async def reachable(console: Console | None, asterisk: Asterisk, settings: Settings, subject: Subject) -> list[Finding]:
    """Whether any extension leads here."""
    app = asterisk.app_name
    listing = await console.ask("dialplan show") if console else None
    if listing is None:
        what = "whether the dialplan leads to the agent cannot be known from here"
        why = "ARI does not tell the dialplan, and Asterisk's console cannot be used here"
        remedy = (
            f"on Asterisk's machine: asterisk -rx 'dialplan show' | grep -e 'Stasis({app}' -e 'AudioSocket('\n"
            "or give its console, such as: ringmaster doctor --cli 'docker exec pbx asterisk -rx'"
        )
        return [subject.advice("dialplan", what, why, remedy)]
    dialplan = steps(listing)
    doors = entrances(dialplan, asterisk, settings.audiosocket.port)
    if not doors:
        what = f"no extension leads into Stasis({app}), nor to our AudioSocket port"
        remedy = "ringmaster dialplan   prints the lines (FreePBX: ringmaster dialplan --freepbx)"
        seen = f"{len({(step.context, step.extension) for step in dialplan})} extensions"
        return [subject.warning("dialplan", what, "no caller can reach the agent", remedy, seen)]
    findings = [subject.ok("dialplan", "the dialplan leads to the agent", _named(doors))]
    bare = without_fallback(dialplan, doors)
    if bare:
        what = "a caller whom the agent cannot serve is hung up"
        why = "behind Stasis() nothing rings a person when Ringmaster is away (STASISSTATUS) or full (AGENT_STATUS)"
        remedy = "ringmaster dialplan   prints lines that ring a person"
        findings.append(subject.warning("dialplan.fallback", what, why, remedy, _named(bare)))
    return findings


def _named(doors: Sequence[Step]) -> str:
    names = list(dict.fromkeys(str(door) for door in doors))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def places(settings: Settings) -> dict[str, tuple[str, str, int]]:
    """Everything that the settings send callers to: key, then context, extension and priority."""
    named = {f"transfers.destinations.{name}": one for name, one in settings.transfers.destinations.items()}
    if settings.transfers.on_failure is not None:
        named["transfers.on_failure"] = settings.transfers.on_failure
    return {key: (one.context, one.extension, one.priority) for key, one in named.items()}


def outbound_context(settings: Settings) -> str:
    """Through which the agent's own calls go; "" where they do not go through the dialplan."""
    endpoint = settings.outbound.endpoint
    return endpoint.rpartition("@")[2].partition("/")[0] if endpoint.startswith("Local/") else ""


def no_way_out(context: str, settings: Settings, subject: Subject) -> Finding:
    what = f"the agent could call nobody: the dialplan has no context `{context}`"
    remedy = "set `outbound.endpoint`, such as Local/{number}@from-internal or PJSIP/{number}@trunk"
    why = "`ringmaster call` fails; calls that come in do not need it"
    return subject.advice("outbound", what, why, remedy, f"`outbound.endpoint: {settings.outbound.endpoint}`")


async def exists_by_console(console: Console, place: tuple[str, str, int]) -> bool | None:
    """None where the answer says nothing of it."""
    context, extension, priority = place
    said = await console.ask(f"dialplan show {extension}@{context}")
    if said is None:
        return None
    if "no existence of" in said:
        return False
    found = [step.priority for step in steps(said)]
    return priority in found if found else None


def destination_findings(exists: dict[str, bool | None], settings: Settings, subject: Subject) -> list[Finding]:
    """exists: by key of `places`; None where it is not known."""
    findings = []
    where = {
        key: f"{extension}@{context}" + (f", priority {priority}" if priority != 1 else "")
        for key, (context, extension, priority) in places(settings).items()
    }
    unknown = [key for key, there in exists.items() if there is None]
    for key in (key for key, there in exists.items() if there is False):
        what = f"`{key}` leads nowhere: the dialplan has no {where[key]}"
        why = "callers who are sent there are hung up"
        remedy = (
            f"correct `{key}` in the configuration, or make that extension; look with: asterisk -rx 'dialplan show"
            f" {where[key].partition(',')[0]}'"
        )
        make = subject.error if key == "transfers.on_failure" else subject.warning
        findings.append(make(f"destination.{key.rpartition('.')[2]}", what, why, remedy))
    if unknown:
        what = f"whether {', '.join(f'`{key}`' for key in unknown)} exists cannot be known from here"
        remedy = "\n".join(f"asterisk -rx 'dialplan show {where[key].partition(',')[0]}'" for key in unknown)
        findings.append(subject.advice("destinations", what, "callers are to be sent there", remedy))
    good = [where[key] for key, there in exists.items() if there]
    if good:
        findings.append(subject.ok("destinations", "transfers lead somewhere", ", ".join(good)))
    if settings.transfers.voicemail and settings.transfers.voicemail not in settings.transfers.destinations:
        what = f"`transfers.voicemail` names `{settings.transfers.voicemail}`, which is no destination"
        remedy = "make it one of `transfers.destinations`, or empty `transfers.voicemail`"
        findings.append(subject.warning("destination.voicemail", what, "no caller reaches the voicemail", remedy))
    return findings
