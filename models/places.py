"""Which actors run on which cores. Pure: the machine in, CPU numbers out.

    fewer than 4 cores,      everybody anywhere: there is nothing to be parted, and audio has real-time priority
    or a CPU quota
    from 4 on                one core keeps house: supervisor, call-control, conversation, audio. Where there are slow
                             (efficiency) cores, these keep house, all of them
                             the others are for the models: most of them for the language model, the rest for
                             recogniser and voice

A model's place is physical cores by their first threads: two models on the two threads of a core would take turns.
The cores of one actor are near one memory (NUMA node).
"""

import itertools
import math
from collections.abc import Sequence

import msgspec

from config.engines import Role
from models.machine import Core, Machine

PINNED_FROM = 4
"""Physical cores. With 3, one for the house would leave two for three models."""

LLM_SHARE = 0.6
"""Of the cores for models: a caller waits for the language model the longest, and it never waits for the others."""

LLM_MOST = 16
"""Cores of one actor. Tokens come one after the other, and each reads all weights: memory is the limit long before."""

STT_MOST, TTS_MOST = 16, 8
"""Actors: more calls than these carry no language model on the same machine serves."""

TTS_CORES = 2
"""Of one actor, where there are enough."""

AUDIO_CALL = 0.005
"""Of a core, that the audio of a call takes in both directions (measured: 0.46 %)."""
AUDIO_FULL = 0.5
"""Of a core: more is not planned for whoever must not wait."""

Place = tuple[int, ...]
"""CPU numbers; () is any."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One role's actors."""

    places: tuple[Place, ...]
    """Of each actor."""
    spread: str
    """As `actors.<role>.spread` says it."""

    @property
    def cores(self) -> int:
        """Of the actor that has the fewest; 0 where they may run on any."""
        return min(len(place) for place in self.places)


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    house: Place = ()
    """Of the house: every thread of its cores."""
    roles: dict[Role, Group]
    why_free: str = ""
    """Why nobody is pinned; "" where the models are."""


def why_free(machine: Machine) -> str:
    """Why nobody is to be pinned here, or ""."""
    if machine.quota:
        return (
            f"a quota of {machine.quota:g} CPUs limits the time and not the cores: whoever else is on this host may"
            " have the same cores"
        )
    if machine.physical < PINNED_FROM:
        cores = "1 physical core is" if machine.physical == 1 else f"{machine.physical} physical cores are"
        return f"{cores} too few to part: the kernel shares them better"
    return ""


def lay_out(machine: Machine, heavy: Sequence[Role], *, calls: int, on_gpu: bool = False) -> Layout:
    """heavy: the roles whose engines compute much here. calls: that there may be at once.
    on_gpu: the language model computes on a graphics card."""
    if not heavy:
        return Layout(roles={}, why_free="no engine computes much here: there is nothing to be parted")
    if reason := why_free(machine):
        cores = max(1, int(machine.power))
        return Layout(roles={role: _anywhere(role, cores) for role in heavy}, why_free=reason)
    house, rest = _house(machine, calls)
    roles = _divided(rest, heavy, on_gpu)
    threads = tuple(sorted(thread for core in house for thread in core.threads))
    return Layout(house=threads, roles={role: _grouped(role, parts) for role, parts in roles.items()})


def _anywhere(role: Role, cores: int) -> Group:
    # A recogniser computes on one thread, so two of them are for two cores. The threads of one model are for all cores:
    # two models at once would stop each other, so the second only stands by.
    return Group(places=((), ()), spread="evenly" if role == "stt" and cores > 1 else "first")


def _house(machine: Machine, calls: int) -> tuple[list[Core], list[Core]]:
    """The cores that keep house, and the others."""
    slow = [core for core in machine.cores if core.kind == "efficiency"]
    fast = [core for core in machine.cores if core.kind == "performance"]
    if slow and len(fast) >= 2:
        return slow, fast
    cores = list(machine.cores)
    # The audio of a few calls is nothing; of hundreds it needs cores of its own. Half of them stay for the models.
    audio = math.ceil(max(0.0, calls * AUDIO_CALL - AUDIO_FULL) / AUDIO_FULL)
    count = min(1 + audio, len(cores) // 2)
    return cores[:count], cores[count:]


def _divided(cores: Sequence[Core], heavy: Sequence[Role], on_gpu: bool) -> dict[Role, list[list[Core]]]:
    """By role: its cores, node by node."""
    by_node: dict[int, list[Core]] = {}
    for core in cores:
        by_node.setdefault(core.node, []).append(core)
    nodes = sorted(by_node.values(), key=len, reverse=True)
    if len(nodes) > 1 and len(nodes[-1]) < len(heavy):
        # A node that is too small for all: the language model has the largest one, the others have the rest.
        return _by_nodes(nodes, heavy)
    parts: dict[Role, list[list[Core]]] = {role: [] for role in heavy}
    for members in nodes:
        for role, share in _shares(members, heavy, on_gpu).items():
            parts[role].append(share)
    return parts


def _by_nodes(nodes: list[list[Core]], heavy: Sequence[Role]) -> dict[Role, list[list[Core]]]:
    others = [role for role in heavy if role != "llm"]
    if "llm" not in heavy or not others:
        return dict.fromkeys(heavy, nodes)
    return {"llm": nodes[:1], **dict.fromkeys(others, nodes[1:])}


def _shares(cores: list[Core], heavy: Sequence[Role], on_gpu: bool) -> dict[Role, list[Core]]:
    """Of one node."""
    others: list[Role] = [role for role in ("tts", "stt") if role in heavy]
    left = list(cores)
    shares: dict[Role, list[Core]] = {}
    if "llm" in heavy:
        count = len(left) if not others else 1 if on_gpu else max(1, round(LLM_SHARE * len(left)))
        if others and count == len(left) > 1:
            count -= 1
        shares["llm"] = left[:count]
        left = left[count:] or left
    if len(left) < len(others):
        return shares | dict.fromkeys(others, left)
    for at, role in enumerate(others):
        count = math.ceil(len(left) / (len(others) - at))
        shares[role], left = left[:count], left[count:]
    return shares


def _grouped(role: Role, parts: list[list[Core]]) -> Group:
    places: list[Place] = []
    for cores in parts:
        for some in _split(cores, _actors(role, len(cores))):
            places.append(tuple(sorted(core.first for core in some)))
    most = STT_MOST if role == "stt" else TTS_MOST
    places = places[:most] if role != "llm" else places
    if len(places) == 1:
        return Group(places=(places[0], places[0]), spread="first")
    return Group(places=tuple(places), spread="evenly")


def _actors(role: Role, cores: int) -> int:
    """How many work side by side on so many cores."""
    if role == "stt":
        return cores
    return max(1, math.ceil(cores / LLM_MOST) if role == "llm" else cores // TTS_CORES)


def _split(cores: list[Core], parts: int) -> list[list[Core]]:
    """Parts that differ by one core at most."""
    size, longer = divmod(len(cores), parts)
    ends = [0]
    for at in range(parts):
        ends.append(ends[-1] + size + (at < longer))
    return [cores[first:last] for first, last in itertools.pairwise(ends)]
