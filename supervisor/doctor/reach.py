"""Whether Asterisk can be asked: address, certificate, HTTP, ARI, user, password, rights. And which Asterisk it is."""

import uuid
from datetime import UTC, datetime

from config import asterisk_versions
from config.schema import Asterisk
from supervisor.doctor.ari import Ari, NoReply, Reply
from supervisor.doctor.console import Console
from supervisor.doctor.findings import Finding, Subject

CLOCKS_APART_S = 2.0
"""Between Asterisk's clock and ours. Nothing in a call depends on it; two logs that disagree are read wrongly."""

LOAD_ARI = "asterisk -rx 'module load res_ari.so'; asterisk -rx 'ari show status'; asterisk -rx 'http show status'"


class Reached:
    """What is known of an Asterisk that answers."""

    def __init__(self, version: str) -> None:
        self.version = version


def http_conf(asterisk: Asterisk) -> str:
    return (
        "in /etc/asterisk/http.conf:\n"
        "[general]\n"
        "enabled = yes\n"
        f"bindaddr = {asterisk.host if _is_address(asterisk.host) else '0.0.0.0'}\n"
        f"bindport = {asterisk.port}\n"
        "then: asterisk -rx 'module reload http'  (FreePBX: Settings > Advanced Settings > Asterisk Builtin mini-HTTP"
        " server)"
    )


def ari_conf(asterisk: Asterisk) -> str:
    return (
        "in /etc/asterisk/ari.conf (FreePBX: Settings > Asterisk REST Interface Users):\n"
        "[general]\n"
        "enabled = yes\n"
        f"[{asterisk.username}]\n"
        "type = user\n"
        "read_only = no\n"
        "password = the same as `asterisk.password` in our configuration\n"
        "password_format = plain\n"
        "then: asterisk -rx 'module reload res_ari.so'"
    )


def _is_address(host: str) -> bool:
    return host.replace(".", "").isdigit() or ":" in host


async def reach(ari: Ari, console: Console | None, subject: Subject) -> tuple[list[Finding], Reached | None]:
    """None where nothing more can be asked."""
    try:
        reply = await ari.get("asterisk", "info", only="system")
    except NoReply as error:
        return [_unreachable(ari.asterisk, subject, error)], None
    if reply.ok:
        version = str(reply.get("system", "version") or "unknown")
        findings = [subject.ok("reach", f"Asterisk {version} answers at {ari.origin}")]
        findings += await _rights(ari, subject)
        return findings, Reached(version)
    if reply.status == 404 and reply.body is None:
        return [await _no_ari(ari, console, subject, reply)], None
    finding, goes_on = _refused(ari, subject, reply)
    return [finding], Reached("") if goes_on else None


def _unreachable(asterisk: Asterisk, subject: Subject, error: NoReply) -> Finding:
    what = f"Asterisk's HTTP server cannot be reached at {asterisk.host}:{asterisk.port}"
    why = "without it no call reaches the agent by Stasis()"
    match error.obstacle:
        case "certificate":
            remedy = (
                "set `asterisk.ca_file` to the certificate that signed Asterisk's (`tlscertfile` in http.conf) and"
                f" `asterisk.host` to a name that stands in it; look at it with: openssl s_client -connect"
                f" {asterisk.host}:{asterisk.port} </dev/null"
            )
            return subject.error("reach", "Asterisk's certificate is not trusted", why, remedy, str(error))
        case "no such host":
            remedy = f"correct `asterisk.host` in the configuration, or let `getent hosts {asterisk.host}` find it"
        case "silent":
            remedy = (
                f"look for a firewall between here and {asterisk.host}: nc -vz {asterisk.host} {asterisk.port}; if"
                " Asterisk is on this machine it may hang: asterisk -rx 'core show uptime'"
            )
        case "broken" if asterisk.scheme == "http":
            remedy = (
                f"something else than plain HTTP is on port {asterisk.port}: set `asterisk.scheme: https` if it is"
                " Asterisk's TLS port, or correct `asterisk.port`"
            )
        case _:
            remedy = f"start Asterisk (systemctl start asterisk), or switch its HTTP server on, {http_conf(asterisk)}"
    return subject.error("reach", what, why, remedy, str(error))


