"""Which of Asterisk's modules run, which we need, and which transports can therefore work."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from config import asterisk_versions
from config.schema import Settings
from supervisor.doctor.ari import Ari
from supervisor.doctor.findings import Finding, Subject

NEEDED = {
    "res_stasis": "the Stasis core",
    "app_stasis": "the dialplan application Stasis()",
    "res_stasis_answer": "answering calls",
    "res_http_websocket": "the events' WebSocket",
    "res_ari": "ARI itself",
    "res_ari_events": "the events",
    "res_ari_channels": "control of channels",
    "res_ari_bridges": "control of bridges",
    "res_ari_applications": "resuming after a lost connection",
    "bridge_simple": "bridges of two",
    "bridge_softmix": "bridges of more than two, which a call is while Asterisk plays or records in it",
}
"""Without one of these there is no call over ARI."""

PLAYBACK = ("res_stasis_playback", "res_ari_playbacks")
RECORDING = ("res_stasis_recording", "res_ari_recordings")

WEBSOCKETS_BESIDE = 20
"""Of Asterisk's HTTP connections (`sessionlimit`, 100 by default for everything) so many are left for call-control and
for other programs."""
SESSION_LIMIT = 100


class Need(msgspec.Struct, frozen=True):
    """Modules for a purpose that this configuration has, or might have."""

    modules: tuple[str, ...]
    purpose: str
    without: str
    """What happens without them."""
    wanted: bool
    """The configuration asks for it: a warning rather than advice."""


TRANSPORTS: Mapping[str, tuple[str, ...]] = {
    "audiosocket": ("res_audiosocket", "chan_audiosocket"),
    "audiosocket_external": ("res_audiosocket", "chan_audiosocket"),
    "websocket": ("res_http_websocket", "res_websocket_client", "chan_websocket"),
    "rtp": ("chan_rtp", "res_rtp_asterisk"),
}
"""What each of `media.transports` needs."""


def needs(settings: Settings) -> list[Need]:
    destinations = settings.transfers.destinations.values()
    attended = any(destination.mode == "attended" for destination in destinations)
    asks_first = any(destination.check for destination in destinations)
    files = settings.downstream_mode == "file" or settings.streaming.file_fallback
    codec = settings.external_media.codec
    return [
        Need(PLAYBACK, "playing files", "no speech from files, and no word to a caller whose agent is lost", True),
        Need(("res_stasis_snoop",), "speech from files", "calls whose engine is too slow have holes", files),
        Need(
            RECORDING,
            "Asterisk's own recordings",
            "calls are not recorded by Asterisk",
            settings.recording.calls == "asterisk",
        ),
        Need(("res_musiconhold",), "music on hold", "callers who wait hear nothing", attended),
        Need(("codec_resample",), "calls at 16000 Hz", "wideband callers cannot be served", _wideband(settings)),
        Need(("codec_ulaw", "codec_alaw"), "telephone audio", "callers with that codec are not heard", True),
        *([Need((f"codec_{codec}",), "RTP", "no RTP", False)] if codec in ("ulaw", "alaw") else []),
        Need(("app_audiosocket",), "calls straight from the dialplan (AudioSocket())", "these fail", False),
        Need(("func_devstate", "res_ari_device_states"), "asking who is free", "it is unknown", asks_first),
        Need(("format_sln", "format_pcm", "format_wav"), "audio files", "some audio files cannot be played", files),
    ]


def _wideband(settings: Settings) -> bool:
    return settings.audiosocket.format != "slin"


async def running(ari: Ari) -> tuple[frozenset[str] | None, str]:
    """Names of the modules that run, without `.so`; None and the reason where Asterisk does not say."""
    reply = await ari.get("asterisk", "modules")
    if not reply.ok or not isinstance(reply.body, list):
        return None, reply.message
    names = (entry for entry in reply.body if isinstance(entry, dict) and entry.get("status") == "Running")
    return frozenset(str(entry.get("name", "")).removesuffix(".so") for entry in names), ""


def load(modules: Sequence[str]) -> str:
    """The remedy: commands, and why they may not last."""
    lines = "\n".join(f"asterisk -rx 'module load {module}.so'" for module in modules)
    return (
        f"{lines}\nIf that fails, `asterisk -rx 'module show like {modules[0]}'` and the log say why; so that it lasts,"
        " take it out of `noload` in /etc/asterisk/modules.conf, or install Asterisk's package that has it"
    )


def module_findings(settings: Settings, loaded: Collection[str], subject: Subject) -> list[Finding]:
    """All but the transports."""
    missing = [module for module in NEEDED if module not in loaded]
    findings = []
    if missing:
        what = f"Asterisk lacks {', '.join(missing)}"
        why = f"calls need {'; '.join(NEEDED[module] for module in missing)}"
        findings.append(subject.error("modules", what, why, load(missing)))
    for need in needs(settings):
        lacking = [module for module in need.modules if module not in loaded]
        if lacking:
            make = subject.warning if need.wanted else subject.advice
            what = f"Asterisk lacks {', '.join(lacking)}, for {need.purpose}"
            findings.append(make(f"modules.{lacking[0]}", what, need.without, load(lacking)))
    if not findings:
        findings.append(subject.ok("modules", "all modules run that calls need"))
    return findings


def timing(loaded: Collection[str], subject: Subject) -> list[Finding]:
    """What paces Asterisk: music, files, bridges of three, chan_websocket."""
    timers = sorted(module for module in loaded if module.startswith("res_timing_"))
    if "res_timing_timerfd" in timers:
        return [subject.ok("timing", "Asterisk's timing comes from the kernel", ", ".join(timers))]
    why = "what Asterisk plays by itself, mixes or paces comes unevenly" if timers else "Asterisk can pace nothing"
    make = subject.warning if timers else subject.error
    seen = ", ".join(timers) or "no timing module"
    return [make("timing", "Asterisk does not use res_timing_timerfd", why, load(["res_timing_timerfd"]), seen)]


def lacking(transport: str, version: str, loaded: Collection[str] | None, secure: bool) -> str:
    """What a transport lacks, as a reason; "" when nothing is in its way. loaded None: not known. secure: https."""
    if transport == "websocket" and secure:
        return "cannot be had over https: its connection is handed from process to process, and TLS cannot be"
    feature = {
        "audiosocket": asterisk_versions.AUDIOSOCKET,
        "audiosocket_external": asterisk_versions.AUDIOSOCKET,
        "websocket": asterisk_versions.WEBSOCKET_CHANNEL,
        "rtp": asterisk_versions.EXTERNAL_MEDIA,
    }[transport]
    if version and not asterisk_versions.can(version, feature):
        return f"needs Asterisk {feature}"
    absent = [module for module in TRANSPORTS[transport] if loaded is not None and module not in loaded]
    return f"lacks {', '.join(absent)}" if absent else ""


def transport_findings(
    settings: Settings, version: str, loaded: Collection[str] | None, secure: bool, subject: Subject
) -> list[Finding]:
    """Which of the configured transports can work, and which is therefore used."""
    reasons = {name: lacking(name, version, loaded, secure) for name in settings.media.transports}
    works = [name for name, reason in reasons.items() if not reason]
    fails = {name: reason for name, reason in reasons.items() if reason}
    seen = "; ".join(f"{name} {reason}" for name, reason in fails.items())
    modules = [module for name in fails for module in TRANSPORTS[name] if loaded is not None and module not in loaded]
    remedy = load(list(dict.fromkeys(modules))) if modules else "update Asterisk, or choose others (`media.transports`)"
    if not works:
        what = "none of `media.transports` can work with this Asterisk"
        return [subject.error("transports", what, "callers and agent cannot hear each other", remedy, seen)]
    findings = [subject.ok("transports", f"audio travels by {works[0]}", f"then {', '.join(works[1:]) or 'nothing'}")]
    if fails:
        first = settings.media.transports[0] in fails
        make = subject.warning if first else subject.advice
        what = f"{', '.join(fails)} of `media.transports` cannot work"
        why = f"calls begin with {works[0]} instead" if first else "a call that needs another transport has less choice"
        findings.append(make("transports.missing", what, why, remedy, seen))
    if works[0] == "websocket" and settings.audio.max_calls > SESSION_LIMIT - WEBSOCKETS_BESIDE:
        what = f"{settings.audio.max_calls} calls over WebSockets may be more than Asterisk's HTTP server takes"
        why = "each call takes one of its connections; when there are none left, ARI is not answered either"
        remedy = f"in http.conf: sessionlimit = {settings.audio.max_calls + WEBSOCKETS_BESIDE}"
        findings.append(subject.advice("transports.sessions", what, why, remedy, f"its default is {SESSION_LIMIT}"))
    return findings
