"""Engines that answer too late for another call: who calls then goes on in the dialplan, who is talking is served."""

from collections.abc import Iterator

import pytest

from bench.asterisk import Where
from ipc.journal import TurnTimed
from tests.system.guest import calls, rings
from tests.system.house import House, started
from tests.system.loop import Loop


@pytest.fixture(scope="module")
def impatient(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """No engine on earth answers within a millisecond."""
    with loop.entered(started(tmp_path_factory.mktemp("slow"), {"turns": {"refuse_above_ms": 1}})) as house:
        yield house


async def test_who_calls_while_answers_come_late_goes_on_in_the_dialplan_unanswered(impatient: House) -> None:
    first = await calls(impatient)
    for _ in range(3):
        await first.phone.press("5")
        await first.is_told("That was the five.")
    assert len(first.all(TurnTimed)) == 3
    late = rings(impatient)
    await impatient.until("the second caller is gone", late.phone.ended.is_set)
    assert late.phone.variables["AGENT_STATUS"] == "BUSY"
    assert Where("inbound", "1000", 2, "NoOp", "BUSY") in late.phone.path
    assert not late.phone.answered.is_set()
    await first.phone.press("5")
    await first.is_told("That was the five.")
    await first.hangs_up()
