"""The doctor beside a running system: it calls the agent, as a caller would, and leaves nothing behind."""

import json
from typing import Any

from tests.system.command import ringmaster
from tests.system.house import House


def by_name(text: str) -> dict[str, Any]:
    return {finding["check"]: finding for finding in json.loads(text)["findings"]}


async def test_the_agent_is_called_and_gives_the_doctors_voice_back(house: House) -> None:
    ran = await ringmaster("doctor", "--json", "--seconds", 2, "--config", house.system.settings)
    found = by_name(ran.out)
    assert found["system.running"]["level"] == "ok", ran.out
    assert found["machine.port"]["what"] == f"port {house.audio_port} is ours"
    assert found["asterisk.application"]["level"] == "ok"
    assert found["line.reached"]["level"] == "ok"
    assert "agent.call" not in found, found.get("agent.call")
    assert "round trip" in found["agent.audio"]["evidence"]
    assert found["agent.cleared"]["level"] == "ok"
    await house.until("Asterisk is empty", lambda: not house.asterisk.channels and not house.asterisk.bridges)


async def test_a_system_that_drains_is_not_called(house: House) -> None:
    await ringmaster("drain", "--within", 5, "--config", house.system.settings)
    try:
        ran = await ringmaster("doctor", "--json", "--seconds", 1, "--config", house.system.settings)
    finally:
        await ringmaster("drain", "--off", "--config", house.system.settings)
    assert by_name(ran.out)["agent.call"]["level"] == "advice"
    assert "draining" in by_name(ran.out)["agent.call"]["what"]
