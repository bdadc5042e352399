"""HTTP to one Asterisk: one connection pool, one password, a deadline for every request, and what is sent twice.

Parameters go in the query string: in a body Asterisk drops them silently unless the content type is right, and
`POST /bridges` takes every key of a body for a variable (res/ari/resource_bridges.c). Channel variables go in a JSON
body, for the operations that take them read them nowhere else.

A request is sent again within its deadline

- when Asterisk is still starting (503): nothing was done, so every request may be;
- once, when the connection breaks before the answer, for Asterisk closes idle connections after 15 s. It may have been
  done, so the operation must bear that: things are made under ids that we choose, and what is already there or already
  gone is no error then. Those that do not bear it say so (`repeat=False`). (aiohttp by itself does the same with GET
  and DELETE.)

Not when no connection comes about, and not when the answer is late: whoever asks decides what is next.

The password is in one header, and in no URL, log line, text of an error or `repr`.

Sources: res/res_ari.c, main/http.c and configs/samples/http.conf.sample of Asterisk 22.
"""

import asyncio
import base64
import os
import random
import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from actors.call_control.ari.errors import (
    AriError,
    Broken,
    Forbidden,
    NoReply,
    NotFound,
    Starting,
    Unreachable,
    Untrusted,
    WrongPassword,
    of_status,
)
from config.schema import Asterisk

CONNECT_S = 2.0
"""For a TCP connection and its TLS handshake: a ms in a LAN. An Asterisk that is back should be found soon."""
REPLY_S = 5.0
"""For any request but those that make Asterisk connect somewhere: it answers in a few ms."""
HEARTBEAT_S = 10.0
"""Asterisk sends no pings, so a half-open events connection would never be noticed (main/http.c): we send one when
nothing has come for so long, and give up when half as long passes without an answer."""
IDLE_S = 10.0
"""We close idle connections before Asterisk does (`session_keep_alive` in http.conf, 15 s)."""
CONNECTIONS = 32
"""At once, of the 100 that Asterisk allows for everybody (`sessionlimit` in http.conf)."""
LONGEST_MESSAGE = 2 * 1024 * 1024
"""Bytes of one event: Asterisk's have a few kB, but a variable or a user event holds what a dialplan puts into it. The
events connection of whoever sends more is closed (1009), and opened again."""
STARTING_PAUSE_S = 0.1
"""Before the first new try while Asterisk starts; doubles up to a second. It takes about one to start."""

HOSTNAME_MISMATCH = 62
"""X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH of OpenSSL (x509_vfy.h)."""
ADDRESS_MISMATCH = 64

T = TypeVar("T")

Query = Mapping[str, str | int | None]


