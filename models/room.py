"""How many actors and calls there is memory for. Pure.

Weights of a language model are mapped, so all actors on the CPU share them; what a call keeps (its cache) is each one's
own, and so is the whole of a recogniser and a voice. On a graphics card every process has its own copy of all.
"""

from collections.abc import Mapping

from config.engines import Role
from models.places import Group
from models.sizing import Sizes

MODELS_SHARE = 0.7
"""Of the memory: what the models may take. The rest is the calls', the system's, and what keeps files in memory."""

GPU_SPARE_MB = 1024
"""Of a graphics card, for each process: its driver, and what is computed in between."""

LEAST_CALLS = 2
"""Of a language model that is worth a card's memory."""

SPARES: tuple[tuple[Role, ...], ...] = (
    (),
    ("tts",),
    ("stt",),
    ("stt", "tts"),
    ("llm",),
    ("llm", "tts"),
    ("llm", "stt"),
    ("llm", "stt", "tts"),
)
"""Whose spare is given up where memory is short; the first that is enough. A voice is back the soonest, a language
model has its prompts to read first."""

Groups = dict[Role, Group]


class Room:
    """gpu_mb: of the graphics card that computes the language model; 0: the CPU does."""

    def __init__(self, memory_mb: int, sizes: Sizes, gpu_mb: int = 0) -> None:
        self._whole_mb = memory_mb
        self._room_mb = MODELS_SHARE * memory_mb
        self._sizes = sizes
        self._gpu_mb = gpu_mb

    def fit(self, groups: Mapping[Role, Group]) -> tuple[Groups, dict[Role, str]]:
        """The groups with as many actors as there is memory for, one at least, and why others are left out."""
        fitting, dropped = dict(groups), dict[Role, str]()
        if self._gpu_mb and len(fitting["llm"].places) > 1 and self.calls(fitting) < LEAST_CALLS:
            fitting["llm"] = _fewer(fitting["llm"])
            dropped["llm"] = "the graphics card has no memory for a second copy of the weights, to stand by"
        for role in self._least_missed(fitting):
            taken = self._taken_mb(fitting)
            fitting[role] = _fewer(fitting[role])
            spare = "a second one, to stand by," if len(fitting[role].places) == 1 else "more of them"
            own, whole = gigabytes(self._room_mb), gigabytes(self._whole_mb)
            reason = f"the models would take {gigabytes(taken)}, and theirs are {own} of {whole}"
            dropped[role] = f"for {spare} there is no memory: {reason}"
        return fitting, dropped

    def calls(self, groups: Mapping[Role, Group]) -> int:
        """So many calls each of the language models has memory for; 0 or less where it has none for any."""
        size, actors = self._sizes["llm"], len(groups["llm"].places)
        if self._gpu_mb:
            room = self._gpu_mb / actors - GPU_SPARE_MB - size.weights_mb
        else:
            room = (self._room_mb - self._taken_mb(groups)) / actors + size.call_mb
        return int(room // max(1, size.call_mb))

    def _least_missed(self, groups: Mapping[Role, Group]) -> list[Role]:
        """Which roles have to do with one actor less, so that the others fit into memory."""
        left, gone = dict(groups), list[Role]()
        while self._taken_mb(left) > self._room_mb:
            many: list[Role] = [role for role, group in left.items() if len(group.places) > 2]
            if not many:
                break
            gone.append(max(many, key=self._actor_mb))
            left[gone[-1]] = _fewer(left[gone[-1]])
        without: Groups = {}
        for spares in SPARES:
            without = {role: _fewer(left[role]) for role in spares if role in left and len(left[role].places) > 1}
            if self._taken_mb(left | without) <= self._room_mb:
                break
        return [*gone, *without]

    def _taken_mb(self, groups: Mapping[Role, Group]) -> int:
        return sum(
            (0 if self._on_gpu(role) else self._sizes[role].shared_mb) + len(group.places) * self._actor_mb(role)
            for role, group in groups.items()
        )

    def _actor_mb(self, role: Role) -> int:
        """With room for one call."""
        size = self._sizes[role]
        return size.actor_mb if self._on_gpu(role) else size.actor_mb + size.call_mb

    def _on_gpu(self, role: Role) -> bool:
        return role == "llm" and self._gpu_mb > 0


def gigabytes(megabytes: float) -> str:
    return f"{megabytes / 1024:.1f} GB"


def _fewer(group: Group) -> Group:
    places = group.places[:-1]
    return Group(places=places, spread=group.spread if len(places) > 1 else "first")
