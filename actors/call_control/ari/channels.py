"""Requests about channels. Commands to one channel are carried out in the order in which Asterisk took them on; their
answer says that it has, not that they are done (setting variables excepted).
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

import msgspec

from actors.call_control.ari.errors import Broken, Conflict, NoReply, NotFound
from actors.call_control.ari.objects import Channel
from actors.call_control.ari.transport import Query, Transport, decoded, quoted
from actors.call_control.commands import Place

CONNECTING_S = 7.0
"""For originate and externalMedia: Asterisk connects to our AudioSocket server before it answers, and tries for 2 s
with each address."""
LONGEST_IN_QUERY = 1500
"""Characters of a variable's value: the request line may have 4096 (main/http.c), and quoting makes up to three of
one. Longer ones go in a body."""
MEDIA_VARIABLES = ("UNICASTRTP_LOCAL_ADDRESS", "UNICASTRTP_LOCAL_PORT", "MEDIA_WEBSOCKET_CONNECTION_ID")
"""What an externalMedia leg is found by: the first two over RTP, the third over a WebSocket."""


class _Variable(msgspec.Struct):
    value: str = ""


class _Media(msgspec.Struct):
    channelvars: dict[str, str] = msgspec.field(default_factory=dict)


class ChannelRequests(Transport):
    bulk = False
    """Whether this Asterisk takes several variables in one request (`asterisk_versions.BULK_VARIABLES`)."""

    async def channels(self) -> list[Channel]:
        """All channels of the PBX, not only ours."""
        return decoded(await self.request("GET", "channels"), list[Channel])

    async def channel(self, channel_id: str) -> Channel | None:
        """None when there is none, or no more."""
        try:
            return decoded(await self.request("GET", f"channels/{quoted(channel_id)}"), Channel)
        except NotFound:
            return None

    # -- variables

    async def variable(self, channel_id: str, name: str) -> str | None:
        """None when it is not set, or the channel is gone: Asterisk says 404 to both. Also None for a function that
        says nothing of this channel (500)."""
        try:
            body = await self.request("GET", f"channels/{quoted(channel_id)}/variable", {"variable": name})
        except NotFound:
            return None
        except Broken:
            if not name.endswith(")"):
                raise
            return None
        return decoded(body, _Variable).value

    async def variables(self, channel_id: str, names: Iterable[str]) -> dict[str, str]:
        """Those of them that are set. One request each, all at the same time: in the request for several that Asterisk
        22.10 has, one that is not set makes all fail (res/ari/resource_channels.c), and most of ours never are."""
        asked = list(names)
        values = await asyncio.gather(*(self.variable(channel_id, name) for name in asked), return_exceptions=True)
        for value in values:
            if isinstance(value, BaseException):
                raise value
        return {name: value for name, value in zip(asked, values, strict=True) if isinstance(value, str)}

    async def set_variable(self, channel_id: str, name: str, value: str) -> None:
        url = f"channels/{quoted(channel_id)}/variable"
        if len(value.encode(errors="replace")) <= LONGEST_IN_QUERY:
            await self.request("POST", url, {"variable": name, "value": value})
        else:
            await self.request("POST", url, body={"variable": name, "value": value})

    async def set_variables(self, channel_id: str, variables: Mapping[str, str]) -> None:
        """In one request where Asterisk can, else in their order. An error means that some may not be set."""
        if self.bulk and len(variables) > 1:
            url = f"channels/{quoted(channel_id)}/variables"
            await self.request("POST", url, body={"variables": dict(variables)})
            return
        for name, value in variables.items():
            await self.set_variable(channel_id, name, value)

    # -- making channels

    async def originate(
        self,
        channel_id: str,
        endpoint: str,
        *,
        formats: str = "",
        app_args: str = "",
        variables: Mapping[str, str] | None = None,
        caller_id: str = "",
        timeout_s: int = 10,
        originator: str = "",
    ) -> None:
        """A channel of ours, which comes into the application when it is answered. An endpoint that Asterisk cannot
        reach may show only later, as `ChannelDestroyed`.

        formats: what it may speak, or originator: the channel whose formats and language it takes; Asterisk takes one
        of the two. caller_id: `"Name" <number>`. timeout_s: how long it rings.
        """
        query: Query = {
            "endpoint": endpoint,
            "app": self.app_name,
            "appArgs": app_args or None,
            "channelId": channel_id,
            "formats": formats or None,
            "originator": originator or None,
            "callerId": caller_id or None,
            "timeout": timeout_s,
        }
        try:
            await self.request("POST", "channels", query, within=CONNECTING_S, body=_variables(variables))
        except Conflict as error:
            if not error.repeated:  # else our first try has made it
                raise

    async def external_media(
        self,
        channel_id: str,
        *,
        external_host: str,
        encapsulation: str,
        transport: str,
        connection_type: str = "",
        audio_format: str,
        data: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """A media leg that comes into the application by itself. Gives its channel variables, such as
        `MEDIA_VARIABLES`. Bridge it once it is in the application: before, that fails now and then.

        external_host: `host:port`, or "" where Asterisk waits for us. encapsulation, transport: `rtp` and `udp`,
        `audiosocket` and `tcp`, `none` and `websocket`. data: with audiosocket, the UUID.

        Whatever prevents it is a 500 (`Broken`) without a reason.
        """
        query: Query = {
            "channelId": channel_id,
            "app": self.app_name,
            "external_host": external_host or None,
            "encapsulation": encapsulation,
            "transport": transport,
            "connection_type": connection_type or None,
            "format": audio_format,
            "data": data or None,
        }
        try:
            body = await self.request(
                "POST", "channels/externalMedia", query, within=CONNECTING_S, body=_variables(variables)
            )
        except (Broken, Conflict) as error:
            # An id that is taken is a 500 here, too: has our first try made it?
            if not error.repeated or await self.channel(channel_id) is None:
                raise
            return await self.variables(channel_id, MEDIA_VARIABLES)
        return decoded(body, _Media).channelvars

    async def snoop(
        self, channel_id: str, snoop_id: str, *, spy: str = "none", whisper: str = "none", app_args: str = ""
    ) -> None:
        """A channel of ours that hears (`spy`) or speaks into (`whisper`) another one: `in` is what comes from it,
        `out` what goes to it, or `both`. It comes into the application by itself."""
        url = f"channels/{quoted(channel_id)}/snoop/{quoted(snoop_id)}"
        try:
            await self.request(
                "POST", url, {"spy": spy, "whisper": whisper, "app": self.app_name, "appArgs": app_args or None}
            )
        except (Broken, Conflict) as error:
            if not error.repeated or await self.channel(snoop_id) is None:
                raise

    # -- what a caller hears and is

    async def answer(self, channel_id: str) -> None:
        await self._command("POST", channel_id, "answer")

    async def progress(self, channel_id: str) -> None:
        """Early media: what the agent says is heard before the call is answered. See `asterisk_versions.PROGRESS`."""
        await self._command("POST", channel_id, "progress")

    async def ring(self, channel_id: str) -> None:
        """The caller hears ringing."""
        await self._command("POST", channel_id, "ring")

    async def stop_ring(self, channel_id: str) -> None:
        await self._command("DELETE", channel_id, "ring")

    async def start_music(self, channel_id: str, music_class: str = "") -> None:
        """Music on hold, towards this channel. "" is its own or Asterisk's default class."""
        await self._command("POST", channel_id, "moh", {"mohClass": music_class or None})

    async def stop_music(self, channel_id: str) -> None:
        await self._command("DELETE", channel_id, "moh")

    async def mute(self, channel_id: str, direction: str = "both") -> None:
        """`in`: what comes from the channel; `out`: what goes to it; `both`."""
        await self._command("POST", channel_id, "mute", {"direction": direction})

    async def unmute(self, channel_id: str, direction: str = "both") -> None:
        await self._command("DELETE", channel_id, "mute", {"direction": direction})

    async def send_digits(self, channel_id: str, digits: str) -> None:
        """Presses keys towards this channel. Never sent twice: a menu would take them twice."""
        await self.request("POST", f"channels/{quoted(channel_id)}/dtmf", {"dtmf": digits}, repeat=False)

    async def play_on_channel(self, channel_id: str, media: str, playback_id: str) -> None:
        """media: such as `sound:hello`. It may fail later (`PlaybackFinished` with state `failed`)."""
        await self._play(f"channels/{quoted(channel_id)}", media, playback_id)

    async def _play(self, where: str, media: str, playback_id: str) -> None:
        """Asterisk plays the same playback id twice if told so twice. When the connection breaks it is therefore looked
        for first: what plays is there."""
        url, playback = f"{where}/play/{quoted(playback_id)}", f"playbacks/{quoted(playback_id)}"
        try:
            await self.request("POST", url, {"media": media}, repeat=False)
        except NoReply:
            with contextlib.suppress(NotFound):
                await self.request("GET", playback)
                return
            await self.request("POST", url, {"media": media}, repeat=False)

    # -- the end

    async def hang_up(self, channel_id: str, reason: str = "normal") -> None:
        """reason: normal, busy, congestion, no_answer ... Works also outside of Stasis. `NotFound`: it has ended, maybe
        by a first try of ours whose answer was lost."""
        await self.request("DELETE", f"channels/{quoted(channel_id)}", {"reason": reason})

    async def continue_in_dialplan(self, channel_id: str, place: Place | None) -> None:
        """On at a place, or, without one, at the priority after `Stasis()`."""
        where: Query = {}
        if place is not None:
            where = {"context": place.context, "extension": place.extension, "priority": place.priority}
        try:
            await self._command("POST", channel_id, "continue", where)
        except (NotFound, Conflict) as error:
            if not error.repeated:  # else the first of the two has worked: the channel has left
                raise

    async def _command(self, method: str, channel_id: str, what: str, query: Query | None = None) -> None:
        """Something that may be done twice: it sets a state, and the second time nothing changes."""
        await self.request(method, f"channels/{quoted(channel_id)}/{what}", query)


def _variables(variables: Mapping[str, str] | None) -> dict[str, object] | None:
    return {"variables": dict(variables)} if variables else None
