"""Processes that burn a core each, at niceness 0: the neighbours that an actor must be able to live beside."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

BURN = """
from ipc import prctl
prctl.die_with_parent()
prctl.set_name("bench-burner")
print(flush=True)
number = 0
while True:
    number += 1
"""


@contextlib.asynccontextmanager
async def burning(count: int) -> AsyncIterator[None]:
    """Entered when all of them burn."""
    burners = []
    try:
        for _ in range(count):
            burner = await asyncio.create_subprocess_exec(
                sys.executable, "-c", BURN, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
            )
            burners.append(burner)
            assert burner.stdout is not None
            await burner.stdout.readline()
        yield
    finally:
        for burner in burners:
            with contextlib.suppress(ProcessLookupError):
                burner.kill()
            await burner.wait()
