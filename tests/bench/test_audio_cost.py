"""The bench of the audio actors' own cost: that its figures come from frames that went both ways."""

import re
import subprocess
import sys

import pytest


@pytest.mark.parametrize("words", [["--calls", "1"], ["--calls", "3"], ["--bare"]], ids=" ".join)
def test_it_says_what_a_frame_costs(words: list[str]) -> None:
    # In a process of its own: it makes itself real-time.
    command = [sys.executable, "-m", "bench.audio_cost", "--processes", "2", "--seconds", "0.5", *words]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cost = re.search(r"(\d+) us of CPU a frame each way, ([\d.]+) % of a core a call", told)
    assert cost and int(cost[1]) > 0 and float(cost[2]) > 0
    assert ("late: p50" in told) == ("--bare" not in words)
