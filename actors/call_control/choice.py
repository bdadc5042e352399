"""What a call asks for by channel variables, and how its audio is to travel: decided once, before anything is made.

Nothing is guessed from bytes: the rate follows from the settings or the call's audio profile and, for `auto`, from the
caller's codec (`CHANNEL(audionativeformat)`) and from what this version of Asterisk can send.
"""

import logging
import re
from collections.abc import Mapping, Sequence

import msgspec

from actors.call_control.events import CallRead
from config import asterisk_versions
from config.media import AudioProfile, Transport
from config.schema import Settings

log = logging.getLogger(__name__)

AGENT, PROVIDER, PROFILE = "AI_AGENT", "AI_PROVIDER", "AI_AUDIO_PROFILE"
EARLY_MEDIA, REASON = "AI_EARLY_MEDIA", "AI_REASON"
CODEC = "CHANNEL(audionativeformat)"
VARIABLES = (AGENT, PROVIDER, PROFILE, EARLY_MEDIA, REASON, CODEC)
"""Read from the caller's channel."""

TRUE = frozenset({"1", "yes", "true", "on"})

WIDE = re.compile(r"\b(g722|opus|siren7|siren14|speex16|speex32|silk(12|16|24)|slin(12|16|24|32|44|48|96|192))\b")
"""Codecs with more than 8000 samples per second, by Asterisk's names (main/codec_builtin.c)."""

MODULES: dict[Transport, str] = {
    "audiosocket": "chan_audiosocket.so",
    "audiosocket_external": "chan_audiosocket.so",
    "websocket": "chan_websocket.so",
    "rtp": "chan_rtp.so",
}

FAILURES = 2
"""So often in a row, without a success, has a transport failed when others are tried before it."""
SHUNNED_NS = 60_000_000_000


class Abilities(msgspec.Struct, frozen=True):
    """What is known of this Asterisk."""

    version: str = ""
    modules: frozenset[str] = frozenset()
    """Those that run; empty when Asterisk does not tell."""
    secure: bool = False
    """Its HTTP server speaks TLS: a WebSocket to it cannot be handed from process to process."""

    @property
    def digits(self) -> bool:
        """Digits pressed by the caller come through an AudioSocket leg, too."""
        return asterisk_versions.can(self.version, asterisk_versions.AUDIOSOCKET_DIGITS)

    def can(self, transport: Transport) -> bool:
        if self.modules and MODULES[transport] not in self.modules:
            return False
        if transport == "websocket":
            return not self.secure and asterisk_versions.can(self.version, asterisk_versions.WEBSOCKET_CHANNEL)
        return True

    def wide(self, transport: Transport) -> bool:
        """Whether audio at 16000 Hz goes both ways."""
        if transport in ("audiosocket", "audiosocket_external"):
            return asterisk_versions.can(self.version, asterisk_versions.SLIN16)
        return transport == "websocket"


class Preferences:
    """Which transports have failed of late: a call that comes now need not find out again. Pure."""

    def __init__(self) -> None:
        self._failures: dict[Transport, tuple[int, int]] = {}

    def note(self, transport: Transport, worked: bool, now: int) -> None:
        if worked:
            self._failures.pop(transport, None)
        else:
            self._failures[transport] = (self._failures.get(transport, (0, 0))[0] + 1, now)

    def order(self, transports: Sequence[Transport], now: int) -> tuple[Transport, ...]:
        """Those that are shunned come last."""
        return tuple(sorted(transports, key=lambda transport: self._shunned(transport, now)))

    def _shunned(self, transport: Transport, now: int) -> bool:
        failures, at = self._failures.get(transport, (0, 0))
        return failures >= FAILURES and now - at < SHUNNED_NS


def choose(
    settings: Settings, abilities: Abilities, preferences: Preferences, said: Mapping[str, str], now: int
) -> CallRead:
    """said: the channel's variables, those that are set."""
    profile = _profile(settings, said.get(PROFILE, ""))
    wanted = profile.transports or settings.media.transports
    possible = tuple(transport for transport in wanted if abilities.can(transport)) or wanted
    transports = preferences.order(possible, now)
    audio_format = profile.format or settings.audiosocket.format
    wide = audio_format == "slin16"
    if audio_format == "auto":
        wide = bool(WIDE.search(said.get(CODEC, ""))) and abilities.wide(transports[0])
    return CallRead(
        agent=said.get(AGENT, ""),
        provider=said.get(PROVIDER, ""),
        rate=16000 if wide else 8000,
        transports=transports,
        playback=profile.playback or settings.downstream_mode,
        early=said.get(EARLY_MEDIA, "").lower() in TRUE,
        variables={name: said[name] for name in said if name.startswith("AI_")},
    )


def _profile(settings: Settings, name: str) -> AudioProfile:
    profile = settings.audio_profiles.get(name)
    if profile is None and name:
        known = ", ".join(sorted(settings.audio_profiles)) or "none"
        log.warning("a call asks for the audio profile %r (%s), which audio_profiles has not: %s", name, PROFILE, known)
    return profile or AudioProfile()
