"""Asterisk's REST interface (ARI), as far as calls need it: one method a request, typed replies, typed errors.

Parameters go in the query string: in a body Asterisk drops them silently unless the content type is right, and
`POST /bridges` takes every key of a body for a variable (res/ari/resource_bridges.c). Requests whose connection breaks
before the answer are sent once more, for Asterisk closes idle connections after 15 s. That is safe, because each of
them can be repeated: things are made under ids that we choose, and what is already there or already gone is no error
then. The password is in no URL and in no log line.

Sources: rest-api/api-docs/*.json and res/ari/*.c of Asterisk 22; recordings of a 22.11.0-rc1.
"""

import asyncio
import base64
import contextlib
import os
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from actors.call_control.commands import Place
from config.schema import Asterisk

REPLY_S = 5.0
"""For any request but an originate: Asterisk answers in a few ms."""
ORIGINATE_S = 7.0
"""Asterisk connects to our AudioSocket server before it answers, and tries for 2 s with each address."""
HEARTBEAT_S = 20.0
"""Asterisk sends no pings, so a half-open connection would never be noticed (main/http.c)."""
IDLE_S = 10.0
"""We close idle connections before Asterisk does (`session_keep_alive` in http.conf, 15 s)."""
CONNECTIONS = 32
"""At once, of the 100 that Asterisk allows for everybody (`sessionlimit` in http.conf)."""


class AriError(Exception):
    """A request that did not succeed. The text is a sentence for the operator."""

    def __init__(self, text: str, *, repeated: bool = False) -> None:
        super().__init__(text)
        self.repeated = repeated
        """True when the request had been sent once before, without an answer: it may have been done then."""


class Unreachable(AriError):
    """No connection: nothing was done."""


class NoReply(AriError):
    """No answer in time, or the connection broke: it may have been done."""


class WrongPassword(AriError):
    """401."""


class Forbidden(AriError):
    """403: a read-only user, or an access list."""


class NotFound(AriError):
    """404: the channel, bridge, variable or application of the URL is not there."""


class Conflict(AriError):
    """409: it exists already, or exists but is not in a Stasis application."""


class Invalid(AriError):
    """Any other 4xx: 400 wrong parameter, or no such channel (addChannel), 412 wrong state, 422 not in Stasis."""


class Broken(AriError):
    """5xx. An originate that cannot be set up is a 500 "Allocation failed"."""


T = TypeVar("T")

_BY_STATUS = {401: WrongPassword, 403: Forbidden, 404: NotFound, 409: Conflict}


class CallerId(msgspec.Struct, frozen=True):
    name: str = ""
    number: str = ""


class Dialplan(msgspec.Struct, frozen=True):
    app_name: str = ""
    app_data: str = ""


