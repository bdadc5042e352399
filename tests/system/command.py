"""`ringmaster`, as a user runs it."""

import asyncio
import subprocess
from dataclasses import dataclass

from bench.system import COMMAND
from tests.system.house import DEADLINE_S


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


async def ringmaster(*words: object) -> Ran:
    """Runs it to its end."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *map(str, words), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(DEADLINE_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())
