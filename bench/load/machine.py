"""The machine that a report was made on, in the words of its kernel."""

import os
import platform
from pathlib import Path

import psutil

from bench.load.generator import PRIORITY


def facts() -> dict[str, str]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.lower().startswith(("model name", "hardware"))
        ),
        platform.machine(),
    )
    return {
        "processor": model,
        "cores": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}",
        "memory": f"{psutil.virtual_memory().total / 1e9:.1f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "real-time priority": _realtime(),
    }


def _realtime() -> str:
    """Whether a process of ours may have it: tried in a child, because it is not for the bench itself."""
    pid = os.fork()
    if pid == 0:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
        except OSError:
            os._exit(1)
        os._exit(0)
    return "granted" if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 else "not permitted"
