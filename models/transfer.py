"""Fetches one file from all its sources at once, and goes on from what came before.

Sources come in groups: those that the operator named are asked first, and the public ones only when none of these is of
use any more. Within a group each source fetches another part of the file (`models.spans`), where a checksum will tell
if one of them lies. Where none is known, one source after the other: what is put together from two could be neither.

A source that stalls, cuts the connection or answers with a passing error loses its part to the others and is tried
again, with longer and longer pauses as long as it brings nothing; a source that does not have the file, or another one,
is left at once. What came is kept for the next time in any case, unless the checksum shows that it is wrong.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp
from yarl import URL

from models.checksum import Digest
from models.http_source import Broken, Patience, Refused, WithoutRanges, ask
from models.partial import Partial
from models.registry import File
from models.spans import Claim, Claims

ENOUGH = 16 << 10
"""Bytes: a connection that brought fewer before it broke was fruitless."""

WITHOUT_RANGES = "cannot go on in the middle of a file"

REMEDY = "Behind a proxy set HTTPS_PROXY; or bring the file here, and use `ringmaster models setup --from FOLDER`."


class CannotFetch(Exception):
    """No source gave the file. The text says of each why, and what to do; there is no half file in its place."""


class Progress(Protocol):
    """Whoever shows how it goes."""

    def came(self, count: int) -> None:
        """So many bytes more are there; less than 0 when some turned out to be worth nothing."""

    def say(self, text: str) -> None:
        """Something that the operator should know, in one line."""

    def done(self) -> None:
        """It is complete and right."""

    def stopped(self) -> None:
        """It comes to no good end."""


@dataclass(eq=False, slots=True)
class Source:
    """One address of the file, and what has become of it."""

    url: str
    ranges: bool = True
    """It can go on in the middle."""
    brought: int = 0
    """Bytes of what is there now."""
    left: str = ""
    """Why it is not asked any more."""
    trouble: str = ""
    """What went wrong the last time."""

    @property
    def host(self) -> str:
        url = URL(self.url)
        return (url.host or self.url) if url.is_default_port() else url.authority


@dataclass(frozen=True, slots=True)
class Fetched:
    sha256: str
    from_hosts: tuple[str, ...]
    """Those that brought something, in this process."""


class Transfer:
    """One file on its way to `target`."""

    def __init__(
        self,
        file: File,
        target: Path,
        groups: Sequence[Sequence[str]],
        http: aiohttp.ClientSession,
        progress: Progress,
        patience: Patience,
    ) -> None:
        self._file = file
        self._groups = [[Source(url) for url in group] for group in groups if group]
        self._sources = [source for group in self._groups for source in group]
        self._http = http
        self._progress = progress
        self._patience = patience
        self._wanted = file.sha256 or file.md5
        self._digest = Digest(md5=bool(file.md5))
        self._changed = asyncio.Event()
        self._partial = Partial(target, file.bytes, self._wanted)
        self._claims = Claims(file.bytes, self._partial.there)
        self._inherited = self._partial.there.total()

    async def run(self) -> Fetched:
        """Raises `CannotFetch`, `NoSpace`, OSError."""
        self._progress.came(self._inherited)
        try:
            return await self._run()
        finally:
            # When it is interrupted, too.
            self._partial.keep()

    async def _run(self) -> Fetched:
        groups = self._groups if self._wanted else [[source] for source in self._sources]
        one_only = False
        while True:
            for group in groups:
                alive = [source for source in group if not source.left]
                if self._claims.complete or not alive:
                    continue
                if one_only:
                    self._begin_anew()
                await self._together(alive)
            if not self._claims.complete:
                await self._from_the_beginning()
            if not self._claims.complete:
                raise CannotFetch(self._complaint())
            await self._digest.catch_up(self._file.bytes, self._partial.read)
            if self._right():
                self._partial.finish()
                return Fetched(self._digest.sha256, tuple(source.host for source in self._sources if source.brought))
            # Whoever brought all of it is to blame. Of several nobody knows who it was: one at a time, then, and whom
            # the registry names before the mirrors.
            brought = [source for source in self._sources if source.brought]
            if len(brought) == 1 and not self._inherited:
                brought[0].left = "sends other bytes than those that the registry's checksum is of"
            groups = [[source] for source in reversed(self._sources)]
            one_only = True
            self._progress.say(f"{self._file.name}: what came has the wrong checksum; it is fetched anew")
            self._begin_anew()

    async def _from_the_beginning(self) -> None:
        """The last resort: those that were of no use beside others, for they cannot go on in the middle."""
        for source in self._sources:
            if source.left == WITHOUT_RANGES and not self._claims.complete:
                self._begin_anew()
                source.left = ""
                await self._together([source])

    async def _together(self, sources: list[Source]) -> None:
        """Until the file is complete, or all of them are left."""
        tasks = [asyncio.create_task(self._serve(source, sources)) for source in sources]
        pending = set(tasks)
        try:
            while pending and not self._claims.complete:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            # Those that stall, or wait before they try again, are of no use any more.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, source: Source, group: list[Source]) -> None:
        """Until the file is complete, or the source is left."""
        fruitless = 0
        while not self._claims.complete:
            self._changed.clear()
            claim = self._claims.take()
            if claim is None:
                claim = await self._next()
            if claim is None:
                continue
            before = source.brought
            pause_s = -1.0
            try:
                await self._fetch(source, claim)
            except Refused as error:
                source.left = str(error)
                self._progress.say(f"{source.host} {source.left}")
            except WithoutRanges:
                pause_s = self._without_ranges(source, group)
            except Broken as error:
                self._trouble(source, str(error))
                # One that has begun anew once, and breaks off again, would do so for ever.
                fruitless = 0 if source.brought - before >= ENOUGH and source.ranges else fruitless + 1
                # What a stalled one has not brought is to be somebody else's.
                pause_s = max(error.pause_s, self._pause_s(max(fruitless, int(error.stalled))))
                if fruitless > len(self._patience.pauses_s):
                    source.left = str(error)
            finally:
                self._claims.release(claim)
                self._changed.set()
            if source.left:
                return
            if source.ranges is False and pause_s >= 0 and not self._others(source, group):
                self._begin_anew()
            if pause_s > 0:
                await asyncio.sleep(pause_s)

    async def _next(self) -> Claim | None:
        """Waits for the others' last pieces. Who is too slow even for these loses them."""
        try:
            async with asyncio.timeout(self._patience.stall_s):
                await self._changed.wait()
        except TimeoutError:
            return self._claims.take_over()
        return None

    async def _fetch(self, source: Source, claim: Claim) -> None:
        """As much of the claim as comes. Raises as `ask` does, and `NoSpace`."""
        asked = ask(
            self._http,
            source.url,
            claim.start,
            claim.end,
            self._file.bytes,
            tag=self._partial.tag,
            verified=bool(self._wanted),
        )
        async with asked as answer:
            if claim.start == 0:
                self._partial.tag = answer.tag
            async for piece in answer.pieces():
                piece = piece[: claim.left]
                self._partial.write(claim.start, piece)
                self._digest.came(claim.start, piece)
                self._claims.came(claim, len(piece))
                source.brought += len(piece)
                self._progress.came(len(piece))
                self._partial.note()
                if not claim.left:
                    return
        if claim.left:
            raise Broken("ends in the middle of the file")

    def _without_ranges(self, source: Source, group: list[Source]) -> float:
        """It cannot go on where we are. Beside others that can, it is of no use."""
        source.trouble = WITHOUT_RANGES
        again, source.ranges = source.ranges, False
        if again and not self._others(source, group):
            return 0.0
        source.left = WITHOUT_RANGES if again else f"{WITHOUT_RANGES}, nor from its beginning"
        return -1.0

    def _trouble(self, source: Source, trouble: str) -> None:
        if trouble != source.trouble:
            self._progress.say(f"{source.host} {trouble}; it is tried again")
        source.trouble = trouble

    def _others(self, source: Source, group: list[Source]) -> bool:
        return any(other is not source and not other.left for other in group)

    def _pause_s(self, fruitless: int) -> float:
        pauses = self._patience.pauses_s
        return pauses[min(fruitless, len(pauses)) - 1] if fruitless and pauses else 0.0

    def _begin_anew(self) -> None:
        """What came is worth nothing."""
        self._progress.came(-self._claims.there.total())
        self._partial.forget()
        self._claims.there = self._partial.there
        self._digest.reset()
        self._inherited = 0
        for source in self._sources:
            source.brought = 0

    def _right(self) -> bool:
        if self._file.sha256:
            return self._digest.sha256 == self._file.sha256
        return not self._file.md5 or self._digest.md5 == self._file.md5

    def _complaint(self) -> str:
        whys = "; ".join(
            f"{source.host} {source.left or source.trouble or 'was not asked'}" for source in self._sources
        )
        there = self._claims.there.total()
        kept = f" {there / 1e6:,.1f} MB of it are kept, and the next try goes on from there." if there else ""
        return f"{self._file.name} could not be fetched: {whys}.{kept} {REMEDY}"
