"""The soak itself, for two minutes: real processes, calls that come and go, and nothing is left."""

import asyncio
import json
from pathlib import Path

from bench.soak import verdict
from bench.soak.run import Plan, soak

PLAN = Plan(minutes=2.0, calls=10, mean_s=10.0)


def test_calls_come_and_go_and_nothing_is_left(tmp_path: Path) -> None:
    found = asyncio.run(soak(PLAN, tmp_path))
    assert found.left == [], found.summary()
    assert verdict.leaks(found.slopes) == []
    assert found.tally["calls"] > PLAN.calls, "places were taken again"
    assert found.tally["foreign"] == 0
    assert found.tally.get("dropped", 0) == 0, found.summary()
    assert {"audio", "call-control", "conversation", "nursery", "ringmaster"} <= found.after.memory_kb.keys()
    assert len(found.slopes) == len(found.series) - 1, "all but the calls themselves"
    assert json.loads(json.dumps(found.json()))["ok"] == (not found.broken)
    assert found.html().count("<polyline") == len(found.series)
