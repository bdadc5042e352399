"""What the kernel says of a process that has asked it for something."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ASK = "import sys; from ipc import prctl; print(prctl.set_slice(100_000)); print(open('/proc/self/sched').read())"


@pytest.mark.skipif(not Path("/proc/self/sched").exists(), reason="this kernel does not tell of its scheduler")
def test_a_process_may_ask_for_short_turns_without_any_privilege() -> None:
    told = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True).stdout
    granted, _, facts = told.partition("\n")
    assert granted == "True"
    slices = re.findall(r"^se\.slice\s*:\s*(\d+)", facts, re.MULTILINE)
    assert slices in ([], ["100000"]), "kernels before 6.12 take the wish and have no use for it"


def test_a_real_time_process_has_no_slice_to_ask_for() -> None:
    script = (
        "import os\nfrom ipc import prctl\n"
        "try:\n    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\n"
        "except PermissionError:\n    print('not allowed')\n"
        "else:\n    print(prctl.set_slice(100_000))\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert told in ("False", "not allowed")
