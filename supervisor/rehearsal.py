"""`python -m supervisor.rehearsal CONFIG`: whether the program on disk could take the running one's place.

Run by the old program before it lets anything go (`supervisor.restart`). That it starts at all shows that the new code
can be imported; then it reads the configuration, and the hand-over as it would be at this moment. Exit code 0, or 2
with the reason on stderr.
"""

import os
import sys
from pathlib import Path

from config.load import load
from config.problem import ConfigError
from models import planned
from supervisor import handover
from supervisor.instance import CannotRun
from supervisor.service import up
from supervisor.specs import house

FINE, WRONG = 0, 2


NEEDED = (up, house)
"""What is to be there in the new program."""


def main(config: str) -> int:
    try:
        loaded = load(Path(config))
        plan = planned.make(loaded)
        house(planned.apply(loaded, plan).settings, loaded.role, plan.places)
        handover.read(int(os.environ[handover.VARIABLE]))
    except (ConfigError, CannotRun) as error:
        print(error, file=sys.stderr)
        return WRONG
    return FINE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
