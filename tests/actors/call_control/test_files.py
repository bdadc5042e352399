"""Files of the agent's speech, played by an Asterisk that a test can look into."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from actors.call_control.ari import AriError, AriEvent, Broken, Channel, NotFound, Playback
from actors.call_control.files import OLD_S, FilePlayer, is_voice_channel
from actors.call_control.sessions import MediaLeg
from config.media import Streaming, Transport
from ipc.messages import FileHeard, FileReady, FilesDropped, Message

UUID = "5b8845a0"
LEG = f"media-{UUID}"
VOICE = f"voice-{LEG}"


class Asterisk:
    """Notes what it is asked for, and does it when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.refuses: dict[str, AriError] = {}
        self.channels: set[str] = set()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def _ask(self, *what: str) -> None:
        self.asked.append(what)
        await self.may_answer.wait()
        if what[0] in self.refuses:
            raise self.refuses[what[0]]

    async def snoop(
        self, channel_id: str, snoop_id: str, *, spy: str = "none", whisper: str = "none", app_args: str = ""
    ) -> None:
        await self._ask("snoop", channel_id, snoop_id, spy, whisper)
        self.channels.add(snoop_id)

    async def channel(self, channel_id: str) -> Channel | None:
        return Channel(id=channel_id) if channel_id in self.channels else None

    async def play_on_channel(self, channel_id: str, media: str, playback_id: str) -> None:
        await self._ask("play", channel_id, media, playback_id)

    async def stop_playback(self, playback_id: str) -> None:
        await self._ask("stop", playback_id)

    async def hang_up(self, channel_id: str) -> None:
        await self._ask("hang up", channel_id)


class Stage:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asterisk = Asterisk()
        self.told: list[Message] = []
        self.player = FilePlayer(self.asterisk, self.told.append, Streaming(media_directory=str(directory)))

    def ready(
        self,
        name: str,
        generation: int = 1,
        leg: str = UUID,
        call_id: str = "call",
        transport: Transport = "audiosocket",
    ) -> None:
        (self.directory / f"{name}.sln").write_bytes(b"\0\0")
        message = FileReady(call_id=call_id, playback_id=name, generation=generation, samples=1)
        self.player.ready(message, MediaLeg(uuid=leg, transport=transport) if leg else None)

    def event(self, kind: str, name: str, state: str = "") -> None:
        self.player.playback_event(AriEvent(type=kind, playback=Playback(id=name, state=state)))

    async def asked(self, count: int) -> list[tuple[str, ...]]:
        """What Asterisk was asked for, once it is so many requests."""
        async with asyncio.timeout(10):
            while len(self.asterisk.asked) < count:
                await asyncio.sleep(0)
        return self.asterisk.asked

    async def settle(self) -> None:
        while self.player._work:
            await asyncio.sleep(0)

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(note.playback_id, note.state) for note in self.told if isinstance(note, FileHeard)]

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()}


def play(name: str) -> tuple[str, ...]:
    return ("play", VOICE, f"sound:ai-generated/{name}", name)


WHISPER = ("snoop", LEG, VOICE, "none", "in")


def test_files_are_whispered_into_the_media_leg_in_their_order(tmp_path: Path) -> None:
    async def scene() -> list[tuple[str, ...]]:
        stage = Stage(tmp_path)
        stage.ready("audio-c-1")
        stage.ready("audio-c-2")
        assert await stage.asked(1) == [WHISPER], "nothing is played before the channel is there"
        stage.player.voice_arrived(VOICE)
        await stage.asked(3)
        await stage.settle()
        return stage.asterisk.asked

    assert asyncio.run(scene()) == [WHISPER, play("audio-c-1"), play("audio-c-2")]


def test_what_asterisk_does_is_told_and_what_it_is_done_with_is_deleted(tmp_path: Path) -> None:
    async def scene() -> Stage:
        stage = Stage(tmp_path)
        for number in (1, 2, 3):
            stage.ready(f"audio-c-{number}")
        await stage.asked(1)
        stage.player.voice_arrived(VOICE)
        await stage.asked(4)
        stage.event("PlaybackStarted", "audio-c-1")
        stage.event("PlaybackFinished", "audio-c-1", "done")
        stage.event("PlaybackStarted", "audio-c-2")
        stage.event("PlaybackFinished", "audio-c-2", "failed")
        stage.event("PlaybackFinished", "somebody-elses", "done")
        return stage

    stage = asyncio.run(scene())
    assert stage.states == [
        ("audio-c-1", "playing"),
        ("audio-c-1", "done"),
        ("audio-c-2", "playing"),
        ("audio-c-2", "failed"),
    ]
    assert stage.files == {"audio-c-3.sln"}


def test_an_interruption_stops_what_plays_and_what_waits_and_nothing_newer(tmp_path: Path) -> None:
    async def scene() -> Stage:
        stage = Stage(tmp_path)
        stage.ready("audio-c-1")
        stage.ready("audio-c-2")
        await stage.asked(1)
        stage.player.voice_arrived(VOICE)
        await stage.asked(3)
        stage.ready("audio-c-3", generation=2)
        stage.player.dropped(FilesDropped(call_id="call", generation=2))
        stage.ready("audio-c-4", generation=1)  # was on its way
        await stage.asked(6)
        await stage.settle()
        stage.event("PlaybackFinished", "audio-c-1", "done")
        return stage

    stage = asyncio.run(scene())
    assert set(stage.asterisk.asked[3:]) == {("stop", "audio-c-1"), ("stop", "audio-c-2"), play("audio-c-3")}
    assert stage.files == {"audio-c-3.sln"} and stage.states == []


