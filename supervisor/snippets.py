"""The lines that Asterisk and FreePBX need, made from the settings: what `ringmaster dialplan` prints.

Syntax: extensions.conf of Asterisk (pbx/pbx_config.c). Our contexts have names of their own. Extensions in contexts of
the operator's are printed as comments: an exact number would take precedence over their own pattern (`_2XX`).
"""

import msgspec

from config.schema import Asterisk, Destination, Settings

CONTEXT = "from-ai-agent"
DIRECT_CONTEXT = "from-ai-agent-direct"

RING_S = 30
"""For which the person rings."""

PLAIN_HTTP_PORT = 8088
"""Of Asterisk's HTTP server beside TLS, for its own machine."""

ANY_ADDRESS = ("0.0.0.0", "::", "")
PLACEHOLDER = "ADDRESS-OF-RINGMASTER"
"""Where the settings do not say under which address Asterisk reaches us."""

RELOAD = "asterisk -rx 'dialplan reload'"

CLICKS = """\
; The agent, for FreePBX.
;
; 1. Admin > Config Edit > extensions_custom.conf: put these lines at its end. Save, then Apply Config.
;    (Or /etc/asterisk/extensions_custom.conf, then: fwconsole reload)
; 2. Settings > Advanced Settings: Enable the mini-HTTP Server: Yes; Enable the Asterisk REST Interface: Yes.
; 3. Settings > Asterisk REST Interface Users > Add User: name {user}, a good password, type Plain Text, Read Only
;    No. The same name and password go into Ringmaster's configuration.
; 4. Admin > Custom Destinations > Add: target {where},s,1, description AI agent, Return No.
; 5. Connectivity > Inbound Routes: Set Destination to Custom Destinations, AI agent.
; 6. For telephones of the house: Applications > Misc Applications > Add: a feature code such as 7000, destination
;    Custom Destinations, AI agent. For a queue or a ring group: the same as its fail-over destination.
; 7. A person outside (a mobile number) as destination of a transfer: Applications > Misc Destinations, or simply
;    context from-internal and the number as it is dialled here.
"""


class NobodyToRing(Exception):
    """The settings name no destination, and no person was given. The text says what to do."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the lines are to say beside the settings."""

    person: str = ""
    """Whom to ring when there is no agent, as Dial() names them: `PJSIP/200`; "" for the first destination."""
    agent: str = ""
    """For `AI_AGENT`, and so on; "" leaves the line in as a comment."""
    provider: str = ""
    profile: str = ""
    early_media: bool = False
    """The caller hears the agent before the call is answered."""
    extension: str = ""
    """By which telephones of this Asterisk reach the agent; "" for none."""
    context: str = "from-internal"
    """Of that extension."""


