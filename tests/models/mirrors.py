"""A web server on loopback that has files, and does to each request what the test says."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from models.http_source import Patience
from models.registry import File

HASTY = Patience(connect_s=10.0, stall_s=5.0, pauses_s=(0.01, 0.01, 0.01))
"""For tests in which a source is given up."""

NO_WAITING = Patience(connect_s=10.0, stall_s=0.25, pauses_s=(0.01, 0.01))
"""For tests in which one stalls. On a busy machine others may seem to, and are asked again."""

Fault = Callable[[web.Request, bytes], Awaitable[web.StreamResponse | None]]
"""Gets the request and the whole content; answers it, or leaves that to the server."""


class Mirror:
    """`asked` holds each request's path and Range, in order."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents
        self.faults: dict[str, list[Fault]] = {}
        """By the path's first folder ("" for none): one for each request in turn; the last one stays."""
        self.asked: list[tuple[str, str]] = []
        self.sent = 0
        self.url = ""

    def ranges(self, folder: str = "") -> list[str]:
        return [given for path, given in self.asked if path.startswith(f"/{folder}")]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("Range", "")))
        folder, _, name = request.path.lstrip("/").rpartition("/")
        faults = self.faults.get(folder, [])
        fault = (faults.pop(0) if len(faults) > 1 else faults[0]) if faults else None
        content = self.contents.get(name)
        if content is None:
            return web.Response(status=404)
        if fault and (answer := await fault(request, content)):
            return answer
        return await part(request, content)


async def part(
    request: web.Request,
    content: bytes,
    *,
    pieces: int = 0,
    gap_s: float = 0.0,
    cut: int = -1,
    hang: bool = False,
    ranges: bool = True,
) -> web.StreamResponse:
    """The right answer; in `pieces` bytes with gaps, or only `cut` bytes of it, after which it hangs or breaks off."""
    ranged = ranges and "Range" in request.headers
    given = request.http_range if ranged else slice(None)
    start, end = given.start or 0, min(given.stop or len(content), len(content))
    response = web.StreamResponse(status=206 if ranged else 200, headers={"ETag": etag(content)})
    if ranged:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    body = content[start:end]
    response.content_length = len(body)
    await response.prepare(request)
    if cut >= 0:
        body = body[:cut]
    step = pieces or max(1, len(body))
    for at in range(0, len(body), step):
        await response.write(body[at : at + step])
        if gap_s:
            await asyncio.sleep(gap_s)
    if hang:
        await asyncio.Event().wait()
    if cut >= 0 and request.transport:
        request.transport.close()
    return response


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def cut_after(count: int, *, ranges: bool = True) -> Fault:
    return lambda request, content: part(request, content, cut=count, ranges=ranges)


def stall_after(count: int) -> Fault:
    return lambda request, content: part(request, content, cut=count, hang=True)


def slowly(pieces: int, gap_s: float) -> Fault:
    return lambda request, content: part(request, content, pieces=pieces, gap_s=gap_s)


def status(code: int, **headers: str) -> Fault:
    async def fault(request: web.Request, content: bytes) -> web.StreamResponse:
        return web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return fault


async def whole(request: web.Request, content: bytes) -> web.StreamResponse:
    """As servers do that know no ranges."""
    return web.Response(body=content)


async def rightly(request: web.Request, content: bytes) -> None:
    return None


async def login_page(request: web.Request, content: bytes) -> web.StreamResponse:
    return web.Response(text="<html>Welcome to the hotel</html>", content_type="text/html")


async def lie(request: web.Request, content: bytes) -> web.StreamResponse:
    return await part(request, bytes(len(content)))


async def another_file(request: web.Request, content: bytes) -> web.StreamResponse:
    return await part(request, content + b"more")


@asynccontextmanager
async def serving(contents: dict[str, bytes]) -> AsyncIterator[Mirror]:
    mirror = Mirror(contents)
    app = web.Application()
    app.router.add_get("/{path:.*}", mirror.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    mirror.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield mirror
    finally:
        await runner.cleanup()


def file(mirror: Mirror, name: str, *, folders: tuple[str, ...] = (), known: bool = True, role: str = "llm") -> File:
    """One of the mirror's files, in its root and in the folders, with a checksum or without."""
    content = mirror.contents[name]
    return File(
        url=f"{mirror.url}/{name}",
        mirrors=tuple(f"{mirror.url}/{folder}/{name}" for folder in folders),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest() if known else "",
        path=f"{role}/{name}",
    )


class Told:
    """A `transfer.Progress` that remembers."""

    def __init__(self) -> None:
        self.there = 0
        self.said: list[str] = []
        self.ended = ""

    def came(self, count: int) -> None:
        self.there += count

    def say(self, text: str) -> None:
        self.said.append(text)

    def done(self) -> None:
        self.ended = "done"

    def stopped(self) -> None:
        self.ended = "stopped"


def lying(folder: Path) -> list[str]:
    """Names of all files in the folder and below, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
