"""Which turns of a long call the model is still told of.

When the conversation no longer fits, its oldest turns are left out, whole ones, and more at once than there was need
for: what is left out changes all that is read behind it, so the rest of the conversation is read anew each time. With
half of the room freed that happens once in many turns, and not in every one.
"""

from collections.abc import Sequence

from actors.llm.engine import Line

KEPT = 0.5
"""Share of the room that is still taken after forgetting."""


def first_kept(lines: Sequence[Line], sizes: Sequence[int], room: int) -> int:
    """The number of the first line that the model is told of. It follows from the lines alone: it stays the same from
    turn to turn, and in an actor that takes the call over.

    `sizes`: tokens of each line; `room`: how many there may be. The last line is kept, whatever its size.
    """
    first = taken = 0
    for at, size in enumerate(sizes):
        taken += size
        if taken <= room:
            continue
        while first < at and taken > room * KEPT:
            taken -= sizes[first]
            first += 1
            while first < at and lines[first].who != "caller":  # a turn begins with what the caller says
                taken -= sizes[first]
                first += 1
    return first
