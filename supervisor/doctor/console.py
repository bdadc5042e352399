"""Asterisk's own command line, where Asterisk is on this machine: the only place that lists the dialplan.

Only commands that show something are given.
"""

import asyncio
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import psutil

ANSWER_S = 10.0


class Console:
    def __init__(self, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        """command: what one CLI command is added to as one word, such as `asterisk -rx`."""
        self._command = tuple(command)
        self._environment = environment

    @property
    def shown(self) -> str:
        """As an operator would type it."""
        return shlex.join(self._command)

    async def ask(self, command: str) -> str | None:
        """What Asterisk says; None where it could not be asked."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
            )
        except OSError:
            return None
        try:
            async with asyncio.timeout(ANSWER_S):
                said, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return None
        text = said.decode(errors="replace")
        return None if "Unable to connect to remote asterisk" in text else text


def find(port: int, given: str = "") -> Console | None:
    """The console of the Asterisk that listens on this port of this machine. given: the operator's word for it.

    A running Asterisk's own program and configuration are taken, so that one in an unusual place is found, too.
    """
    if given:
        return Console(shlex.split(given))
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != "asterisk":
            continue
        try:
            if not any(one.laddr.port == port for one in process.net_connections(kind="tcp") if one.laddr):
                continue
            words, environment = process.cmdline(), os.environ | process.environ()
            command = [process.exe()]
        except (psutil.Error, OSError):
            continue
        if "-C" in words[:-1]:
            command += ["-C", words[words.index("-C") + 1]]
        return Console([*command, "-rx"], environment)
    program = shutil.which("asterisk") or "/usr/sbin/asterisk"
    return Console([program, "-rx"]) if Path(program).exists() else None
