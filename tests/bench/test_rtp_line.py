"""The figures of bad weather hold in a minute of virtual time, and the bench says so when they do not."""

import pytest

from bench import rtp_line
from bench.rtp_line import LEAST, WEATHERS, Weather, virtually


@pytest.mark.parametrize(
    "weather", [weather for weather in WEATHERS if weather.strict], ids=lambda weather: weather.name
)
def test_a_call_in_the_weather_that_we_promise_keeps_99_percent_of_its_audio(weather: Weather) -> None:
    heard = virtually(weather, minutes=1, seed=3)
    assert LEAST <= heard.ratio <= 1.001
    assert heard.whole >= heard.sent * (1 - weather.loss) * 0.98, "most of what came was heard as it was"
    assert abs(heard.drift_ms) < rtp_line.MOST_DRIFT_MS


def test_what_cannot_be_concealed_is_not_counted_as_heard() -> None:
    assert virtually(Weather("hail", loss=0.8), minutes=1, seed=3).ratio < 0.9


def test_on_a_clear_line_a_packet_is_in_the_ear_with_the_next_tick() -> None:
    heard = virtually(Weather("clear"), minutes=0.1, seed=3)
    assert set(heard.delays_ms) == {27.0}, "20 ms on the way, and the tick is 7 ms behind"


def test_the_bench_ends_with_0_where_everything_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert rtp_line.main(["--minutes", "0.5", "--seconds", "0"]) == 0
    assert capsys.readouterr().out.endswith("holds\n")


def test_and_with_1_where_it_does_not(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtp_line, "WEATHERS", (Weather("hail", loss=0.8, strict=True),))
    assert rtp_line.main(["--minutes", "0.5", "--seconds", "0"]) == 1
    assert capsys.readouterr().out.endswith("does not hold\n")
