"""Requests about bridges, and about what is played and recorded in them."""

import contextlib

from actors.call_control.ari.channels import ChannelRequests
from actors.call_control.ari.errors import Conflict, Invalid, NotFound
from actors.call_control.ari.objects import Bridge
from actors.call_control.ari.transport import Query, decoded, quoted


class BridgeRequests(ChannelRequests):
    async def bridges(self) -> list[Bridge]:
        """All bridges of the PBX, not only ours."""
        return decoded(await self.request("GET", "bridges"), list[Bridge])

    async def create_bridge(self, bridge_id: str) -> None:
        """A bridge through which audio and digits pass inside Asterisk; also fine when it exists.

        The order of the types matters: the last two take capabilities away that `mixing` adds. The name marks the
        bridge as this application's.
        """
        with contextlib.suppress(Conflict):
            await self.request(
                "POST",
                f"bridges/{quoted(bridge_id)}",
                {"type": "mixing,dtmf_events,proxy_media", "name": self.app_name},
            )

    async def add_to_bridge(self, bridge_id: str, *channel_ids: str) -> None:
        """One channel or several; one that is in another bridge is moved. Raises `NotFound` when the bridge, `Invalid`
        when a channel is not there or not in Stasis."""
        await self.request("POST", f"bridges/{quoted(bridge_id)}/addChannel", {"channel": ",".join(channel_ids)})

    async def remove_from_bridge(self, bridge_id: str, *channel_ids: str) -> None:
        """They stay in the application. Raises as `add_to_bridge`, and `Invalid` for one that is not in this bridge."""
        try:
            await self.request("POST", f"bridges/{quoted(bridge_id)}/removeChannel", {"channel": ",".join(channel_ids)})
        except Invalid as error:
            if not error.repeated:  # else our first try has taken them out
                raise

    async def delete_bridge(self, bridge_id: str) -> None:
        """Channels in it stay in the application. `NotFound`: it is gone, maybe by a first try of ours whose answer was
        lost."""
        await self.request("DELETE", f"bridges/{quoted(bridge_id)}")

    # -- playing

    async def play_on_bridge(self, bridge_id: str, media: str, playback_id: str) -> None:
        """To everybody in it. Asterisk mixes while it plays (softmix), for it plays through a channel of its own."""
        await self._play(f"bridges/{quoted(bridge_id)}", media, playback_id)

    async def stop_playback(self, playback_id: str) -> None:
        """Also fine when it is over."""
        with contextlib.suppress(NotFound):
            await self.request("DELETE", f"playbacks/{quoted(playback_id)}")

    # -- recording

    async def record_bridge(
        self, bridge_id: str, name: str, audio_format: str = "wav", *, max_s: int = 0, beep: bool = False
    ) -> None:
        """Asterisk's own recording, mixed, in `<astspooldir>/recording/<name>.<format>`. It adds a channel of its own,
        so the bridge becomes a softmix for as long.

        name: may hold `/`. max_s: ends by itself after so many seconds; 0 never. Raises `Conflict` when the file is
        there already: nothing is overwritten.
        """
        query: Query = {
            "name": name,
            "format": audio_format,
            "maxDurationSeconds": max_s,
            "ifExists": "fail",
            "beep": "true" if beep else "false",
        }
        try:
            await self.request("POST", f"bridges/{quoted(bridge_id)}/record", query)
        except Conflict as error:
            if not error.repeated:
                raise

    async def stop_recording(self, name: str) -> None:
        """It is kept. Also fine when it is over (404, or 409 "not in session")."""
        with contextlib.suppress(NotFound, Conflict):
            await self.request("POST", f"recordings/live/{quoted(name)}/stop")

    async def discard_recording(self, name: str) -> None:
        """A live one is stopped and not kept. Also fine when it is over. `Broken` when it has only just been asked for:
        it cannot be discarded before `RecordingStarted`."""
        with contextlib.suppress(NotFound, Conflict):
            await self.request("DELETE", f"recordings/live/{quoted(name)}")