class Transport:
    """Use as an async context manager."""

    def __init__(self, settings: Asterisk) -> None:
        self.settings = settings
        self.origin = f"{settings.scheme}://{_host(settings.host)}:{settings.port}"
        self.app_name = settings.app_name
        self._unusable = ""
        """Why no request can be made at all."""

    async def __aenter__(self) -> Self:
        login = f"{self.settings.username}:{self.settings.password.reveal()}".encode()
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_S, ssl=self._trust()),
            headers={"Authorization": f"Basic {base64.b64encode(login).decode()}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        within: float = REPLY_S,
        repeat: bool = True,
        body: Mapping[str, object] | None = None,
    ) -> bytes:
        """The body of the answer. Raises a kind of `AriError`; nothing takes longer than `within` seconds.

        path: below `/ari/`, ids quoted (`quoted`). query: parameters; those that are None are left out. body: of JSON.
        repeat: whether it may be done twice.
        """
        url = URL(f"{self.origin}/ari/{path}", encoded=True).with_query(_given(query))
        starting = False
        pause = _pauses()
        repeated = False
        try:
            async with asyncio.timeout(within):
                while True:
                    try:
                        status, answer = await self._once(method, url, body)
                    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError) as error:
                        if repeated or not repeat or isinstance(error, aiohttp.ClientConnectorError):
                            raise self._lost(error) from None
                        repeated = True
                        continue
                    except aiohttp.ClientError as error:
                        raise self._lost(error) from None
                    if status < 300:
                        return answer
                    if status != 503:
                        raise self._error(status, answer, repeated=repeated)
                    starting = True
                    await asyncio.sleep(next(pause))
        except TimeoutError as error:
            raise (self._error(503, b"") if starting else self._lost(error)) from None

    async def open_events(self) -> aiohttp.ClientWebSocketResponse:
        """The events WebSocket of the application. Whoever had it before is told `ApplicationReplaced`."""
        url = URL(f"{self.origin}/ari/events").with_query({"app": self.app_name, "subscribeAll": "false"})
        self._raise_if_unusable()
        try:
            async with asyncio.timeout(REPLY_S):
                return await self._http.ws_connect(
                    url,
                    heartbeat=HEARTBEAT_S,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                    max_msg_size=LONGEST_MESSAGE,
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

    async def _once(self, method: str, url: URL, body: Mapping[str, object] | None) -> tuple[int, bytes]:
        """Status and body. Redirections are not followed: the password goes nowhere else."""
        self._raise_if_unusable()
        data, headers = None, None
        if body is not None:
            data, headers = msgspec.json.encode(body), {"Content-Type": "application/json"}
        async with self._http.request(method, url, data=data, headers=headers, allow_redirects=False) as reply:
            return reply.status, await reply.read()

    def _trust(self) -> ssl.SSLContext | bool:
        """What Asterisk's certificate is checked against."""
        settings = self.settings
        if settings.scheme == "http":
            return True  # not looked at
        if not settings.verify_tls:
            return False
        try:
            return ssl.create_default_context(cafile=settings.ca_file or None)
        except FileNotFoundError:
            self._unusable = f"asterisk.ca_file names {settings.ca_file}, and there is no such file"
        except OSError as error:  # ssl.SSLError too
            reason = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
            self._unusable = f"asterisk.ca_file names {settings.ca_file}, which cannot be used: {reason}"
        return True

    def _raise_if_unusable(self) -> None:
        if self._unusable:
            raise Unreachable(f"{self._unusable}; without it Asterisk at {self.origin} is not asked for anything")

    def _lost(self, error: BaseException) -> AriError:
        match error:
            case aiohttp.ClientConnectorCertificateError():
                return self._untrusted(error.certificate_error)
            case aiohttp.ClientConnectorSSLError():
                return Unreachable(
                    f"nobody speaks TLS at {self.origin}: asterisk.port must be that of `tlsbindaddr` in Asterisk's "
                    "http.conf (8089 if nothing else is set), and `tlsenable=yes`; or set asterisk.scheme to `http`"
                )
            case aiohttp.ConnectionTimeoutError():
                return self._unreachable(f"no connection within {CONNECT_S:g} s")
            case aiohttp.ClientConnectorError():
                number = error.errno or 0  # of a name that cannot be resolved it is negative
                return self._unreachable(os.strerror(number) if number > 0 else error.strerror or str(error.os_error))
            case TimeoutError():
                return NoReply(f"Asterisk at {self.origin} did not answer in time")
        return NoReply(f"Asterisk at {self.origin} did not answer ({type(error).__name__})")

    def _unreachable(self, reason: str) -> AriError:
        return Unreachable(
            f"cannot reach Asterisk at {self.origin} ({reason}): is it running, "
            "and are `enabled=yes` and `bindaddr` set in its http.conf?"
        )

    def _untrusted(self, error: Exception) -> AriError:
        code = getattr(error, "verify_code", 0)
        reason = getattr(error, "verify_message", "") or str(error)
        if code in (HOSTNAME_MISMATCH, ADDRESS_MISMATCH):
            remedy = "asterisk.host must be a name or address that the certificate holds (subjectAltName)"
        else:
            remedy = "set asterisk.ca_file to the certificate of whoever signed it: to itself, if nobody else did"
        return Untrusted(f"the certificate of Asterisk at {self.origin} cannot be trusted ({reason}): {remedy}")

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
            return Starting(f"Asterisk at {self.origin} is still starting")
        if status < 400:
            return of_status(status)(
                f"{self.origin} sends requests elsewhere ({status}): asterisk.scheme, asterisk.host and asterisk.port "
                "must be where Asterisk's own HTTP server answers"
            )
        return of_status(status)(f"{_reason(body)} ({status})", repeated=repeated)


def _given(query: Query | None) -> dict[str, str | int]:
    return {name: value for name, value in (query or {}).items() if value is not None}


def quoted(identifier: str) -> str:
    """An id as part of a path."""
    return quote(identifier, safe="")


def decoded(body: bytes, kind: type[T]) -> T:
    """Raises `Broken`."""
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


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _pauses() -> Iterator[float]:
    """Seconds before each new try while Asterisk starts; chance takes up to half."""
    pause = STARTING_PAUSE_S
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(1.0, pause * 2)
