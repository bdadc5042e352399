"""Which roles run on which cores. Pure: the machine's cores and what each role needs in, cores for each role out.

    fewer than 4 cores   everybody anywhere: audio has real-time priority, which is worth more than a core of its own
    from 4 on            the first core keeps house: supervisor, call-control, conversation, and whatever is not placed
                         the next are for audio, where it needs more than a quarter of a core; else it shares the first
                         the rest are for the models: together, or a part for each role where there are 2 a role

Places are physical cores by their first thread: two models on the two threads of a core take turns. Only the core that
keeps house has all of its threads, for what runs there mostly waits. Audio and its callers stay on one memory node as
long as they fit, and a model's cores are of one node where that is possible.
"""

import math
from collections.abc import Mapping, Sequence

from models.machine import Core

APART_FROM = 4
"""Cores. With 3, one for the house and one for audio would leave one for three models."""
SHARES_BELOW = 0.25
"""Of a core: what audio may need and still share the first one, where real-time priority lets it go first."""
FULL = 0.6
"""Of a core: more than that is not planned for whoever must not wait."""
MODELS = ("stt", "llm", "tts")

Places = dict[str, tuple[int, ...]]
"""CPU numbers by role; () is any."""


def place(cores: Sequence[Core], need: Mapping[str, float], roles: Sequence[str]) -> Places:
    """cores: as from `models.machine.detect`. need: cores' worth of CPU that each role takes at the recommended calls.
    roles: those that have a place to be configured ("audio", "conversation", and models where there is a pipeline)."""
    if len(cores) < APART_FROM:
        return dict.fromkeys(roles, ())
    models = [role for role in roles if role in MODELS]
    house, others = cores[0], list(cores[1:])
    places: Places = {"audio": house.threads, "conversation": house.threads}
    shared = need.get("audio", 0.0) <= SHARES_BELOW
    if not shared:
        places["audio"] = _taken(others, _wanted(need.get("audio", 0.0), len(others), models))
    if need.get("conversation", 0.0) + (need.get("audio", 0.0) if shared else 0.0) > FULL * len(house.threads):
        places["conversation"] = _taken(others, _wanted(need["conversation"], len(others), models)) or house.threads
    places.update(_model_places(others, need, models))
    return {role: places[role] for role in roles}


def _wanted(need: float, left: int, models: Sequence[str]) -> int:
    """Cores for so much work; at least one, and one is left for the models."""
    return max(1, min(math.ceil(need / FULL), left - (1 if models else 0)))


def _taken(others: list[Core], count: int) -> tuple[int, ...]:
    """The next so many, which are no longer among the others."""
    taken, others[:] = others[:count], others[count:]
    return tuple(core.first for core in taken)


def _model_places(cores: Sequence[Core], need: Mapping[str, float], models: Sequence[str]) -> Places:
    if not models:
        return {}
    if len(cores) < 2 * len(models):
        return dict.fromkeys(models, tuple(core.first for core in cores))
    shares = _shares(len(cores), [max(need.get(role, 0.0), 0.01) for role in models])
    places: Places = {}
    left = list(cores)
    # The largest first: it finds a node with room for all of it.
    for role, count in sorted(zip(models, shares, strict=True), key=lambda pair: -pair[1]):
        chosen = _together(left, count)
        left = [core for core in left if core not in chosen]
        places[role] = tuple(sorted(core.first for core in chosen))
    return places


def _shares(total: int, needs: Sequence[float]) -> list[int]:
    """`total` divided in proportion to the needs, at least one for each: by the largest remainder."""
    spare = total - len(needs)
    exact = [spare * need / sum(needs) for need in needs]
    shares = [1 + int(part) for part in exact]
    by_rest = sorted(range(len(needs)), key=lambda at: int(exact[at]) - exact[at])
    for at in by_rest[: total - sum(shares)]:
        shares[at] += 1
    return shares


def _together(cores: Sequence[Core], count: int) -> list[Core]:
    """So many of these, of one node if one has as many left: the one that then has the least left over."""
    nodes: dict[int, list[Core]] = {}
    for core in cores:
        nodes.setdefault(core.node, []).append(core)
    enough = [members for members in nodes.values() if len(members) >= count]
    return min(enough, key=len)[:count] if enough else list(cores[:count])
