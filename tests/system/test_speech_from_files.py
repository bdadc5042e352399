"""A house whose agent is played from files that Asterisk plays, and whose calls are recorded at the wire."""

import wave
from pathlib import Path

from bench.system import Sections
from ipc.journal import AgentSaid, Recorded
from ipc.rings import FRAME_NS
from tests.system.guest import ANSWER, GREETING, QUESTION, Guest, rings
from tests.system.house import FEW, House, started

LOUD = 500
"""Of 32767: the largest sample of a side on which somebody speaks."""


def settings(folder: Path, uri: Path) -> Sections:
    media = folder / "media"
    media.mkdir()
    return {
        "downstream_mode": "file",
        "streaming": {"media_directory": str(media), "media_uri": f"sound:{uri}"},
        "recording": {"calls": "wire", "directory": str(folder / "recordings")},
        "actors": FEW,
    }


async def a_whole_call(house: House) -> Guest:
    guest = rings(house)
    await guest.is_told(GREETING)
    await guest.asks(QUESTION, ANSWER)
    return guest


async def recorded(house: House, guest: Guest) -> Path:
    """The call's recording, once it is complete."""
    begun = await guest.record(Recorded)
    ended = await guest.record(Recorded)
    assert (begun.ended, ended.ended, ended.path) == (False, True, begun.path)
    path = Path(ended.path)
    await house.until("the recording is complete", lambda: path.stat().st_size == 44 + ended.frames * 640)
    return path


def loudest(path: Path) -> tuple[int, int]:
    """The largest sample of either side: caller, agent."""
    with wave.open(str(path)) as file:
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
    return max(samples[::2]), max(samples[1::2])


async def test_what_asterisk_plays_from_files_is_heard_to_its_end_and_recorded(tmp_path: Path) -> None:
    async with started(tmp_path, settings(tmp_path, tmp_path / "media")) as house:
        guest = await a_whole_call(house)
        ended = await guest.says_goodbye()
        assert ended.cause == "hung up by the agent: the agent hung up" and ended.underruns == 0
        for said in guest.all(AgentSaid):
            assert said.samples == said.played > 0, said.text
            assert said.last_ns - said.first_ns >= said.samples * 1_000_000_000 // 8000 - FRAME_NS
        assert min(loudest(await recorded(house, guest))) > LOUD
        await house.nothing_is_left()
        await house.until("no file is left", lambda: not list((tmp_path / "media").iterdir()))


async def test_where_asterisk_does_not_find_the_files_the_call_is_streamed(tmp_path: Path) -> None:
    async with started(tmp_path, settings(tmp_path, tmp_path / "elsewhere")) as house:
        guest = await a_whole_call(house)
        await guest.hangs_up()
        assert min(loudest(await recorded(house, guest))) > LOUD
        assert any("cannot be played from files" in line for line in house.system.log())
        await house.nothing_is_left()
        await house.until("no file is left", lambda: not list((tmp_path / "media").iterdir()))
