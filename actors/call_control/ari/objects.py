"""What Asterisk tells of itself: the fields that calls need, of what `rest-api/api-docs/*.json` describes.

Fields that we do not know are skipped, those that are missing are empty: Asterisk adds some with every release.
"""

import msgspec


class CallerId(msgspec.Struct, frozen=True):
    name: str = ""
    number: str = ""


class Dialplan(msgspec.Struct, frozen=True):
    context: str = ""
    exten: str = ""
    app_name: str = ""
    app_data: str = ""


class Channel(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    state: str = ""
    """Down, Ring, Ringing, Up ..."""
    caller: CallerId = CallerId()
    connected: CallerId = CallerId()
    dialplan: Dialplan = Dialplan()

    def in_application(self, app_name: str) -> bool:
        """Whether the channel is in this Stasis application, as its place in the dialplan says."""
        return self.dialplan.app_name == "Stasis" and self.dialplan.app_data.split(",")[0] == app_name


class Bridge(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    technology: str = ""
    """simple_bridge, softmix, native_rtp, holding_bridge"""
    channels: tuple[str, ...] = ()


class Playback(msgspec.Struct, frozen=True):
    id: str
    state: str = ""
    """queued, playing, paused, continuing, done, failed. A stopped one is `done`, a missing file `failed`."""
    media_uri: str = ""
    target_uri: str = ""
    """`channel:<id>` or `bridge:<id>`"""


class Recording(msgspec.Struct, frozen=True):
    name: str
    format: str = ""
    state: str = ""
    """queued, recording, paused, done, failed, canceled"""
    target_uri: str = ""
    duration: int = 0
    """Seconds."""
    cause: str = ""
    """Why it failed."""


class Application(msgspec.Struct, frozen=True):
    name: str = ""
    channel_ids: tuple[str, ...] = ()
    bridge_ids: tuple[str, ...] = ()


class System(msgspec.Struct, frozen=True):
    version: str = ""
    entity_id: str = ""


class Config(msgspec.Struct, frozen=True):
    name: str = ""
    """`systemname` of asterisk.conf."""


class Status(msgspec.Struct, frozen=True):
    startup_time: str = ""
    """ISO 8601 with milliseconds and offset."""


class Info(msgspec.Struct, frozen=True):
    system: System = System()
    config: Config = Config()
    status: Status = Status()
