"""What a record of a line comes to, with time as data."""

import pytest

from supervisor.doctor import cadence
from supervisor.doctor.findings import Subject
from supervisor.doctor.line import Heard, Record

MS = 1_000_000
LINE = Subject("Line", "line")


def record(
    trips: dict[int, float], sent: int = 100, late_ms: float = 0.1, arrivals: list[float] | None = None
) -> Record:
    """Marks that are sent every 20 ms; `trips` says how many ms each of those that come back takes."""
    times = {number: number * 20 * MS for number in range(sent)}
    back = {number: times[number] + int(trip * MS) for number, trip in trips.items()}
    heard = sorted(back.values()) if arrivals is None else [int(when * MS) for when in arrivals]
    return Record(times, [int(late_ms * MS)] * sent, Heard([], {}), Heard(heard, back))


def judged(measured: cadence.Figures) -> tuple[str, str]:
    (finding,) = cadence.judge(measured, "through Asterisk", cadence.BRIDGE_ROUND_TRIP_MS, "look", LINE, "audio")
    return finding.level, finding.what


def test_an_even_line_is_fine() -> None:
    line = record(dict.fromkeys(range(100), 4.0))
    measured = cadence.figures(line, line.back)
    assert (measured.gap_p50, measured.gap_max, measured.trip_p50, measured.lost) == (20.0, 20.0, 4.0, 0)
    assert judged(measured) == ("ok", "audio through Asterisk is even")


def test_lost_frames_are_counted_from_the_first_that_came_back() -> None:
    line = record({number: 4.0 for number in range(40, 100) if number not in (50, 60)})
    measured = cadence.figures(line, line.back)
    assert (measured.sent, measured.lost, measured.first) == (60, 2, 804.0)
    assert judged(measured)[0] == "warning"
    assert "3.3 % of the frames are lost" in judged(measured)[1]


def test_holes_are_told() -> None:
    arrivals = [number * 20.0 + (60.0 if number >= 50 else 0.0) for number in range(100)]
    line = record(dict.fromkeys(range(100), 4.0), arrivals=[when + 4 for when in arrivals] + [2100.0, 2200.0])
    level, what = judged(cadence.figures(line, line.back))
    assert level == "warning"
    assert "80 ms apart" in what or "100 ms apart" in what


def test_a_long_way_is_told() -> None:
    line = record(dict.fromkeys(range(100), 90.0))
    assert judged(cadence.figures(line, line.back)) == (
        "warning",
        "audio through Asterisk is uneven: the way there and back takes 90 ms (limit 60)",
    )


def test_a_busy_machine_is_not_blamed_on_asterisk() -> None:
    line = record(dict.fromkeys(range(100), 90.0), late_ms=25.0)
    level, what = judged(cadence.figures(line, line.back))
    assert level == "advice"
    assert "this machine is too busy" in what


def test_silence_is_no_line_at_all() -> None:
    line = record({})
    measured = cadence.figures(line, line.back)
    assert (measured.first, measured.frames, measured.lost) == (-1.0, 0, 100)


@pytest.mark.parametrize(
    ("values", "share", "result"),
    [([], 0.5, 0), ([3], 0.99, 3), ([1, 2, 3, 4], 0.5, 2), (list(range(1, 101)), 0.99, 99)],
)
def test_percentiles_are_values_that_were_seen(values: list[float], share: float, result: float) -> None:
    assert cadence.percentile(values, share) == result
