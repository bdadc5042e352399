"""A small rung against the real system, by both ways in; and what is left of one whose generator was not fit."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.load import command, usage
from bench.load.criteria import at_most, no_loss
from bench.load.figures import Health
from bench.load.rung import OWN, Measured, Rung, Window, _result, measure
from bench.load.venue import Flow, Setting


@pytest.mark.parametrize("flow", ["ari", "direct"])
def test_five_calls_are_brought_up_measured_and_ended(flow: Flow, tmp_path: Path) -> None:
    seen: list[str] = []
    setting = Setting(calls=5, flow=flow, warm=5)
    rung = Rung(name="5", title="five calls", setting=setting, seconds=2.0, criteria=(*no_loss(0.9),))
    result = asyncio.run(measure(rung, lambda progress: seen.append(progress.stage), tmp_path))
    found = result.json()
    assert found["calls_up"] == 5, found
    assert found["refused"] == 0
    if found["limit"] == "generator":
        pytest.skip("this machine has no time for a generator now")
    # Not `lost`: a machine that is busy with other things makes an echo leave frames out to catch up.
    assert found["frames_in"] >= 450 and found["frames_out"] >= 450
    assert (found["duplicates"], found["foreign"]) == (0, 0)
    assert found["added_latency_ms"]["p50"] > 0 and found["first_frame_ms"]["p50"] > 0
    assert 0 < found["gone_ms"]["max"] < float("inf")
    assert found["cpu_percent"]["audio"] > 0
    assert found["uss_mb"]["audio"] > 0 and found["uss_mb_per_call"] > found["uss_mb_per_further_call"] > 0
    assert found["shared_mb_per_call"] > 0
    assert set(seen) == {"bringing calls up", "measuring"}
    json.dumps(found)


def test_nothing_of_an_unfit_generators_rung_is_reported_as_the_systems() -> None:
    found: dict[str, Any] = {"calls": 5, "pace_error_ms": {"p99": 0.1}, "lost": 0, "generator_late_ms": {"p99": 9.0}}
    look = usage.Look(0, {}, (1,) * 8)
    window = Window(Measured([], 0, 1, look, look, 1.0, []), [], [], Health(np.full(100, 9.0), 0, 10.0))
    rung = Rung(setting=Setting(calls=5), criteria=(at_most("pace_error_ms.p99", 1.0, "pacing"),))
    result = _result(rung, found, window)
    assert not result.ok
    assert result.figures == {"calls": 5, "generator_late_ms": {"p99": 9.0}, "limit": "generator"}
    assert "pace_error_ms" not in OWN
    assert command.row(result)[-2:] == ["generator", "FAIL"]
