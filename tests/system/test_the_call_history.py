"""What is written down of calls, by a whole system whose call-control is killed in the middle of them."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import msgspec

from bench.asterisk import Phone
from tests.system.command import ringmaster
from tests.system.guest import ANSWER, QUESTION, calls
from tests.system.house import FEW, House, started

CALLERS = 2
"""As many as the house takes at once."""
ROUNDS = 4


async def told(house: House, *words: object) -> dict[str, Any]:
    """What `ringmaster calls` says."""
    ran = await ringmaster("calls", "--config", house.system.settings, "--json", *words)
    assert ran.code == 0, ran.err
    found: dict[str, Any] = msgspec.json.decode(ran.out)
    return found


async def written(house: House, call_id: str) -> dict[str, Any]:
    """The record of a call that has ended, once it is closed."""
    for _ in range(100):
        ran = await ringmaster("calls", "--config", house.system.settings, "--json", call_id)
        if ran.code == 0:
            [call] = msgspec.json.decode(ran.out)["calls"]
            if call["ended"] is not None:
                return dict(call)
    raise AssertionError(f"{call_id} is not closed: {ran}\n{house.last_words()}")


async def killed(house: House) -> None:
    control = await house.actor("call-control")
    os.kill(control.pid, signal.SIGKILL)
    await house.comes_back(control)


async def test_a_call_is_one_record_with_every_word_though_call_control_was_killed_in_it(house: House) -> None:
    guest = await calls(house)
    await guest.asks()
    await killed(house)
    await guest.says_goodbye()
    call = await written(house, guest.call_id)
    assert (call["outcome"], call["caller_number"], call["caller_name"]) == ("agent hung up", "5551234", "Ada")
    assert (call["agent"], call["transports"], call["remark"]) == ("desk", "audiosocket", "")
    assert call["answered"] is not None
    said = [(turn["who"], turn["kind"], turn["text"]) for turn in call["transcript"]]
    assert ("caller", "said", QUESTION) in said
    assert ("agent", "answer", ANSWER) in said
    asked = next(turn for turn in call["transcript"] if turn["text"] == QUESTION)
    assert 0 < asked["decided_ms"] < asked["answer_ms"]
    events = [moment["event"] for moment in call["timeline"]]
    assert events.count("arrived") == events.count("resumed") == 1
    assert call["quality"]["frames_sent"] > 0
    assert {leg["kind"] for leg in call["legs"]} == {"caller", "media"}
    assert all(leg["until_ms"] is not None for leg in call["legs"])


async def test_call_control_is_killed_while_calls_are_set_up_and_every_one_is_served_and_closed(tmp_path: Path) -> None:
    """At another instant each time: the first step of a call is a few ms from the last. In a house of its own, which
    has a larger allowance of restarts."""
    async with started(tmp_path, {"actors": {**FEW, "restart": {"intensity": 50, "period_s": 600}}}) as house:
        phones: list[Phone] = []
        for number in range(ROUNDS):
            control = await house.actor("call-control")
            now = [house.asterisk.dial("1000", caller_id=f"20{number}") for _ in range(CALLERS)]
            await asyncio.sleep(0.004 * number)
            os.kill(control.pid, signal.SIGKILL)
            for phone in now:
                await house.until("the call is answered", phone.answered.is_set)
            await house.comes_back(control)
            for phone in now:
                phone.hang_up()
            await house.nothing_is_left()
            phones += now
        for phone in phones:
            call = await written(house, phone.id)
            assert call["outcome"] in ("caller hung up", "lost"), call
            assert call["outcome"] != "lost" or "away" in call["cause"]
        listed = (await told(house, "--caller", "20", "--last", 100))["calls"]
        assert {call["call_id"] for call in listed} >= {phone.id for phone in phones}


async def test_a_call_that_goes_on_is_shown_and_not_forgotten_and_one_that_is_over_is_forgotten(house: House) -> None:
    guest = await calls(house)
    config = ("--config", house.system.settings)
    ran = await ringmaster("calls", *config, guest.call_id)
    assert ran.code == 0, f"{ran}\n{house.last_words()}"
    assert "ended      not yet" in ran.out
    refused = await ringmaster("calls", *config, "--forget", guest.call_id)
    assert refused.code == 1
    assert "goes on" in refused.err
    await guest.hangs_up()
    assert (await written(house, guest.call_id))["outcome"] == "caller hung up"
    assert (await ringmaster("calls", *config, "--forget", guest.call_id)).code == 0
    assert (await ringmaster("calls", *config, guest.call_id)).code == 1
    assert guest.records == [], "its journal is gone, too"
