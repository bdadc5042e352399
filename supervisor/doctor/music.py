"""Whether callers who wait hear music: the class is there, and has some."""

import re

from config.schema import Settings
from supervisor.doctor.console import Console
from supervisor.doctor.findings import Finding, Subject

_CLASS = re.compile(r"^Class: (\S+)", re.MULTILINE)
"""As `moh show classes` names them. A class whose folder is empty is not among them (res/res_musiconhold.c)."""


async def music(console: Console, settings: Settings, subject: Subject) -> list[Finding]:
    """Nothing where Asterisk does not say."""
    said = await console.ask("moh show classes")
    if said is None or "No such command" in said:
        return []
    wanted = settings.transfers.music_class or "default"
    classes = _CLASS.findall(said)
    if wanted in classes:
        return [subject.ok("music", "there is music for those who wait", wanted)]
    attended = any(one.mode == "attended" for one in settings.transfers.destinations.values())
    make = subject.warning if attended else subject.advice
    what = f"Asterisk has no music on hold of the class `{wanted}`"
    remedy = (
        "put sound files into the folder that /etc/asterisk/musiconhold.conf names for it (asterisk-moh-opsound-wav has"
        " some), or name another class (`transfers.music_class`); then: asterisk -rx 'moh reload'"
    )
    why = "callers who wait while a person is asked hear nothing"
    return [make("music", what, why, remedy, f"it has: {', '.join(classes) or 'none'}")]