def test_what_is_dropped_while_asterisk_is_being_asked_is_stopped_once_it_has_answered(tmp_path: Path) -> None:
    async def scene() -> Stage:
        stage = Stage(tmp_path)
        stage.ready("audio-c-1")
        await stage.asked(1)
        stage.asterisk.may_answer.clear()
        stage.player.voice_arrived(VOICE)
        await stage.asked(2)
        stage.player.dropped(FilesDropped(call_id="call", generation=2))
        await stage.asked(3)
        stage.asterisk.may_answer.set()
        await stage.settle()
        return stage

    stage = asyncio.run(scene())
    assert stage.asterisk.asked[2:] == [("stop", "audio-c-1")] * 2, "the first may have come before the playback"
    assert stage.files == set()


@pytest.mark.parametrize("refused", ["snoop", "play"])
def test_what_cannot_be_played_is_told_and_deleted(tmp_path: Path, refused: str) -> None:
    async def scene() -> Stage:
        stage = Stage(tmp_path)
        stage.asterisk.refuses[refused] = NotFound("no such channel (404)")
        stage.ready("audio-c-1")
        stage.player.voice_arrived(VOICE)
        await stage.settle()
        return stage

    stage = asyncio.run(scene())
    assert stage.states == [("audio-c-1", "failed")] and stage.files == set()


def test_a_voice_that_a_predecessor_has_made_is_used(tmp_path: Path) -> None:
    async def scene() -> Stage:
        stage = Stage(tmp_path)
        stage.asterisk.refuses["snoop"] = Broken("Allocation failed (500)")
        stage.asterisk.channels.add(VOICE)
        stage.ready("audio-c-1")
        await stage.settle()
        return stage

    assert asyncio.run(scene()).asterisk.asked[1:] == [play("audio-c-1")]


def test_after_a_change_of_the_media_leg_the_new_one_is_whispered_into(tmp_path: Path) -> None:
    async def scene() -> Stage:
        stage = Stage(tmp_path)
        for uuid in (UUID, "other"):
            stage.ready(f"audio-c-{uuid}", leg=uuid)
            stage.player.voice_arrived(f"voice-media-{uuid}")
            await stage.settle()
        return stage

    asked = asyncio.run(scene()).asterisk.asked
    assert [what[1] for what in asked] == [LEG, VOICE, "media-other", "voice-media-other"]


@pytest.mark.parametrize(("leg", "transport"), [("", "audiosocket"), (UUID, "rtp")])
def test_into_rtp_or_a_call_straight_from_the_dialplan_nothing_is_whispered(
    tmp_path: Path, leg: str, transport: Transport
) -> None:
    async def scene() -> Stage:
        stage = Stage(tmp_path)
        stage.ready("audio-c-1", leg=leg, transport=transport)
        await stage.settle()
        return stage

    stage = asyncio.run(scene())
    assert stage.asterisk.asked == [] and stage.states == [("audio-c-1", "failed")]


@pytest.mark.parametrize("name", ["../../etc/passwd", "audio-../x", "audio-a/b", "hello", "audio-", "audio-a.b"])
def test_asterisk_is_never_sent_to_a_place_outside(tmp_path: Path, name: str) -> None:
    stage = Stage(tmp_path)
    stage.player.ready(FileReady(call_id="call", playback_id=name, generation=1, samples=1), MediaLeg(uuid=UUID))
    assert stage.asterisk.asked == [] and stage.states == [(name, "failed")]


def test_the_end_of_a_call_leaves_no_file_and_no_channel(tmp_path: Path) -> None:
    async def scene() -> Stage:
        stage = Stage(tmp_path)
        stage.ready("audio-c-1")
        stage.ready("audio-d-1", leg="d", call_id="other")
        await stage.asked(2)
        stage.player.voice_arrived(VOICE)
        await stage.asked(3)
        stage.ready("audio-c-2")
        stage.player.end("call")
        stage.player.end("call")
        await stage.asked(4)
        assert stage.asterisk.asked[3] == ("hang up", VOICE)
        stage.player.voice_arrived("voice-media-d")
        await stage.settle()
        return stage

    assert asyncio.run(scene()).files == {"audio-d-1.sln"}


def test_a_predecessors_file_is_deleted_when_asterisk_is_done_with_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    (tmp_path / "audio-old-1.sln16").touch()
    stage.event("PlaybackFinished", "audio-old-1", "done")
    assert stage.files == set() and stage.told == []


def test_old_files_are_swept_and_only_ours(tmp_path: Path) -> None:
    old = time.time() - OLD_S - 1
    ours = ["audio-c-1.sln", "audio-c-2.sln16"]
    others = ["audio-c-3.wav", "moh.sln", "audio-c.txt"]
    for name in [*ours, *others]:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (old, old))
    (tmp_path / "audio-young.sln").touch()
    (tmp_path / "audio-link.sln").symlink_to(tmp_path / "moh.sln")
    stage = Stage(tmp_path)
    assert stage.player.sweep() == 2
    assert stage.files == {*others, "audio-young.sln", "audio-link.sln"}
    assert Stage(tmp_path / "missing").player.sweep() == 0


def test_a_voice_is_known_by_its_name() -> None:
    assert is_voice_channel(VOICE) and not is_voice_channel(LEG)
