"""One place on the web that has a file: asks for a part of it (RFC 9110, range requests) and gives it in pieces.

Whatever goes wrong is one of two: `Refused`, it will be the same next time, or `Broken`, it may not. Proxies are taken
from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
"""

import os
import re
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

PIECE = 256 << 10
"""Bytes that are taken at once at most."""

MOST_REDIRECTS = 10

LONGEST_PAUSE_S = 60.0
"""A server that asks for a longer pause (Retry-After) is not obeyed."""

WAIT_FOR = {408, 425, 429, 500, 502, 503, 504}
"""Statuses that pass."""

WHY = {
    401: "wants a password",
    403: "forbids it",
    404: "does not have it",
    407: "the proxy wants a user name and a password: HTTPS_PROXY=http://user:password@host:port",
    410: "does not have it any more",
}


class Refused(Exception):
    """This source is of no use for this file. The text goes on after the source's name."""


class Broken(Exception):
    """It did not work this time. The text goes on after the source's name."""

    def __init__(self, why: str, *, stalled: bool = False, pause_s: float = 0.0) -> None:
        super().__init__(why)
        self.stalled = stalled
        self.pause_s = pause_s


class WithoutRanges(Exception):
    """The server sends the file from its beginning only, or another one than the time before."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    connect_s: float = 15.0
    stall_s: float = 20.0
    """Without a byte."""
    pauses_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    """Before each further try that brought nothing; then the source is given up."""


@dataclass(slots=True)
class Answer:
    """The part that was asked for, as it comes."""

    tag: str
    """The server's strong ETag, or ""."""
    _response: aiohttp.ClientResponse
    _host: str

    async def pieces(self) -> AsyncIterator[bytes]:
        """Raises `Broken`."""
        try:
            async for piece in self._response.content.iter_chunked(PIECE):
                yield piece
        except TimeoutError as error:
            raise Broken("stalls", stalled=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Broken("cuts the connection in the middle") from error


def session(patience: Patience) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=patience.connect_s, sock_read=patience.stall_s)
    # The bytes as they are: a server that compresses them on the way would make nonsense of offsets and sizes.
    headers = {"Accept-Encoding": "identity", "User-Agent": "ringmaster"}
    return aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True, auto_decompress=False)


@asynccontextmanager
async def ask(
    http: aiohttp.ClientSession, url: str, start: int, end: int, length: int, *, tag: str, verified: bool
) -> AsyncIterator[Answer]:
    """Asks for the bytes from `start` to before `end` of a file of `length` bytes.

    tag: the ETag of what came before, "" for none; verified: a checksum will tell whether the bytes are right, so
    neither the tag nor the way they come matters. Raises `Refused`, `Broken`, `WithoutRanges`.
    """
    headers = {}
    if start or end < length:
        headers["Range"] = f"bytes={start}-{end - 1}"
        if tag and not verified:
            headers["If-Range"] = tag
    try:
        response = await http.get(url, headers=headers, max_redirects=MOST_REDIRECTS)
    except TimeoutError as error:
        raise Broken("does not answer", stalled=True) from error
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise _why(error) from error
    try:
        _check(response, start, length, verified)
        etag = response.headers.get("ETag", "")
        yield Answer("" if etag.startswith("W/") else etag, response, URL(url).host or url)
    finally:
        # Not `release`: what is left of a large file would be read to reuse the connection.
        response.close()


def _check(response: aiohttp.ClientResponse, start: int, length: int, verified: bool) -> None:
    """Raises unless the answer is the right part of a file of the right length."""
    status = response.status
    if status in WAIT_FOR:
        raise Broken(f"answers with {status}", pause_s=_pause(response))
    if status == 416:
        raise WithoutRanges
    if status not in (200, 206):
        raise Refused(WHY.get(status, f"answers with {status}"))
    if response.headers.get("Content-Encoding", "identity") not in ("identity", "none"):
        raise Refused("sends it compressed although it was not asked to")
    if response.content_type in ("text/html", "application/xhtml+xml"):
        raise Refused("sends a web page instead of the file (a portal or a proxy that wants a login)")
    if not verified and response.url.scheme != "https" and any(hop.url.scheme == "https" for hop in response.history):
        raise Refused("sends us on to an address without encryption, and no checksum is known")
    if status == 200:
        if (there := response.content_length) not in (None, length):
            raise Refused(_other(there, length))
        if start:
            raise WithoutRanges
        return
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
    if not found or int(found[1]) != start:
        raise Refused("sends another part of it than was asked for")
    if found[3] not in ("*", str(length)):
        raise Refused(_other(int(found[3]), length))


def _other(there: int | None, length: int) -> str:
    return f"has another file there: {there:,} bytes instead of {length:,}"


def _pause(response: aiohttp.ClientResponse) -> float:
    try:
        return min(LONGEST_PAUSE_S, max(0.0, float(response.headers.get("Retry-After", "0"))))
    except ValueError:  # a date
        return 0.0


def _why(error: Exception) -> Refused | Broken:
    proxy = _proxy()
    by = f", asked through the proxy {proxy}" if proxy else ""
    match error:
        case aiohttp.ClientHttpProxyError(status=407):
            return Refused(f"cannot be reached: {WHY[407]}")
        case aiohttp.ClientHttpProxyError():
            return Broken(f"cannot be reached: the proxy {proxy} answers with {error.status}")
        case aiohttp.ClientProxyConnectionError():
            return Broken(f"cannot be reached: the proxy {proxy} does not take connections (HTTPS_PROXY, HTTP_PROXY)")
        case aiohttp.ClientConnectorCertificateError():
            return Refused(
                "shows a certificate that is not trusted: where a proxy looks into TLS, name its authority's file in"
                " SSL_CERT_FILE"
            )
        case aiohttp.ClientConnectorDNSError():
            return Broken("has no address here (no name server, or no way to the Internet)")
        case aiohttp.TooManyRedirects():
            return Refused("sends us from one address to the next without end")
        case aiohttp.ClientConnectorError():
            return Broken(f"cannot be reached ({error.strerror or error.os_error}){by}")
        case aiohttp.InvalidURL() | ValueError():
            return Refused(f"is no address that we understand ({error})")
    return Broken(f"ends the connection before it answers{by}")


def _proxy() -> str:
    """The proxy in use, without the password."""
    found = urllib.request.getproxies()
    named = found.get("https") or found.get("http") or ""
    return str(URL(named).with_user(None)) if named else ""


def proxy_problem() -> str:
    """What is wrong with the proxies that the environment names, in one sentence; "" for nothing."""
    for name in ("https", "http"):
        named = urllib.request.getproxies().get(name, "")
        if named and (scheme := named.partition("://")[0].lower()) != "http" and "://" in named:
            variable = f"{name.upper()}_PROXY" if f"{name.upper()}_PROXY" in os.environ else f"{name}_proxy"
            return f"{variable} names a {scheme} proxy, and we speak http:// to proxies only"
    return ""
