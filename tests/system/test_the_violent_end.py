"""The supervisor is killed. This comes last of all that use the second system."""

import asyncio
from pathlib import Path

from tests.supervisor.stage import wait_until_dead
from tests.system.guest import GREETING, calls
from tests.system.house import House, same_again


async def test_when_the_supervisor_is_killed_everybody_dies_and_the_next_start_cleans_up(
    strict: House, tmp_path: Path
) -> None:
    guest = await calls(strict)
    pids = [actor.pid for actor in (await strict.status()).actors]
    leftovers = strict.segments()
    assert len(leftovers) == 2, "the progress board and one call's rings"

    strict.system.process.kill()
    await strict.system.process.wait()
    await asyncio.to_thread(wait_until_dead, pids)
    assert strict.segments() == leftovers, "nobody was left to remove them"

    async with same_again(strict, tmp_path) as again:
        log = again.system.log()
        for name in leftovers:
            assert any(line.endswith(f"a predecessor has left: {name}") for line in log)
        # Asterisk still has the caller, in our application: they are served like one who has just come.
        guest.house = again
        await guest.is_told(GREETING)
        await guest.says_goodbye()
        await again.nothing_is_left()
