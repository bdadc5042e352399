"""Against a real server on loopback: what comes is whole and right, or nothing is in its place."""

import asyncio
import errno
import os
import random
import resource
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web

from models import partial
from models.http_source import Patience, session
from models.partial import NoSpace
from models.registry import File
from models.transfer import CannotFetch, Fetched, Transfer
from tests.models import mirrors
from tests.models.mirrors import HASTY, NO_WAITING, Mirror, Told, lying, serving

CONTENT = random.Random(5).randbytes(3_000_000)
NAME = "model.gguf"


async def fetch(
    file: File, folder: Path, told: Told | None = None, groups: Sequence[Sequence[str]] = (), patience: Patience = HASTY
) -> Fetched:
    async with session(patience) as http:
        given = groups or [[*file.mirrors, file.url]]
        return await Transfer(file, folder / file.path, given, http, told or Told(), patience).run()


def content(folder: Path) -> bytes:
    return (folder / "llm" / NAME).read_bytes()


def test_a_file_comes_whole_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            told = Told()
            fetched = await fetch(mirrors.file(mirror, NAME), tmp_path, told)
            assert fetched.sha256 == mirrors.file(mirror, NAME).sha256
            assert told.there == len(CONTENT)
            assert mirror.asked == [(f"/{NAME}", "")]

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT
    assert lying(tmp_path) == [f"llm/{NAME}"]


def test_several_sources_each_bring_a_part(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            slow = [mirrors.slowly(60_000, 0.01)]
            mirror.faults = {"a": slow, "b": slow, "": slow}
            fetched = await fetch(mirrors.file(mirror, NAME, folders=("a", "b")), tmp_path)
            assert len(fetched.from_hosts) == 3

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT


def test_a_slow_source_is_relieved_of_its_part(tmp_path: Path) -> None:
    """Alone it would take seven minutes."""

    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"slow": [mirrors.slowly(500, 0.07)]}
            async with asyncio.timeout(30):
                await fetch(mirrors.file(mirror, NAME, folders=("slow",)), tmp_path, patience=NO_WAITING)

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT


def test_nobody_waits_for_a_source_that_stalls_when_the_file_is_there(tmp_path: Path) -> None:
    """It would be given up after an hour, and what it claimed is taken over long before."""
    patience = Patience(connect_s=10.0, stall_s=0.5, pauses_s=(3600.0,))

    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"bad": [mirrors.stall_after(200_000)]}
            async with asyncio.timeout(30):
                await fetch(mirrors.file(mirror, NAME, folders=("bad",)), tmp_path, patience=patience)

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT


def test_a_connection_that_is_cut_is_gone_on_with_where_it_broke(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"": [mirrors.cut_after(1_000_000), mirrors.cut_after(500_000), mirrors.rightly]}
            told = Told()
            await fetch(mirrors.file(mirror, NAME), tmp_path, told)
            starts = [int(given[6:].partition("-")[0]) for given in mirror.ranges()[1:]]
            assert len(starts) == 2
            assert 0 < starts[0] <= 1_000_000 < starts[0] + 500_000
            assert starts[0] < starts[1] <= 1_500_000
            assert told.said == ["127.0.0.1:" + mirror.url.rpartition(":")[2] + f" {CUT}"]

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT


CUT = "cuts the connection in the middle; it is tried again"


def test_what_came_is_kept_for_the_next_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"": [mirrors.cut_after(1_200_000), mirrors.status(503)]}
            file = mirrors.file(mirror, NAME)
            with pytest.raises(CannotFetch, match=r"answers with 503.* 1\.\d MB of it are kept"):
                await fetch(file, tmp_path)
            assert not (tmp_path / file.path).exists()
            mirror.faults, mirror.asked = {}, []
            told = Told()
            await fetch(file, tmp_path, told)
            (given,) = mirror.ranges()
            assert 1_000_000 < int(given[6:].partition("-")[0]) <= 1_200_000
            assert told.there == len(CONTENT)

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT
    assert lying(tmp_path) == [f"llm/{NAME}"]


def test_what_came_of_another_file_is_worth_nothing(tmp_path: Path) -> None:
    """The registry's checksum is another one than when the download began."""

    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"": [mirrors.cut_after(1_200_000), mirrors.status(503)]}
            with pytest.raises(CannotFetch):
                await fetch(mirrors.file(mirror, NAME), tmp_path)
            mirror.contents[NAME], mirror.faults, mirror.asked = bytes(reversed(CONTENT)), {}, []
            await fetch(mirrors.file(mirror, NAME), tmp_path)
            assert mirror.ranges() == [""]

    asyncio.run(scenario())
    assert content(tmp_path) == bytes(reversed(CONTENT))


@pytest.mark.parametrize("known", [True, False])
def test_a_server_that_ignores_ranges_is_begun_anew(tmp_path: Path, known: bool) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"": [mirrors.cut_after(1_200_000), mirrors.whole]}
            told = Told()
            await fetch(mirrors.file(mirror, NAME, known=known), tmp_path, told)
            assert mirror.ranges()[1].startswith("bytes=")
            assert mirror.ranges()[2] == ""
            assert told.there == len(CONTENT)

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT


def test_a_server_that_ignores_ranges_and_always_breaks_off_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"": [mirrors.cut_after(1_000_000, ranges=False)]}
            with pytest.raises(CannotFetch, match="cuts the connection"):
                await fetch(mirrors.file(mirror, NAME), tmp_path)

    asyncio.run(scenario())
    assert not (tmp_path / "llm" / NAME).exists()


def test_a_file_that_changed_meanwhile_is_begun_anew_where_no_checksum_would_tell(tmp_path: Path) -> None:
    other = bytes(reversed(CONTENT))

    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"": [mirrors.cut_after(1_200_000), mirrors.status(503)]}
            file = mirrors.file(mirror, NAME, known=False)
            with pytest.raises(CannotFetch):
                await fetch(file, tmp_path)
            mirror.contents[NAME] = other

            async def if_range(request: web.Request, whole: bytes) -> web.StreamResponse | None:
                fits = request.headers.get("If-Range") in (None, mirrors.etag(whole))
                return None if fits else await mirrors.whole(request, whole)

            mirror.faults = {"": [if_range]}
            await fetch(file, tmp_path)

    asyncio.run(scenario())
    assert content(tmp_path) == other


def test_wrong_bytes_never_take_the_place_of_the_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"": [mirrors.lie]}
            with pytest.raises(CannotFetch, match="sends other bytes than those that the registry's checksum is of"):
                await fetch(mirrors.file(mirror, NAME), tmp_path)

    asyncio.run(scenario())
    assert not (tmp_path / "llm" / NAME).exists()


def test_a_mirror_that_lies_is_found_out_and_left(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"liar": [mirrors.lie]}
            told = Told()
            await fetch(mirrors.file(mirror, NAME, folders=("liar",)), tmp_path, told)
            assert any("wrong checksum" in said for said in told.said)
            assert told.there == len(CONTENT)

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT


def test_an_md5_is_held_to_where_nothing_better_is_known(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            known = mirrors.file(mirror, NAME, known=False)
            file = File(url=known.url, bytes=known.bytes, md5=mirrors.etag(CONTENT).strip('"'), path=known.path)
            mirror.faults = {"": [mirrors.lie]}
            with pytest.raises(CannotFetch, match="checksum"):
                await fetch(file, tmp_path)
            mirror.faults = {}
            await fetch(file, tmp_path)

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (mirrors.status(404), "does not have it"),
        (mirrors.status(403), "forbids it"),
        (mirrors.status(401), "wants a password"),
        (mirrors.login_page, "a web page instead of the file"),
        (mirrors.another_file, r"3,000,004 bytes instead of 3,000,000"),
        (mirrors.stall_after(0), "stalls"),
    ],
    ids=["404", "403", "401", "login page", "another file", "stall"],
)
def test_a_mirror_that_is_no_good_is_left_for_another(tmp_path: Path, fault: mirrors.Fault, why: str) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"bad": [fault], "": [mirrors.slowly(100_000, 0.02)]}
            patience = NO_WAITING if why == "stalls" else HASTY
            await fetch(mirrors.file(mirror, NAME, folders=("bad",)), tmp_path, patience=patience)
            assert len(mirror.ranges("bad")) <= (3 if why == "stalls" else 1)
            mirror.faults = {"": [fault]}
            (tmp_path / "llm" / NAME).unlink()
            with pytest.raises(CannotFetch, match=why) as refusal:
                await fetch(mirrors.file(mirror, NAME), tmp_path, patience=patience)
            assert "HTTPS_PROXY" in str(refusal.value)

    asyncio.run(scenario())


def test_a_server_that_ignores_ranges_is_of_no_use_beside_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"a": [mirrors.slowly(100_000, 0.01)], "": [mirrors.whole]}
            told = Told()
            await fetch(mirrors.file(mirror, NAME, folders=("a",)), tmp_path, told)
            assert told.there == len(CONTENT)
            assert [path for path, _ in mirror.asked].count(f"/{NAME}") == 1

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT


def test_a_server_that_ignores_ranges_is_the_last_resort(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"a": [mirrors.cut_after(1_000_000), mirrors.status(503)], "": [mirrors.whole]}
            told = Told()
            await fetch(mirrors.file(mirror, NAME, folders=("a",)), tmp_path, told)
            assert told.there == len(CONTENT)

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT


def test_what_is_kept_holds_no_more_space_than_it_needs(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"": [mirrors.cut_after(1_000_000), mirrors.status(503)]}
            with pytest.raises(CannotFetch):
                await fetch(mirrors.file(mirror, NAME), tmp_path)
            assert (tmp_path / "llm" / f"{NAME}.part").stat().st_size <= 1_000_000
            mirror.faults = {"": [mirrors.status(404)]}
            with pytest.raises(CannotFetch):
                await fetch(mirrors.file(mirror, NAME), tmp_path / "other")
            assert lying(tmp_path / "other") == []

    asyncio.run(scenario())


