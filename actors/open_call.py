"""How an actor gets at an open call: its rings, and the one bell of it that this actor listens for."""

import errno
from pathlib import Path
from typing import Literal

from ipc import descriptors
from ipc.bus import Refused
from ipc.rings import BELLS, Bell, Rings, WrongRing

Wanted = Literal["ear_stt", "ear_conversation", "mouth_space"]
"""Name of the bell, as in `ipc.descriptors.CallDescriptors`."""


async def attach(run_dir: Path, call_id: str, segment: str, wanted: Wanted) -> tuple[Rings, Bell]:
    """Both are the caller's to close. Raises `Refused`, and keeps nothing open, when the call is not open.

    `WrongRing` goes through: rings of another version are no business of one call. Nor is a lack of memory, which is a
    `MemoryError`.
    """
    try:
        bells = await descriptors.fetch(run_dir, call_id)
        bell: Bell = getattr(bells, wanted)
        bells.close(but=bell)
        try:
            rings = Rings(segment)
        except (OSError, WrongRing):
            bell.close()
            raise
        rings.listen(BELLS.index(wanted.replace("_", ".")))
        return rings, bell
    except (LookupError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            # No fault of this call: who refuses them all for want of memory is of more use dead, and replaced.
            raise MemoryError(f"no memory for the rings of call {call_id}") from error
        raise Refused(f"call {call_id} is not open: {error}") from error
