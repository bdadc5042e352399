"""What the caller hears of what is written into the mouth, in virtual time (`bench.bursts.Talk` moves the clock).

#   20 ms of speech        _   20 ms of silence in the middle of a clause        .   20 ms of silence
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from msgspec import structs

from bench import bursts
from bench.bursts import HEARD, HOLE, REPLY_FRAMES, Made, Talk
from config.media import Streaming
from ipc import rings as ring
from ipc.messages import FileHeard, FileReady, FilesDropped
from ipc.rings import Rings

NAME = f"ringmaster-test-{os.getpid()}-playout"
PLAIN = Streaming(file_fallback=False)


@pytest.fixture
def rings() -> Iterator[Rings]:
    ring.create(NAME, 8000)
    view = Rings(NAME)
    yield view
    view.close()
    ring.unlink(NAME)


@pytest.fixture
def talk(rings: Rings) -> Talk:
    return Talk(rings, PLAIN)


@pytest.fixture
def files(rings: Rings, tmp_path: Path) -> Talk:
    """A call that is played from files from the start."""
    return Talk(rings, Streaming(media_directory=str(tmp_path)), "file")


def say(talk: Talk, state: Literal["playing", "done", "failed"], ready: FileReady) -> None:
    talk.playout.heard(FileHeard(call_id="call", playback_id=ready.playback_id, state=state), talk.now)


def told(talk: Talk) -> list[FileReady | FilesDropped]:
    notes = list(talk.playout.notes)
    talk.playout.notes.clear()
    return notes


def next_file(talk: Talk) -> FileReady:
    """The next file that Asterisk is told of."""
    for _ in range(1000):
        notes = told(talk)
        if notes:
            (ready,) = notes
            assert isinstance(ready, FileReady)
            return ready
        assert talk.tick() == "."
    raise AssertionError("no file in 20 seconds")


def content(talk: Talk, ready: FileReady) -> list[int]:
    """The numbers of the frames in a file."""
    (path,) = Path(talk.streaming.media_directory).glob(f"{ready.playback_id}.sln")
    pcm = path.read_bytes()
    assert len(pcm) == ready.samples * 2
    return [int.from_bytes(pcm[at : at + 2], "little") for at in range(0, len(pcm), 320)]


def heard_of(talk: Talk, generation: int) -> float:
    """Frames of it that the caller has heard."""
    return talk.gauge.played(generation).samples / 160


# -- streaming


def sounds(talk: Talk, made: Made) -> str:
    return talk.reply(made)


@pytest.mark.parametrize(
    ("made", "heard"),
    [
        ([(0, 5)], "#####"),  # complete: it starts at once
        ([(0, 2), (40, 3)], "#####"),  # in time
        ([(60, 5)], "...#####"),  # late, but nothing had begun
        ([(0, 2), (80, 8)], "##__########"),  # late: a hole, and then plenty
        # 60 ms are less than the low watermark: gathered until 80 are there, and once more, now until 160 are
        ([(0, 1), (60, 2), (120, 3), (240, 10)], "#_____#####_##########"),
    ],
)
def test_what_the_caller_hears_of_a_reply(talk: Talk, made: Made, heard: str) -> None:
    assert sounds(talk, made) == heard


@pytest.mark.parametrize("provider", [bursts.fast, bursts.big_bursts])
def test_an_engine_that_is_faster_than_speech_is_never_held_back(talk: Talk, provider: object) -> None:
    for _ in range(5):
        assert talk.reply(provider(random.Random(1))) == HEARD * REPLY_FRAMES  # type: ignore[operator]


def test_after_one_hiccup_the_next_replies_have_none_and_are_soon_as_quick_as_ever(talk: Talk) -> None:
    hiccup = [(0, 10), (400, 60)]
    burst = [(number * 100, 5) for number in range(20)]
    assert talk.reply(hiccup) == HEARD * 10 + HOLE * 10 + HEARD * 60
    starts = [talk.reply([*burst, (2000, 50)]).index(HEARD) for _ in range(6)]
    assert starts[0] > 0 and starts == sorted(starts, reverse=True) and talk.holes == 10
    clauses = [talk.reply([(0, 50)]) for _ in range(6)]
    assert set(clauses) == {HEARD * 50}, "a clause that is complete never waits"
    assert talk.reply([(0, 1), (20, 50)]) == HEARD * 51, "and in the end nothing does"


def test_the_start_delay_of_the_configuration_holds_every_reply_that_is_not_complete(rings: Rings) -> None:
    talk = Talk(rings, Streaming(min_start_ms=100, file_fallback=False))
    piece_by_piece = [(number * 20, 1) for number in range(20)]
    assert [talk.reply(piece_by_piece) for _ in range(2)] == ["...." + HEARD * 20] * 2
    assert talk.reply([(0, 3)]) == "###"


@pytest.mark.parametrize("provider", [bursts.late_bursts, bursts.hiccups, bursts.slow])
def test_a_provider_that_comes_late_is_heard_with_fewer_holes_than_without_adaptation(provider: object) -> None:
    with_it = bursts.measure(provider, adaptive=True, seed=7)  # type: ignore[arg-type]
    without = bursts.measure(provider, adaptive=False, seed=7)  # type: ignore[arg-type]
    assert with_it.holes_a_reply < without.holes_a_reply / 2 and with_it.delivered >= without.delivered


def test_live_audio_is_never_held_back_and_its_holes_are_counted(talk: Talk) -> None:
    talk.gauge.flush()
    heard = ""
    for frames in (1, 1, 0, 0, 1, 1, 0, 1, 2, 0):
        talk.write(frames, live=True)
        heard += talk.tick()
    assert heard == "##__##_###"


def test_an_interruption_in_the_middle_of_a_hole_begins_anew(talk: Talk) -> None:
    assert talk.gauge.flush() == 1
    talk.write(3)
    assert talk.ticks(5) == "###__"
    talk.gauge.flush()
    talk.write(1, generation=1)  # a writer that has not noticed yet
    assert talk.ticks(2) == ".."
    talk.write(2, end=True)
    assert talk.ticks(3) == "##."
    assert (heard_of(talk, 1), heard_of(talk, 2)) == (3, 2)


def test_what_the_caller_has_heard_is_what_was_sent_whatever_was_waited_for(talk: Talk) -> None:
    for seed in range(4):
        heard = talk.reply(bursts.late_bursts(random.Random(seed)))
        assert heard_of(talk, talk.gauge.generation) == heard.count(HEARD) == REPLY_FRAMES
    sent = [int.from_bytes(pcm[:2], "little") for pcm in talk.wire if pcm]
    assert sent == list(range(1, REPLY_FRAMES + 1)) * 4


def test_a_successor_knows_how_late_the_provider_is(talk: Talk) -> None:
    talk.reply([(0, 10), (500, 60)])
    talk.gauge.flush()
    talk.take_over()
    talk.write(5)
    assert talk.ticks(3) == "...", "it has learned to wait"
    talk.write(20)
    assert talk.tick() == HEARD


# -- files


def test_a_clause_becomes_a_file_and_the_wire_is_silent(files: Talk) -> None:
    files.gauge.flush()
    files.write(50, end=True)
    ready = next_file(files)
    assert (ready.call_id, ready.generation, ready.samples) == ("call", 1, 8000)
    assert content(files, ready) == list(range(1, 51))
    assert not any(files.wire) and files.holes == 0


def test_clauses_that_follow_each_other_are_one_file(files: Talk) -> None:
    files.gauge.flush()
    files.write(20, end=True)
    assert files.ticks(5) == "....."
    files.write(20, end=True)
    assert content(files, next_file(files)) == list(range(1, 41))


def test_a_long_reply_is_several_files_in_their_order(rings: Rings, tmp_path: Path) -> None:
    talk = Talk(rings, Streaming(media_directory=str(tmp_path), file_chunk_ms=2000), "file")
    talk.gauge.flush()
    talk.write(250)
    first, second = next_file(talk), next_file(talk)
    assert content(talk, first) + content(talk, second) == list(range(1, 201))
    assert told(talk) == [], "the rest is neither long enough nor over"
    talk.write(10, end=True)
    assert talk.ticks(50) and told(talk) == [], "two files ahead are enough"
    say(talk, "playing", first)
    third = next_file(talk)
    assert content(talk, third) == list(range(201, 261))


def test_the_caller_has_heard_of_a_file_what_asterisk_has_played(files: Talk) -> None:
    files.gauge.flush()
    files.write(50, end=True)
    ready = next_file(files)
    files.ticks(10)
    assert heard_of(files, 1) == 0
    say(files, "playing", ready)
    files.ticks(20)
    assert heard_of(files, 1) == 20
    files.ticks(40)
    assert heard_of(files, 1) == 50
    say(files, "done", ready)
    files.ticks(5)
    assert heard_of(files, 1) == 50


def test_a_recorder_hears_of_a_file_what_the_caller_hears_when_they_hear_it(files: Talk) -> None:
    files.gauge.flush()
    files.write(30, end=True)
    ready = next_file(files)
    say(files, "playing", ready)
    recorded = []
    for _ in range(35):
        files.tick()
        recorded.append(files.playout.aired)
    assert [int.from_bytes(pcm[:2], "little") for pcm in recorded[:30]] == list(range(1, 31))
    assert all(len(pcm) == 320 for pcm in recorded[:30]) and recorded[30:] == [b""] * 5


def test_an_interruption_drops_the_files_and_what_was_gathered(files: Talk) -> None:
    files.gauge.flush()
    files.write(50, end=True)
    ready = next_file(files)
    say(files, "playing", ready)
    files.ticks(10)
    files.write(5, end=True)
    files.tick()
    files.gauge.flush()
    files.ticks(2)
    assert told(files) == [FilesDropped(call_id="call", generation=2)]
    say(files, "done", ready)
    files.ticks(100)
    assert heard_of(files, 1) == 11 and told(files) == []


def test_a_call_that_starves_again_and_again_goes_over_to_files_with_the_next_clause(
    rings: Rings, tmp_path: Path
) -> None:
    talk = Talk(rings, Streaming(media_directory=str(tmp_path)))
    starving = [(0, 10), (1000, 50), (3000, 50), (5500, 50)]
    assert talk.reply(starving).count(HEARD) == 160, "this one is streamed to its end"
    talk.gauge.flush()
    talk.write(20, end=True)
    assert content(talk, next_file(talk)) == list(range(1, 21))


def test_a_reply_that_stays_dry_goes_on_in_a_file(rings: Rings, tmp_path: Path) -> None:
    talk = Talk(rings, Streaming(media_directory=str(tmp_path), fallback_timeout_ms=1000))
    talk.gauge.flush()
    talk.write(10)
    assert talk.ticks(70) == HEARD * 10 + HOLE * 51 + "." * 9
    talk.write(30, end=True)
    assert content(talk, next_file(talk)) == list(range(11, 41))
    assert heard_of(talk, 1) == 10


def test_without_files_a_call_that_starves_stays_on_the_wire(talk: Talk) -> None:
    assert [talk.reply([(0, 10), (9000, 50)]).count(HEARD) for _ in range(4)] == [60] * 4


def test_where_no_file_can_be_written_it_is_streamed(rings: Rings, tmp_path: Path) -> None:
    talk = Talk(rings, Streaming(media_directory=str(tmp_path / "missing")), "file")
    assert talk.reply([(0, 50)]).strip(".") == HEARD * 50
    assert talk.reply([(0, 50)]) == HEARD * 50, "from now on at once"
    assert talk.playout.file_failures == 1 and told(talk) == []
    assert (heard_of(talk, 1), heard_of(talk, 2)) == (50, 50)


def test_what_asterisk_cannot_play_is_streamed_from_the_first_sample_that_was_not_heard(files: Talk) -> None:
    files.gauge.flush()
    files.write(50, end=True)
    first = next_file(files)
    files.write(30, end=True)
    second = next_file(files)
    say(files, "playing", first)
    files.ticks(20)
    say(files, "failed", second)
    assert files.ticks(40) == HEARD * 30 + "." * 10, "the first has been heard before the second failed"
    assert told(files) == [FilesDropped(call_id="call", generation=2)]
    assert heard_of(files, 1) == 80


def test_a_reply_ends_also_when_asterisk_never_says_a_word(files: Talk) -> None:
    files.gauge.flush()
    files.write(50, end=True)
    next_file(files)
    files.ticks(149)
    assert heard_of(files, 1) == 0
    files.ticks(2)  # one second of speech, two of patience
    assert heard_of(files, 1) == 50
    assert files.reply([(0, 10)]) == HEARD * 10, "what follows is streamed"


def test_a_successor_counts_what_its_predecessor_has_left_unheard(files: Talk) -> None:
    files.gauge.flush()
    files.write(50, end=True)
    say(files, "playing", next_file(files))
    files.ticks(20)
    files.write(10, end=True)
    files.tick()
    files.take_over()
    files.ticks(100)
    assert heard_of(files, 1) == 60, "the reply comes to its end"
    files.write(20, end=True)
    assert content(files, next_file(files)) == list(range(61, 81)), "and the next clause is a file again"


def test_live_audio_goes_on_the_wire_also_where_files_are_asked_for(files: Talk) -> None:
    files.gauge.flush()
    files.write(3, live=True)
    assert files.ticks(4)[:3] == "###" and told(files) == []


def test_the_settings_of_the_figures_differ_in_adaptation_alone() -> None:
    plain = structs.replace(bursts.PLAIN, jitter_buffer_ms=400, low_watermark_ms=80)
    assert plain == bursts.ADAPTIVE
