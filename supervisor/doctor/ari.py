"""The doctor's own way to Asterisk's REST interface: any request, and the reply as it is, whatever its status.

Unlike call-control, which wants things done, the doctor wants to know how Asterisk answers: a 401 is a finding.
The password is in no URL, and in no text of an error.
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import aiohttp
import msgspec

from config.schema import Asterisk

REPLY_S = 6.0
"""For any request. An AudioSocket originate is answered once Asterisk has connected to us, for which it takes 2 s with
each address."""
HEARTBEAT_S = 5.0

Obstacle = Literal["refused", "no such host", "silent", "certificate", "broken"]


class NoReply(Exception):
    """There was no answer. The text says what happened; `obstacle` in one word."""

    def __init__(self, obstacle: Obstacle, text: str) -> None:
        super().__init__(text)
        self.obstacle = obstacle


class Reply(msgspec.Struct, frozen=True):
    status: int
    body: Any = None
    """Decoded JSON; None where there was none."""
    server: str = ""
    """The header, such as "Asterisk/22.11.0"."""

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def message(self) -> str:
        """What Asterisk says of a refusal, behind its status: `404 Channel not found`."""
        text = ""
        if isinstance(self.body, dict):
            text = str(self.body.get("message") or self.body.get("error") or "")
        return f"{self.status} {text}".strip()

    def get(self, *path: str) -> Any:
        """What stands at this path of the body's objects; None where it is not there."""
        value = self.body
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value


class Ari:
    """A context manager: its connections end with it. May be used by several tasks at once."""

    def __init__(self, asterisk: Asterisk) -> None:
        self.asterisk = asterisk
        self.origin = f"{asterisk.scheme}://{asterisk.host}:{asterisk.port}"

    async def __aenter__(self) -> Self:
        credentials = f"{self.asterisk.username}:{self.asterisk.password.reveal()}"
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"},
            timeout=aiohttp.ClientTimeout(total=REPLY_S),
            # No connection is used twice: one that Asterisk closes meanwhile would look like a finding.
            connector=aiohttp.TCPConnector(force_close=True, ssl=_tls(self.asterisk)),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, *path: str, **query: str) -> Reply:
        return await self.ask("GET", *path, query=query)

    async def post(self, *path: str, variables: Mapping[str, str] | None = None, **query: str) -> Reply:
        return await self.ask("POST", *path, query=query, variables=variables)

    async def delete(self, *path: str, **query: str) -> Reply:
        return await self.ask("DELETE", *path, query=query)

    async def ask(
        self, method: str, *path: str, query: Mapping[str, str], variables: Mapping[str, str] | None = None
    ) -> Reply:
        """path: segments behind `/ari`, not yet escaped. Raises `NoReply`."""
        url = self.origin + "/ari/" + "/".join(quote(segment, safe="") for segment in path)
        try:
            async with self._session.request(
                method,
                url,
                params=query,
                json={"variables": dict(variables)} if variables else None,
                allow_redirects=False,
            ) as response:
                body = None
                with contextlib.suppress(ValueError, aiohttp.ContentTypeError):
                    body = await response.json(content_type=None)
                return Reply(response.status, body, response.headers.get("Server", ""))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._no_reply(error) from None

    async def events(self, app: str) -> aiohttp.ClientWebSocketResponse:
        """The events of a Stasis application, which exists from now on. Raises `NoReply`."""
        try:
            return await self._session.ws_connect(
                f"{self.origin}/ari/events",
                params={"app": app, "subscribeAll": "false"},
                heartbeat=HEARTBEAT_S,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
        except aiohttp.WSServerHandshakeError as error:
            raise NoReply("broken", f"Asterisk refused the events WebSocket: {error.status}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._no_reply(error) from None

    async def own_address(self) -> str:
        """Of this machine, as a connection to Asterisk has it; raises `NoReply`."""
        try:
            async with asyncio.timeout(REPLY_S):
                _, writer = await asyncio.open_connection(self.asterisk.host, self.asterisk.port)
        except (OSError, TimeoutError) as error:
            raise self._no_reply(error) from None
        address = str(writer.get_extra_info("sockname")[0])
        writer.close()
        return address

    def _no_reply(self, error: Exception) -> NoReply:
        where = f"{self.asterisk.host}:{self.asterisk.port}"
        if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError | aiohttp.ClientSSLError):
            return NoReply("certificate", f"{where} shows no certificate that we can trust: {error}")
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return NoReply("no such host", f"nobody knows the name {self.asterisk.host}")
        if isinstance(error, aiohttp.ClientConnectorError | ConnectionRefusedError):
            return NoReply("refused", f"{where} refuses the connection: {error.strerror or error}")
        if isinstance(error, TimeoutError):
            return NoReply("silent", f"{where} does not answer within {REPLY_S:g} s")
        return NoReply("broken", f"{where} broke the connection: {error or type(error).__name__}")


def _tls(asterisk: Asterisk) -> ssl.SSLContext | bool:
    if asterisk.scheme == "http":
        return True
    if not asterisk.verify_tls:
        return False
    try:
        return ssl.create_default_context(cafile=asterisk.ca_file or None)
    except OSError as error:
        raise NoReply("certificate", f"`asterisk.ca_file` {asterisk.ca_file} cannot be read: {error}") from None