class Snippets:
    """The lines for one Asterisk of the settings."""

    def __init__(self, settings: Settings, wishes: Wishes, name: str = "") -> None:
        """name: of `more_asterisks`; "" for `asterisk`."""
        self._settings = settings
        self._wishes = wishes
        self._asterisk: Asterisk = settings.more_asterisks[name] if name else settings.asterisk
        self._suffix = f"-{name}" if name else ""

    # -- dialplan -----------------------------------------------------------------------------------------------------

    def plain(self) -> str:
        """For extensions.conf. Raises `NobodyToRing`."""
        where = f"{CONTEXT}{self._suffix}"
        return "\n".join(
            [
                "; The agent, for /etc/asterisk/extensions.conf; then: " + RELOAD,
                f"; Callers come in by Goto({where},s,1).",
                "",
                *self._entrance(where),
                "",
                *self._by_extension(where),
                *self._destinations(),
            ]
        )

    def freepbx(self) -> str:
        """For extensions_custom.conf, with what to click. Raises `NobodyToRing`."""
        where = f"{CONTEXT}{self._suffix}"
        return "\n".join([CLICKS.format(user=self._asterisk.username, where=where), *self._entrance(where), ""])

    def direct(self) -> str:
        """Without ARI, by the application AudioSocket(). Raises `NobodyToRing`."""
        return "\n".join(
            [
                "; The agent without ARI: it can talk and hang up, and not transfer. Then: " + RELOAD,
                f"; Callers come in by Goto({DIRECT_CONTEXT},s,1).",
                "",
                f"[{DIRECT_CONTEXT}]",
                "exten => s,1,Answer()",
                " ; ${UUID()} needs Asterisk 20.12, 21.7 or 22.2; before: ${SHELL(uuidgen | tr -d '\\n')}",
                f" same => n,TryExec(AudioSocket(${{UUID()}},{self.audio_address()}))",
                " ; The agent has said goodbye (TRYSTATUS=SUCCESS), or could not be reached (FAILED).",
                ' same => n,GotoIf($["${TRYSTATUS}" = "FAILED"]?person)',
                " same => n,Hangup()",
                *self._person(),
                "",
            ]
        )

    def audio_address(self) -> str:
        """Of our AudioSocket server, as Asterisk is told it."""
        audio = self._settings.audiosocket
        host = audio.advertise_host or audio.host
        host = PLACEHOLDER if host in ANY_ADDRESS else f"[{host}]" if ":" in host else host
        return f"{host}:{audio.port}"

    def _entrance(self, context: str) -> list[str]:
        app = self._asterisk.app_name
        return [
            f"[{context}]",
            "exten => s,1,NoOp(${CALLERID(all)} for the agent)",
            *self._choices(),
            " ; Left over from an earlier visit, they would be taken for this one's.",
            " same => n,Set(AGENT_STATUS=)",
            " same => n,Set(AGENT_OUTCOME=)",
            f" same => n,Stasis({app})",
            " ; Here the call comes back: Ringmaster does not run (STASISSTATUS=FAILED), is full or drains",
            " ; (AGENT_STATUS=BUSY), or could not go on (AGENT_STATUS=FAILED). A person rings.",
            " same => n,NoOp(STASISSTATUS=${STASISSTATUS} AGENT_STATUS=${AGENT_STATUS} AGENT_OUTCOME=${AGENT_OUTCOME})",
            ' same => n,GotoIf($["${STASISSTATUS}" = "FAILED"]?person)',
            ' same => n,GotoIf($["${AGENT_STATUS}" = "BUSY"]?person)',
            ' same => n,GotoIf($["${AGENT_STATUS}" = "FAILED"]?person)',
            " same => n,Hangup()",
            *self._person(),
        ]

    def _choices(self) -> list[str]:
        """What the dialplan may say of a call; what was not wished for stands there as a comment."""
        wishes, settings = self._wishes, self._settings
        choices = [
            ("AI_AGENT", wishes.agent, settings.agents.default_agent, "which agent answers"),
            ("AI_PROVIDER", wishes.provider, settings.active_pipeline, "which provider or pipeline serves the call"),
            (
                "AI_AUDIO_PROFILE",
                wishes.profile,
                next(iter(sorted(settings.audio_profiles)), "wideband"),
                "which of `audio_profiles` holds",
            ),
            ("AI_REASON", "", "overflow", "why the call comes; the agent may tell a person"),
        ]
        lines = []
        for name, value, example, meaning in choices:
            comment = "" if value else ";"
            lines.append(f" {comment}same => n,Set({name}={value or example})".ljust(52) + f"; {meaning}")
        if wishes.early_media:
            lines += [
                " ; The caller hears the agent before the call is answered, which the agent does by its tool `answer`.",
                " ; Needs Asterisk 20.16, 21.11 or 22.6; no Answer() may stand before this.",
                " same => n,Set(AI_EARLY_MEDIA=1)",
            ]
        return lines

    def _person(self) -> list[str]:
        settings, wishes = self._settings, self._wishes
        if wishes.person:
            rings = [f" same => n(person),Dial({wishes.person},{RING_S})"]
            voicemail = settings.transfers.destinations.get(settings.transfers.voicemail)
            if voicemail is not None:
                rings.append(f' same => n,ExecIf($["${{DIALSTATUS}}" != "ANSWER"]?{_goto(voicemail)})')
            return [*rings, " same => n,Hangup()"]
        for name, destination in settings.transfers.destinations.items():
            if name != settings.transfers.voicemail:
                return [f" same => n(person),{_goto(destination)}".ljust(52) + f"; transfers.destinations.{name}"]
        raise NobodyToRing(
            "nobody would ring when there is no agent: name somebody (--person PJSIP/200), or a destination in"
            " `transfers.destinations`"
        )

    def _by_extension(self, where: str) -> list[str]:
        if not self._wishes.extension:
            return []
        extension, context = self._wishes.extension, self._wishes.context
        return [f"[{context}]", f"exten => {extension},1,Goto({where},s,1)", ""]

    def _destinations(self) -> list[str]:
        """Extensions for `transfers`, as a start, behind semicolons."""
        transfers = self._settings.transfers
        named = dict(transfers.destinations)
        if transfers.on_failure is not None:
            named["on_failure"] = transfers.on_failure
        if not named:
            return []
        lines = [
            "; Where the agent sends callers (`transfers`). For those that your dialplan lacks, take the",
            "; first semicolons away.",
        ]
        for context in dict.fromkeys(destination.context for destination in named.values()):
            lines.append(f";[{context}]")
            done = set()
            for name, destination in named.items():
                if destination.context == context and destination.extension not in done:
                    done.add(destination.extension)
                    ours = _extension(destination, name, voicemail=name == transfers.voicemail)
                    lines += [f";{line}" for line in ours]
            lines.append("")
        return lines

    # -- other files ---------------------------------------------------------------------------------------------------

    def http_conf(self) -> str:
        asterisk = self._asterisk
        local = asterisk.host in ("localhost", "::1") or asterisk.host.startswith("127.")
        secure = asterisk.scheme == "https"
        lines = [
            "; /etc/asterisk/http.conf; then: asterisk -rx 'module reload http'",
            "[general]",
            "enabled = yes",
            f"bindaddr = {'127.0.0.1' if local or secure else '0.0.0.0'}",
            f"bindport = {PLAIN_HTTP_PORT if secure else asterisk.port}",
        ]
        if secure:
            lines += [
                "tlsenable = yes",
                f"tlsbindaddr = {'127.0.0.1' if local else '0.0.0.0'}:{asterisk.port}",
                "tlscertfile = /etc/asterisk/keys/asterisk.pem",
            ]
        if not local:
            lines.append("; Only Ringmaster's machine may reach this port: close it to all others in the firewall.")
        return "\n".join([*lines, ""])

    def ari_conf(self, password: str) -> str:
        """password: a new one. That of the settings is not shown."""
        return "\n".join(
            [
                "; /etc/asterisk/ari.conf; then: asterisk -rx 'module reload res_ari.so'",
                "; The same password belongs into Ringmaster's environment: ASTERISK_ARI_PASSWORD=...",
                "[general]",
                "enabled = yes",
                "",
                f"[{self._asterisk.username}]",
                "type = user",
                "read_only = no",
                f"password = {password}",
                "password_format = plain",
                "",
            ]
        )

    def musiconhold_conf(self) -> str:
        """What a caller hears who waits while a person is asked (attended transfer)."""
        return "\n".join(
            [
                "; /etc/asterisk/musiconhold.conf; then: asterisk -rx 'moh reload'",
                f"[{self._settings.transfers.music_class or 'default'}]",
                "mode = files",
                "; In Asterisk's data directory (/var/lib/asterisk). While it is empty there is no music.",
                "directory = moh",
                "",
            ]
        )


def _goto(destination: Destination) -> str:
    return f"Goto({destination.context},{destination.extension},{destination.priority})"


def _extension(destination: Destination, name: str, voicemail: bool) -> list[str]:
    """Lines behind `[context]`. The device is that of the settings, else the usual one of the number."""
    extension = destination.extension
    number = "".join(character for character in extension if character.isdigit())
    if voicemail:
        lines = [f"exten => {extension},1,VoiceMail({number or extension}@default,u)".ljust(52) + f"; {name}"]
        return [*lines, " same => n,Hangup()"]
    device = destination.device or f"PJSIP/{number or extension}"
    first = f"exten => {extension},1,Dial({device},{destination.ring_s})".ljust(52) + f"; {name}"
    # Ringmaster asks the hint whether somebody is free (`check`).
    return [f"exten => {extension},hint,{device}", first, " same => n,Hangup()"]