def test_a_server_that_sends_us_elsewhere_is_followed_but_not_for_ever(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"": [mirrors.status(302, Location=f"/elsewhere/{NAME}")]}
            await fetch(mirrors.file(mirror, NAME), tmp_path)
            assert [path for path, _ in mirror.asked] == [f"/{NAME}", f"/elsewhere/{NAME}"]
            (tmp_path / "llm" / NAME).unlink()
            mirror.faults["elsewhere"] = mirror.faults[""]
            with pytest.raises(CannotFetch, match="without end"):
                await fetch(mirrors.file(mirror, NAME), tmp_path)

    asyncio.run(scenario())


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            mirror.faults = {"": [mirrors.status(503), mirrors.status(429, Retry_After="0"), mirrors.rightly]}
            await fetch(mirrors.file(mirror, NAME), tmp_path)
            assert len(mirror.asked) == 3

    asyncio.run(scenario())


def test_the_operators_own_mirrors_come_first_and_the_public_ones_when_these_fail(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as own, serving({NAME: CONTENT}) as public:
            file = mirrors.file(public, NAME)
            await fetch(file, tmp_path, groups=[[f"{own.url}/{NAME}"], [file.url]])
            assert (len(own.asked), len(public.asked)) == (1, 0)
            (tmp_path / "llm" / NAME).unlink()
            own.faults = {"": [mirrors.status(404)]}
            await fetch(file, tmp_path, groups=[[f"{own.url}/{NAME}"], [file.url]])
            assert len(public.asked) == 1

    asyncio.run(scenario())


def test_without_a_checksum_nothing_is_put_together_from_two_sources(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            slow = [mirrors.slowly(100_000, 0.01)]
            mirror.faults = {"a": slow, "": slow}
            fetched = await fetch(mirrors.file(mirror, NAME, folders=("a",), known=False), tmp_path)
            assert len(fetched.from_hosts) == 1
            assert mirror.asked == [(f"/a/{NAME}", "")]

    asyncio.run(scenario())


def test_nobody_there_is_said_of_each_source(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            file = mirrors.file(mirror, NAME)
            gone = mirror.url
        groups = [[f"{gone}/{NAME}"], ["http://[::1]:1/x"]]
        with pytest.raises(CannotFetch) as refusal:
            await fetch(file, tmp_path, groups=groups)
        assert str(refusal.value).count("cannot be reached (") == 2

    asyncio.run(scenario())


async def _proxy(mirror: Mirror, cuts: list[int]) -> asyncio.Server:
    """Passes plain requests on; each connection is cut after so many bytes of the answer. CONNECT is cut at once."""
    host, port = mirror.url.removeprefix("http://").split(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"CONNECT"):
            left = cuts.pop(0) if len(cuts) > 1 else cuts[0]
            up, down = await asyncio.open_connection(host, int(port))
            method, url, rest = head.split(b" ", 2)
            down.write(b" ".join((method, b"/" + url.rpartition(b"/")[2], rest)))
            while left > 0 and (data := await up.read(min(left, 65536))):
                left -= len(data)
                writer.write(data)
                await writer.drain()
            down.close()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def test_a_proxy_that_cuts_the_connection_costs_time_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            proxy = await _proxy(mirror, [900_000, 700_000, 10**9])
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            file = mirrors.file(mirror, NAME)
            await fetch(file, tmp_path, groups=[[f"http://models.invalid/{NAME}"]])
            assert len(mirror.asked) == 3
            proxy.close()

    asyncio.run(scenario())
    assert content(tmp_path) == CONTENT


def test_a_proxy_that_lets_nothing_through_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            proxy = await _proxy(mirror, [0])
            address = f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
            monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:secret@{address}")
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            with pytest.raises(CannotFetch) as refusal:
                await fetch(mirrors.file(mirror, NAME), tmp_path, groups=[[f"https://models.invalid/{NAME}"]])
            assert address in str(refusal.value)
            assert "secret" not in str(refusal.value)
            proxy.close()

    asyncio.run(scenario())


def test_a_disk_that_is_too_small_is_said_before_the_first_byte_comes(tmp_path: Path) -> None:
    """The limit stands for a full disk: the kernel refuses the space in the same place."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
            try:
                with pytest.raises(NoSpace, match="make room"):
                    await fetch(mirrors.file(mirror, NAME), tmp_path)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert mirror.asked == []

    asyncio.run(scenario())
    assert lying(tmp_path) == []


def test_a_disk_that_fills_up_meanwhile_is_given_its_space_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system cannot give space beforehand."""
    written = 0
    pwrite = os.pwrite

    def fills(handle: int, data: bytes, offset: int) -> int:
        nonlocal written
        written += len(data)
        if written > 1_000_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(handle, data, offset)

    def unable(handle: int, offset: int, length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(partial.os, "pwrite", fills)
    monkeypatch.setattr(partial.os, "posix_fallocate", unable)

    async def scenario() -> None:
        async with serving({NAME: CONTENT}) as mirror:
            with pytest.raises(NoSpace, match="No space left on device"):
                await fetch(mirrors.file(mirror, NAME), tmp_path)

    asyncio.run(scenario())
    assert lying(tmp_path) == []
