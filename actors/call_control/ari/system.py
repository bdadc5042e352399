"""Requests about Asterisk itself: its version, modules, applications and device states."""

from collections.abc import Callable

import msgspec

from actors.call_control.ari.bridges import BridgeRequests
from actors.call_control.ari.errors import NotFound
from actors.call_control.ari.objects import Application, Info
from actors.call_control.ari.transport import decoded, quoted
from config.asterisk_versions import BULK_VARIABLES, can


class _Module(msgspec.Struct):
    name: str
    status: str = ""

    @property
    def running(self) -> bool:
        return self.status == "Running"


class _DeviceState(msgspec.Struct):
    state: str = "UNKNOWN"


class SystemRequests(BridgeRequests):
    started = ""
    """When Asterisk was, by its own clock: another text, another Asterisk. "" where it does not say."""

    async def info(self) -> Info:
        return decoded(await self.request("GET", "asterisk/info"), Info)

    async def version(self) -> str:
        """Such as "22.11.0-rc1". What is asked differently in some versions is asked as this one wants it from now
        on. `started` is known from then on, too."""
        info = decoded(await self.request("GET", "asterisk/info", {"only": "system,status"}), Info)
        version, self.started = info.system.version, info.status.startup_time
        self.bulk = bool(version) and can(version, BULK_VARIABLES)
        return version

    async def modules(self) -> dict[str, bool]:
        """Whether each module that is loaded runs: one that is loaded may have declined to."""
        modules = decoded(await self.request("GET", "asterisk/modules"), list[_Module])
        return {module.name: module.running for module in modules}

    async def module(self, name: str) -> bool:
        """Whether a module runs, by its file's name: `chan_audiosocket.so`."""
        try:
            return decoded(await self.request("GET", f"asterisk/modules/{quoted(name)}"), _Module).running
        except NotFound:
            return False

    async def device_state(self, name: str) -> str:
        """Of a device such as `PJSIP/200`: NOT_INUSE, INUSE, BUSY, RINGING, RINGINUSE, ONHOLD, UNAVAILABLE, INVALID or
        UNKNOWN. Of `Local/200@from-internal`: INVALID where there is no such extension."""
        return decoded(await self.request("GET", f"deviceStates/{quoted(name)}"), _DeviceState).state

    # -- applications

    async def applications(self) -> dict[str, Application]:
        """By name. One that nobody listens to any more may stay known while channels are in it."""
        known = decoded(await self.request("GET", "applications"), list[Application])
        return {application.name: application for application in known}

    async def application_idle(self, ours: Callable[[str], bool] = lambda identifier: False) -> bool:
        """Whether no channel or bridge but `ours` is in the application. Asterisk does not tell whether somebody
        listens to it: an application that nobody has any more may stay known (res/stasis/app.c, app_is_finished)."""
        try:
            body = await self.request("GET", f"applications/{quoted(self.app_name)}")
        except NotFound:
            return True
        application = decoded(body, Application)
        return all(ours(identifier) for identifier in (*application.channel_ids, *application.bridge_ids))
