"""Which Asterisk this is: its version, and what that version and the loaded modules have.

Source of the versions: protocol documents. A feature's versions are the first ones of each branch; a branch older
than all of them lacks it, a newer branch has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LATEST = "22.11.0-rc1"
VERSION = re.compile(r"^(\d+)\.(\d+)\.(\d+)")

# feature -> the first version that has it, in each branch that got it
SINCE = {
    "bulk variables": ((20, 20), (22, 10), (23, 4)),
    "progress": ((20, 16), (21, 11), (22, 6), (23, 0)),
    "media over websocket": ((20, 16), (21, 11), (22, 6), (23, 0)),
    "marks": ((22, 8), (23, 2)),
    "control as json": ((20, 18), (22, 8), (23, 2)),
    "no silence": ((20, 19), (22, 9), (23, 3)),
    "digits over AudioSocket": ((20, 14), (21, 9), (22, 4), (23, 0)),
    "wide AudioSocket": ((20, 17), (21, 12), (22, 7), (23, 1)),
    "UUID()": ((20, 12), (21, 7), (22, 2), (23, 0)),
}
# What an installation usually has, of what an agent can notice.
MODULES = (
    "app_audiosocket", "app_dial", "app_playback", "app_queue", "app_stasis", "app_voicemail", "bridge_simple",
    "bridge_softmix", "chan_audiosocket", "chan_bridge_media", "chan_pjsip", "chan_rtp", "chan_websocket", "codec_alaw",
    "codec_resample", "codec_ulaw", "format_pcm", "format_sln", "format_wav", "func_callerid", "func_channel",
    "func_devstate", "func_dialplan", "func_extstate", "func_uuid", "pbx_config", "res_ari", "res_ari_applications",
    "res_ari_asterisk", "res_ari_bridges", "res_ari_channels", "res_ari_device_states", "res_ari_endpoints",
    "res_ari_events", "res_ari_playbacks", "res_ari_recordings", "res_audiosocket", "res_http_websocket",
    "res_musiconhold", "res_pjsip", "res_rtp_asterisk", "res_stasis", "res_stasis_answer", "res_stasis_playback",
    "res_stasis_recording", "res_stasis_snoop", "res_timing_timerfd", "res_websocket_client",
)  # fmt: skip
# Without res_ari and res_stasis there is no ARI at all.
FOUNDATION = ("res_http_websocket", "res_stasis", "res_ari")
# The first word of a path of ARI -> the module that serves it.
SERVED_BY = {
    "applications": "res_ari_applications",
    "asterisk": "res_ari_asterisk",
    "bridges": "res_ari_bridges",
    "channels": "res_ari_channels",
    "deviceStates": "res_ari_device_states",
    "endpoints": "res_ari_endpoints",
    "events": "res_ari_events",
    "playbacks": "res_ari_playbacks",
    "recordings": "res_ari_recordings",
}
# Channel technology -> the modules without which there is none.
TECHNOLOGY = {
    "AudioSocket": ("res_audiosocket", "chan_audiosocket"),
    "UnicastRTP": ("res_rtp_asterisk", "chan_rtp"),
    "WebSocket": ("res_http_websocket", "res_websocket_client", "chan_websocket"),
    "PJSIP": ("res_pjsip", "chan_pjsip"),
}


class Release:
    """version: as `core show version` says it, "22.11.0-rc1"
    missing: modules that are not loaded, without ".so"
    """

    def __init__(self, version: str = LATEST, missing: Iterable[str] = ()) -> None:
        found = VERSION.match(version)
        if found is None:
            raise ValueError(f"{version!r} is no version of Asterisk: 22.11.0 is one")
        self.version = version
        self._number = (int(found[1]), int(found[2]))
        absent = {name.removesuffix(".so") for name in missing}
        if not self.has("media over websocket"):
            absent.add("chan_websocket")
        # Those that run, by name without ".so".
        self.modules = tuple(name for name in MODULES if name not in absent)
        self._running = frozenset(self.modules)

    def has(self, feature: str) -> bool:
        """Whether this version has one of SINCE."""
        branches = SINCE[feature]
        newest = max(branches)
        if self._number[0] > newest[0]:
            return True
        return any(self._number[0] == branch[0] and self._number >= branch for branch in branches)

    @property
    def features(self) -> frozenset[str]:
        return frozenset(feature for feature in SINCE if self.has(feature))

    def runs(self, module: str) -> bool:
        return module in self._running

    def has_technology(self, technology: str) -> bool:
        """Whether channels of that kind can be made."""
        return all(self.runs(module) for module in TECHNOLOGY.get(technology, ()))

    def serves(self, resource: str) -> bool:
        """Whether ARI has paths that begin with that word."""
        module = SERVED_BY.get(resource)
        return all(self.runs(name) for name in FOUNDATION) and (module is None or self.runs(module))
