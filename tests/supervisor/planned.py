"""`python -m tests.supervisor.planned CONFIG`: a whole system on a machine of four cores, whatever this one has.

Its first and its last core are this machine's first, the second is this machine's last, and the third is not there.
Puppets stand in for the engines, so that no model is needed.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from config.load import load
from ipc import prctl
from models import planned
from models.machine import Core, Machine
from supervisor import service
from supervisor.specs import AUDIO, CALL_CONTROL, NURSERY, Group, house
from tests.supervisor.stage import PUPPET

MODULE = "tests.supervisor.planned"

FIRST, LAST = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
ABSENT = 901

MACHINE = Machine(
    cores=tuple(Core(threads=(number,)) for number in (FIRST, LAST, ABSENT, FIRST)),
    memory_mb=32 << 10,
    available_mb=30 << 10,
)


def puppets(group: Group) -> Group:
    """In place of the real ones, but for the audio."""
    if group.name in (NURSERY, AUDIO):
        return group
    mode = "control" if group.name.startswith(CALL_CONTROL) else "telling"
    return replace(group, children=tuple(replace(child, module=PUPPET, arguments=(mode,)) for child in group.children))


if __name__ == "__main__":
    prctl.die_with_parent()  # whoever breaks the tests off breaks this off too
    planned.detect = lambda *_: MACHINE  # type: ignore[assignment]
    loaded = load(Path(sys.argv[1]))
    made = planned.make(loaded)
    groups = [puppets(group) for group in house(planned.apply(loaded, made).settings, places=made.places)]
    again = (sys.executable, "-m", MODULE, sys.argv[1])
    sys.exit(service.up(loaded, Path(loaded.settings.run.directory), groups, again))