class Channel(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    state: str = ""
    """Down, Ring, Ringing, Up ..."""
    caller: CallerId = CallerId()
    dialplan: Dialplan = Dialplan()

    def in_application(self, app_name: str) -> bool:
        """Whether the channel is in this Stasis application, as its place in the dialplan says."""
        return self.dialplan.app_name == "Stasis" and self.dialplan.app_data.split(",")[0] == app_name


class Bridge(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    channels: tuple[str, ...] = ()


class AriEvent(msgspec.Struct, frozen=True):
    """One message of the events WebSocket; the fields that this type of event lacks are empty."""

    type: str
    application: str = ""
    args: tuple[str, ...] = ()
    channel: Channel | None = None
    bridge: Bridge | None = None
    digit: str = ""
    cause: int = 0
    cause_txt: str = ""


class _Variable(msgspec.Struct):
    value: str = ""


class _System(msgspec.Struct):
    version: str = ""


class _Application(msgspec.Struct):
    channel_ids: list[str] = []
    bridge_ids: list[str] = []


class _Info(msgspec.Struct):
    system: _System = msgspec.field(default_factory=_System)


class Ari:
    """One user of one Asterisk. Use as an async context manager."""

    def __init__(self, settings: Asterisk) -> None:
        self.settings = settings
        self.origin = f"{settings.scheme}://{settings.host}:{settings.port}"
        self.app_name = settings.app_name

    async def __aenter__(self) -> Self:
        login = f"{self.settings.username}:{self.settings.password.reveal()}".encode()
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_S),
            headers={"Authorization": f"Basic {base64.b64encode(login).decode()}"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    # -- channels ------------------------------------------------------------------------------------------------------

    async def channels(self) -> list[Channel]:
        """All channels of the PBX, not only ours."""
        return _decoded(await self._request("GET", "channels"), list[Channel])

    async def answer(self, channel_id: str) -> None:
        """Returns when Asterisk has taken it on; commands to the same channel are carried out in order."""
        await self._request("POST", f"channels/{_id(channel_id)}/answer")

    async def hang_up(self, channel_id: str) -> None:
        await self._request("DELETE", f"channels/{_id(channel_id)}", reason="normal")

    async def continue_in_dialplan(self, channel_id: str, place: Place | None) -> None:
        """On at a place, or, without one, at the priority after `Stasis()`."""
        url = f"channels/{_id(channel_id)}/continue"
        try:
            if place is None:
                await self._request("POST", url)
            else:
                await self._request(
                    "POST", url, context=place.context, extension=place.extension, priority=place.priority
                )
        except (NotFound, Conflict) as error:
            if not error.repeated:  # else the first of the two has worked: the channel has left
                raise

    async def variable(self, channel_id: str, name: str) -> str | None:
        """None when it is not set, or the channel is gone: Asterisk says 404 to both."""
        try:
            body = await self._request("GET", f"channels/{_id(channel_id)}/variable", variable=name)
        except NotFound:
            return None
        return _decoded(body, _Variable).value

    async def set_variable(self, channel_id: str, name: str, value: str) -> None:
        await self._request("POST", f"channels/{_id(channel_id)}/variable", variable=name, value=value)

    async def originate(self, channel_id: str, endpoint: str, *, formats: str, app_args: str) -> None:
        """A channel of ours, which comes into the application when it is answered. Timeout 10 s."""
        try:
            await self._request(
                "POST",
                "channels",
                within=ORIGINATE_S,
                endpoint=endpoint,
                app=self.app_name,
                appArgs=app_args,
                channelId=channel_id,
                formats=formats,
                timeout=10,
            )
        except Conflict as error:
            if not error.repeated:
                raise

    # -- bridges -------------------------------------------------------------------------------------------------------

    async def bridges(self) -> list[Bridge]:
        return _decoded(await self._request("GET", "bridges"), list[Bridge])

    async def create_bridge(self, bridge_id: str) -> None:
        """A bridge through which audio and digits pass inside Asterisk; also fine when it exists.

        The order of the types matters: the last two take capabilities away that `mixing` adds. The name marks the
        bridge as this application's.
        """
        with contextlib.suppress(Conflict):
            await self._request(
                "POST", f"bridges/{_id(bridge_id)}", type="mixing,dtmf_events,proxy_media", name=self.app_name
            )

    async def add_to_bridge(self, bridge_id: str, channel_id: str) -> None:
        """Raises `NotFound` when the bridge, `Invalid` when the channel is not there or not in Stasis."""
        await self._request("POST", f"bridges/{_id(bridge_id)}/addChannel", channel=channel_id)

    async def delete_bridge(self, bridge_id: str) -> None:
        await self._request("DELETE", f"bridges/{_id(bridge_id)}")

    # -- the rest ------------------------------------------------------------------------------------------------------

    async def version(self) -> str:
        """Such as "22.11.0-rc1"."""
        body = await self._request("GET", "asterisk/info", only="system")
        return _decoded(body, _Info).system.version

    async def application_idle(self) -> bool:
        """Whether no call is in the application. Asterisk does not tell whether somebody listens to it: an application
        that nobody has any more may stay known (res/stasis/app.c, app_is_finished)."""
        try:
            body = await self._request("GET", f"applications/{_id(self.app_name)}")
        except NotFound:
            return True
        application = _decoded(body, _Application)
        return not application.channel_ids and not application.bridge_ids

    async def open_events(self) -> aiohttp.ClientWebSocketResponse:
        """The events WebSocket of the application. Whoever had it before is told `ApplicationReplaced`."""
        url = URL(f"{self.origin}/ari/events").with_query({"app": self.app_name, "subscribeAll": "false"})
        try:
            async with asyncio.timeout(REPLY_S):
                return await self._http.ws_connect(
                    url, heartbeat=HEARTBEAT_S, timeout=aiohttp.ClientWSTimeout(ws_close=1.0)
                )
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 404:
                raise NotFound(
                    f"Asterisk at {self.origin} has no /ari/events: set `enabled=yes` in ari.conf, load res_ari.so "
                    "and res_ari_events.so, and leave `prefix` in http.conf empty"
                ) from None
            raise self._error(error.status, b"") from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._lost(error) from None

    async def _request(self, method: str, path: str, *, within: float = REPLY_S, **query: str | int) -> bytes:
        """The body of the answer. Raises a kind of `AriError`."""
        url = URL(f"{self.origin}/ari/{path}", encoded=True).with_query(query)
        deadline = aiohttp.ClientTimeout(total=within)
        repeated = False
        while True:
            try:
                async with self._http.request(method, url, timeout=deadline) as reply:
                    body = await reply.read()
                    if reply.status < 300:
                        return body
                    raise self._error(reply.status, body, repeated=repeated)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError) as error:
                if repeated or isinstance(error, aiohttp.ClientConnectorError):
                    raise self._lost(error) from None
                repeated = True
            except (TimeoutError, aiohttp.ClientError) as error:
                raise self._lost(error) from None

    def _lost(self, error: BaseException) -> AriError:
        if isinstance(error, aiohttp.ClientConnectorError):
            cause = getattr(error, "os_error", error)  # a refused certificate has none
            number = getattr(cause, "errno", None)
            return Unreachable(
                f"cannot reach Asterisk at {self.origin} ({os.strerror(number) if number else cause}): is it running, "
                "and are `enabled=yes` and `bindaddr` set in its http.conf?"
            )
        what = "in time" if isinstance(error, TimeoutError) else f"({type(error).__name__})"
        return NoReply(f"Asterisk at {self.origin} did not answer {what}")

    def _error(self, status: int, body: bytes, *, repeated: bool = False) -> AriError:
        if status == 401:
            return WrongPassword(
                f"Asterisk at {self.origin} does not take the password of ARI user {self.settings.username!r}: "
                "asterisk.username and asterisk.password must be those of a section of ari.conf"
            )
        if status == 403:
            return Forbidden(
                f"Asterisk at {self.origin} lets ARI user {self.settings.username!r} only read: "
                "set `read_only=no` in its section of ari.conf, and look at its `acl`, `permit` and `deny`"
            )
        if status == 503:
            return Broken(f"Asterisk at {self.origin} is still starting")
        text = f"{_reason(body)} ({status})"
        return _BY_STATUS.get(status, Broken if status >= 500 else Invalid)(text, repeated=repeated)


def _id(identifier: str) -> str:
    return quote(identifier, safe="")


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise Broken(f"Asterisk answered with something else than ARI's {kind}: {error}") from error


def _reason(body: bytes) -> str:
    """Asterisk's own word. Its errors are {"message": ...} or {"error": ...}, and some have no body at all."""
    try:
        said = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.DecodeError:
        return "Asterisk gave no reason"
    return str(said.get("message") or said.get("error") or "Asterisk gave no reason")