def _refused(ari: Ari, subject: Subject, reply: Reply) -> tuple[Finding, bool]:
    """And whether other requests may succeed all the same."""
    asterisk, evidence = ari.asterisk, f"GET /ari/asterisk/info: {reply.message}"
    why = "call-control can do nothing with Asterisk, and calls go on in the dialplan with STASISSTATUS=FAILED"
    match reply.status:
        case 401:
            what = f"Asterisk does not accept the user `{asterisk.username}` with the configured password"
            if not asterisk.password:
                what = "the configuration has no password for Asterisk"
                remedy = (
                    "set `asterisk.password`, or the environment variable that stands there; as the service has it:"
                    " set -a; . /etc/ringmaster/environment; set +a; ringmaster doctor"
                )
                return subject.error("password", what, why, f"{remedy}. Asterisk's side, {ari_conf(asterisk)}"), False
            return subject.error("password", what, why, ari_conf(asterisk), evidence), False
        case 403:
            what = f"Asterisk does not let the user `{asterisk.username}` in from this machine"
            remedy = f"permit this machine's address in the section [{asterisk.username}] of ari.conf (permit=, acl=)"
            return subject.error("password", what, why, remedy, evidence), False
        case 404:
            what = "res_ari_asterisk is not loaded: Asterisk does not say who it is"
            remedy = "asterisk -rx 'module load res_ari_asterisk.so'"
            return subject.error("ari", what, "its version and modules cannot be known", remedy, evidence), True
        case 503:
            remedy = "wait, and try again; asterisk -rx 'core waitfullybooted'"
            return subject.error("ari", "Asterisk is still booting", "it takes no calls yet", remedy, evidence), False
    remedy = "look into Asterisk's log: tail /var/log/asterisk/full"
    return subject.error("ari", "Asterisk answers with an error", why, remedy, evidence), False


async def _no_ari(ari: Ari, console: Console | None, subject: Subject, reply: Reply) -> Finding:
    """Switched off, not loaded, or under a prefix: HTTP does not tell, Asterisk's console does."""
    what = f"an HTTP server answers at {ari.origin}, but there is no ARI under /ari"
    remedy = (
        "switch it on (`enabled = yes` in [general] of ari.conf), take `prefix` out of http.conf, for Ringmaster uses"
        f" none, and load the module:\n{LOAD_ARI}"
    )
    seen = f"GET /ari/asterisk/info: {reply.message}; Server: {reply.server or 'says nothing'}"
    status = (await console.ask("http show status") or "") if console else ""
    prefix = next((line.split(":", 1)[1].strip() for line in status.splitlines() if line.startswith("Prefix:")), "")
    if prefix:
        remedy = "take `prefix` out of /etc/asterisk/http.conf, then: asterisk -rx 'module reload http'"
        seen += f"; http show status: Prefix: {prefix}"
    return subject.error("ari", what, "no call reaches the agent by Stasis()", remedy, seen)


async def _rights(ari: Ari, subject: Subject) -> list[Finding]:
    """By hanging up a channel that does not exist: 404 to who may, 403 to who may not (res/res_ari.c)."""
    try:
        reply = await ari.delete("channels", f"ringmaster-doctor-{uuid.uuid4()}")
    except NoReply as error:
        return [subject.error("rights", "Asterisk broke off a request", "calls need many", "try again", str(error))]
    user = ari.asterisk.username
    if reply.status == 403:
        what = f"the ARI user `{user}` may only read"
        remedy = f"set `read_only = no` in [{user}] of ari.conf, then: asterisk -rx 'module reload res_ari.so'"
        why = "no call can be answered, bridged or hung up"
        return [subject.error("rights", what, why, remedy, f"DELETE /ari/channels/...: {reply.message}")]
    if reply.status == 404 and "Channel" in reply.message:
        return [subject.ok("rights", f"the user `{user}` may read and write")]
    remedy = "asterisk -rx 'module load res_ari_channels.so'"
    return [subject.error("rights", "channels cannot be controlled", "no call works", remedy, reply.message)]


def version_findings(version: str, subject: Subject, transports: tuple[str, ...]) -> list[Finding]:
    """Known faults of this version, as far as they concern what is configured."""
    known = asterisk_versions.parse(version)
    if known is None:
        what = f"this Asterisk's version is not known: {version!r}"
        remedy = "asterisk -rx 'core show version'"
        return [subject.advice("version", what, "it is taken for a new one", remedy)]
    findings = []
    for flaw in asterisk_versions.flaws(version):
        concerned = flaw.area in ("ari", "hangup") or any(one.startswith(flaw.area) for one in transports)
        level = subject.advice if flaw.severity == "quality" or not concerned else subject.warning
        finding = level(
            f"version.{flaw.name}",
            flaw.what.rstrip("."),
            flaw.why,
            flaw.remedy,
            f"Asterisk {version}; {flaw.source}",
        )
        findings.append(finding)
    if not findings:
        findings.append(subject.ok("version", f"nothing is known against Asterisk {version}"))
    return findings


async def clock(ari: Ari, subject: Subject) -> list[Finding]:
    """Asterisk's time of day beside ours."""
    reply = await ari.get("asterisk", "ping")
    stamp = reply.get("timestamp")
    try:
        apart = abs((datetime.fromisoformat(str(stamp)) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return []
    if apart <= CLOCKS_APART_S:
        return [subject.ok("clock", "its clock and ours agree", f"{apart:.1f} s apart")]
    return [
        subject.advice(
            "clock",
            "Asterisk's clock and ours disagree",
            "the times in its log and in our call history cannot be compared",
            "timedatectl set-ntp true  (on both machines)",
            f"{apart:.1f} s apart",
        )
    ]
