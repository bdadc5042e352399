"""Figures from a sheet that was filled in by hand: what is seen of each fault, and what is not blamed on the agent."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from bench.load import figures
from bench.load.frames import FRAME_NS
from bench.load.sheet import FOREIGN, KEPT, SILENT, SOUND, Head, Row, Sheet

GRID_NS = 1_000_000_000_000
WAY_NS = 22_000_000
"""From speaking to hearing."""
MS = 1_000_000


@pytest.fixture
def sheet() -> Iterator[Sheet]:
    made = Sheet.create(rows=2)
    yield made
    made.close()


def fill(sheet: Sheet, heard: Sequence[int], at_ns: Sequence[int], spoken: int = 0, late_ns: int = 0) -> Row:
    """A row whose caller spoke on its grid, `late_ns` late, and heard this at these times."""
    row = sheet.row(0)
    row.begin(7)
    head, spoken_ring, arrived_ring, heard_ring = sheet.view(0)
    head[Head.GRID_NS] = GRID_NS
    for number in range(spoken):
        spoken_ring[number % KEPT] = GRID_NS + number * FRAME_NS + late_ns
    for number, (what, at) in enumerate(zip(heard, at_ns, strict=True)):
        arrived_ring[number % KEPT], heard_ring[number % KEPT] = at, what
    head[Head.SPOKEN], head[Head.ARRIVED] = spoken, len(heard)
    for view in (head, spoken_ring, arrived_ring, heard_ring):
        view.release()
    return row


def echo(count: int, first: int = 0) -> list[int]:
    return [GRID_NS + WAY_NS + number * FRAME_NS for number in range(first, first + count)]


def whole(row: Row, count: int) -> figures.Heard:
    return figures.heard(row, GRID_NS, GRID_NS + count * FRAME_NS)


def test_a_perfect_echo_is_perfect(sheet: Sheet) -> None:
    heard = whole(fill(sheet, range(100), echo(100), spoken=100), 100)
    assert (heard.lost, heard.duplicates, heard.reordered, heard.late, heard.silent) == (0, 0, 0, 0, 0)
    assert figures.quantiles(heard.latency_ms) == {"p50": 22.0, "p99": 22.0, "p999": 22.0, "max": 22.0}
    assert np.abs(heard.pace_ms).max() == 0.0
    assert heard.longest_gap_ms == 22.0  # from the window's begin to the first frame


def test_the_pacing_error_is_against_a_grid_that_late_frames_do_not_move(sheet: Sheet) -> None:
    at = echo(100)
    for number in range(40, 50):
        at[number] += 15 * MS
    heard = whole(fill(sheet, range(100), at, spoken=100), 102)
    assert figures.quantiles(np.abs(heard.pace_ms))["max"] == 15.0
    assert figures.quantiles(np.abs(heard.pace_ms))["p50"] == 0.0
    assert figures.quantiles(heard.gap_ms)["max"] == 35.0


def test_a_frame_a_whole_frame_late_is_late(sheet: Sheet) -> None:
    at = echo(100)
    at[60] += 21 * MS
    assert whole(fill(sheet, range(100), at, spoken=100), 102).late == 1


def test_a_mark_that_never_came_back_is_lost_and_the_delay_before_the_first_is_not(sheet: Sheet) -> None:
    marks = [number for number in range(10, 100) if number not in (30, 31, 70)]
    at = [GRID_NS + WAY_NS + number * FRAME_NS for number in marks]
    assert whole(fill(sheet, marks, at, spoken=100), 100).lost == 3


def test_what_was_said_in_the_last_second_of_a_call_is_not_lost(sheet: Sheet) -> None:
    row = fill(sheet, range(60), echo(60), spoken=100)
    assert whole(row, 100).lost == 40
    with_end = sheet.view(0)[0]
    with_end[Head.OVER_NS] = GRID_NS + 100 * FRAME_NS
    assert whole(row, 100).lost == 0


def test_marks_that_come_twice_or_in_another_order_or_from_another_call_are_seen(sheet: Sheet) -> None:
    heard = [0, 1, 1, 3, 2, FOREIGN, SILENT, SOUND, 4]
    found = whole(fill(sheet, heard, echo(len(heard)), spoken=5), 20)
    assert (found.duplicates, found.reordered, found.foreign, found.silent, found.sound) == (1, 1, 1, 1, 1)


def test_the_longest_time_without_a_mark_counts_silence_and_the_edges(sheet: Sheet) -> None:
    heard = [*range(10), *([SILENT] * 30), *range(40, 50)]
    found = whole(fill(sheet, heard, echo(50), spoken=50), 60)
    assert found.longest_without_mark_ms == 31 * 20.0
    assert found.longest_gap_ms == 10 * 20.0 - 2.0  # up to the window's end


def test_only_the_window_is_looked_at(sheet: Sheet) -> None:
    row = fill(sheet, range(200), echo(200), spoken=200)
    found = figures.heard(row, GRID_NS + 50 * FRAME_NS, GRID_NS + 100 * FRAME_NS)
    assert (found.frames, found.spoken, found.lost) == (50, 50, 0)
    assert found.audio_ratio == 1.0


def test_a_row_that_has_gone_round_still_knows_its_last_frames(sheet: Sheet) -> None:
    count = KEPT + 500
    row = fill(sheet, range(count), echo(count), spoken=count)
    found = figures.heard(row, GRID_NS + (count - 100) * FRAME_NS, GRID_NS + count * FRAME_NS)
    assert (found.frames, found.spoken, found.lost) == (100, 100, 0)
    assert figures.quantiles(found.latency_ms)["max"] == 22.0


def test_a_barge_in_is_measured_from_onset_to_silence_and_to_the_voice_that_comes_back(sheet: Sheet) -> None:
    heard = [SOUND] * 300
    heard[110:150] = [SILENT] * 40
    row = fill(sheet, heard, echo(300), spoken=300)
    head = sheet.view(0)[0]
    head[Head.SPEECH_EVERY], head[Head.SPEECH_FIRST] = 250, 100
    (found,) = figures.barge_ins(row, GRID_NS, GRID_NS + 300 * FRAME_NS)
    assert found.silent_after_ms == 222.0
    assert found.talks_again_ms == 1022.0


def test_an_interruption_that_is_not_noticed_has_no_time(sheet: Sheet) -> None:
    row = fill(sheet, [SOUND] * 300, echo(300), spoken=300)
    head = sheet.view(0)[0]
    head[Head.SPEECH_EVERY], head[Head.SPEECH_FIRST] = 250, 100
    assert [found.silent_after_ms for found in figures.barge_ins(row, GRID_NS, GRID_NS + 300 * FRAME_NS)] == [None]


@pytest.mark.parametrize(
    ("late_ms", "skipped", "cpu_percent", "fit"), [(0.3, 0, 40.0, True), (2.5, 0, 40.0, False), (0.3, 1, 40.0, False),
                                                   (0.3, 0, 95.0, False)],
)  # fmt: skip
def test_a_generator_that_is_late_or_skips_or_has_no_cpu_left_is_not_fit(
    sheet: Sheet, late_ms: float, skipped: int, cpu_percent: float, fit: bool
) -> None:
    row = fill(sheet, [], [], spoken=200, late_ns=int(late_ms * MS))
    ring = sheet.view(0)[1]
    for number in range(skipped):
        ring[50 + number] = 0
    health = figures.health([row], GRID_NS, GRID_NS + 200 * FRAME_NS, cpu_percent)
    assert health.skipped == skipped
    assert health.fit is fit
