"""What a machine makes of the settings that say "as the hardware tier says". Pure: `plan(...)`.

    how many actors of each role   two at least, where memory allows: when one dies the other goes on at once
    on which cores                 `models.places`
    threads, batch, calls          as measured, else by a rule of thumb
    what only a person may decide  recommended: how many calls there may be, and how many share an audio process

Every value has its reason, which `ringmaster tiers` prints. A value that the settings do give is kept.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from config.engines import Role
from config.schema import Settings
from models import expected
from models.machine import Machine
from models.measured import Measured
from models.places import LLM_MOST, TTS_CORES, Group, Layout, Place, lay_out
from models.room import GPU_SPARE_MB, LEAST_CALLS, Room, gigabytes
from models.sizing import HEAVY, Sizes
from models.tiers import Choice

Value = int | str | tuple[int, ...]

AUTO: Mapping[str, Value] = {
    "count": 0,
    "cores": "auto",
    "spread": "auto",
    "threads": 0,
    "batch_threads": 0,
    "batch": 0,
    "calls": 0,
    "gpu_layers": -2,
}
"""What stands in the settings for "as the hardware tier says", by the last part of the key."""

ALL_LAYERS = -1
"""As `engines.llama_cpp.gpu_layers` says it."""

LIGHT_COUNT = 2
"""Actors of an engine that computes little: one works while the other is started again."""

RULE_BATCH_PER_CORE = 16
"""Tokens: where nothing was measured. A step must not hold up those who are being answered."""
RULE_VOICE_PINNED, RULE_VOICE_FREE = 4, 2
"""Threads of a voice at most, where nothing was measured: on cores of its own, and on those of all."""
RULE_CALLS_PER_CORE = 2
RULE_CALLS_GPU = 16
"""Calls of one language model, where nothing was measured."""
MOST_CALLS = 64
"""Of one actor: what `engines.llama_cpp.calls` allows."""
MOST_BATCH = 512

DENSE_ABOVE = 100
"""Calls, from which on a process of its own for each costs more than isolation is worth (measured: 2 MB each, and two
switches of the CPU a frame)."""


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """One setting."""

    key: str
    """Such as `actors.llm.count`."""
    value: Value
    why: str
    """One sentence."""
    source: Literal["plan", "settings", "advice"] = "plan"
    """`settings`: the file gives it. `advice`: the file gives another, and this is what we would take."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    tier: str
    """The hardware tier that was meant."""
    tuned: tuple[Tuned, ...]
    places: dict[str, Place]
    """CPU numbers by the actor's name, of those who are pinned."""

    def __getitem__(self, key: str) -> Value:
        return next(tuned.value for tuned in self.tuned if tuned.key == key)


def plan(
    machine: Machine,
    choice: Choice,
    settings: Settings,
    sizes: Sizes,
    measured: Measured | None = None,
    *,
    can_offload: bool = False,
) -> Plan:
    """sizes: of the active pipeline's models. measured: on this machine, with these models. can_offload: whether
    llama.cpp could compute on a graphics card here."""
    return _Planner(machine, choice, settings, sizes, measured, can_offload).plan()


class _Planner:
    """Lives once."""

    def __init__(
        self,
        machine: Machine,
        choice: Choice,
        settings: Settings,
        sizes: Sizes,
        measured: Measured | None,
        can_offload: bool,
    ) -> None:
        self._machine = machine
        self._choice = choice
        self._settings = settings
        self._sizes = sizes
        self._measured = measured
        self._tuned: list[Tuned] = []
        pipeline = settings.pipelines[settings.active_pipeline]
        self._engines: dict[Role, str] = {role: getattr(pipeline, role) for role in HEAVY}
        self._heavy: list[Role] = [role for role, engine in self._engines.items() if engine in HEAVY[role]]
        if settings.default_provider:
            self._heavy = []  # it hears, thinks and speaks itself
        self._gpu_why, self._on_gpu = self._graphics(can_offload)

    def plan(self) -> Plan:
        calls = self._settings.audio.max_calls
        layout = lay_out(self._machine, self._heavy, calls=calls, on_gpu=self._on_gpu)
        room = Room(self._machine.memory_mb, self._sizes, self._machine.gpu_mb if self._on_gpu else 0)
        groups, dropped = room.fit(layout.roles)
        places: dict[str, Place] = {}
        self._conversation(layout)
        for role in HEAVY:
            if role in groups:
                group = groups[role] = self._heavy_role(role, groups[role], layout, dropped.get(role, ""))
                if getattr(self._settings.actors, role).cores == AUTO["cores"]:
                    places |= {f"{role}.{at}": place for at, place in enumerate(group.places, 1) if place}
            else:
                self._light_role(role)
        if "llm" in groups:
            self._language_model(groups["llm"], room.calls(groups))
        if "tts" in groups:
            self._voice(groups["tts"])
        self._audio(layout)
        return Plan(tier=self._choice.name, tuned=tuple(self._tuned), places=places)

    # -- one value

    def _tune(self, key: str, value: Value, why: str) -> Value:
        """Gives the value that holds: the settings' own, where they have one."""
        own = _at(self._settings, key)
        if own != AUTO[key.rpartition(".")[2]]:
            self._tuned.append(Tuned(key=key, value=own, why="set in the settings", source="settings"))
            return own
        self._tuned.append(Tuned(key=key, value=value, why=why))
        return value

    def _advise(self, key: str, value: Value, why: str) -> None:
        self._tuned.append(Tuned(key=key, value=value, why=why, source="advice"))

    # -- actors

    def _conversation(self, layout: Layout) -> None:
        why = "keeps house with the audio, away from the models" if layout.house else layout.why_free
        self._tune("actors.conversation.cores", layout.house or "any", why)

    def _light_role(self, role: Role) -> None:
        provider, engine = self._settings.default_provider, self._engines[role]
        why = f"{engine} computes little here: one goes on when the other dies"
        if provider:
            why = f"none is started: the provider `{provider}` holds the calls itself"
        self._tune(f"actors.{role}.count", LIGHT_COUNT, why)
        self._tune(f"actors.{role}.cores", "any", f"{engine} takes no core for long")
        self._tune(f"actors.{role}.spread", "evenly", "all of them work")

    def _heavy_role(self, role: Role, group: Group, layout: Layout, dropped: str) -> Group:
        """Gives the actors as they will be: the settings may say otherwise."""
        count = len(group.places)
        why = dropped or (_STANDS_BY if group.spread == "first" else _COUNTED[role])
        own = self._tune(f"actors.{role}.count", count, why)
        assert isinstance(own, int)
        cores = tuple(sorted({number for place in group.places for number in place}))
        self._tune(f"actors.{role}.cores", cores or "any", layout.why_free or self._placed(role))
        given = getattr(self._settings.actors, role).cores
        places = tuple(group.places[at % count] for at in range(own))
        spread = group.spread
        if given != AUTO["cores"]:
            places = (() if given == "any" else given,) * own
        if (own, given) != (count, AUTO["cores"]):
            alone = role == "stt" or len({*places}) == own > 1
            spread = "evenly" if alone else "first"
        self._tune(f"actors.{role}.spread", spread, self._spread_why(role, own, spread))
        return Group(places=places, spread=spread)

    def _placed(self, role: Role) -> str:
        return "the graphics card computes, and one core feeds it" if role == "llm" and self._on_gpu else _PLACED[role]

    @staticmethod
    def _spread_why(role: Role, count: int, spread: str) -> str:
        if count == 1:
            return "there is only one"
        if spread == "first":
            return "two that compute on the same cores would slow each other"
        return "each computes on one thread" if role == "stt" else "each has cores of its own"

    # -- engines

    def _graphics(self, can_offload: bool) -> tuple[str, bool]:
        """Why the language model computes on the graphics card or does not, and whether it does."""
        memory, own = self._machine.gpu_mb, self._settings.engines.llama_cpp.gpu_layers
        size = self._sizes["llm"]
        if "llm" not in self._heavy or own != AUTO["gpu_layers"]:
            # With some of the layers on the card the CPU computes all the same.
            return "", "llm" in self._heavy and own == ALL_LAYERS and memory > 0
        if not memory:
            return "there is no graphics card that could compute", False
        if not can_offload:
            return "llama-cpp-python was built without CUDA, so that the graphics card cannot be used", False
        if self._choice.cpu_only:
            return f"the tier {self._choice.name} computes on the CPU", False
        wanted = size.weights_mb + LEAST_CALLS * size.call_mb + GPU_SPARE_MB
        if wanted > memory:
            return f"the model takes {gigabytes(wanted)}, and the graphics card has {gigabytes(memory)}", False
        return f"all of the model fits into the {gigabytes(memory)} of the graphics card", True

    def _language_model(self, group: Group, fitting: int) -> None:
        """fitting: calls that each has memory for."""
        known = self._measured.llm if self._measured else None
        cores = self._cores_of(group)
        key, where = "engines.llama_cpp", "its physical cores" if group.cores else "the physical cores that may be used"
        self._tune(f"{key}.gpu_layers", ALL_LAYERS if self._on_gpu else 0, self._gpu_why)
        if self._on_gpu:
            why = "the graphics card computes; one thread feeds it"
            self._tune(f"{key}.threads", 1, why)
            self._tune(f"{key}.batch_threads", 1, why)
            self._tune(f"{key}.batch", MOST_BATCH, "a graphics card reads so many tokens as fast as one")
        else:
            rule = f"one for each of {where}: hyper-threads would wait for each other"
            for name in ("threads", "batch_threads"):
                fastest = getattr(known, name) if known else 0
                if fastest:
                    self._tune(f"{key}.{name}", min(fastest, cores), _fastest(fastest, cores))
                else:
                    self._tune(f"{key}.{name}", cores, rule)
            self._batch(f"{key}.batch", cores)
        self._calls(f"{key}.calls", group, cores, fitting)

    def _cores_of(self, group: Group) -> int:
        """Physical cores of one actor: where it may run on any, as many as count for computing."""
        if not group.cores:
            return min(LLM_MOST, max(1, int(self._machine.power)))
        own = {core.first for core in self._machine.cores if {*core.threads} & {*min(group.places, key=len)}}
        return max(1, len(own))

    def _batch(self, key: str, cores: int) -> None:
        known = self._measured.llm if self._measured else None
        if known is None or not known.batch or not known.prompt_tokens_per_s:
            why = f"rule of thumb: {RULE_BATCH_PER_CORE} for each core, so that nobody's answer is held up for long"
            self._tune(key, min(MOST_BATCH, RULE_BATCH_PER_CORE * cores), why)
            return
        value = min(known.batch, MOST_BATCH)
        step_ms = 1000.0 * value / known.prompt_tokens_per_s
        self._tune(key, value, f"measured: so many are read in {step_ms:.0f} ms, in which those who are answered wait")

    def _calls(self, key: str, group: Group, cores: int, fitting: int) -> None:
        """How many calls one actor holds at once."""
        # Whom the gateway serves is not counted here.
        most = MOST_CALLS if self._settings.gateway.enabled else min(MOST_CALLS, self._settings.audio.max_calls)
        capacity = expected.calls(self._measured, max(1.0, self._machine.power)) if not self._on_gpu else 0
        if self._on_gpu:
            value, why = RULE_CALLS_GPU, "rule of thumb: so many answers a graphics card writes as fast as one"
        elif capacity:
            working = 1 if group.spread == "first" else len(group.places)
            value, why = -(-capacity // working), f"measured: this machine keeps up with {capacity} calls in all"
        else:
            value, why = max(LEAST_CALLS, RULE_CALLS_PER_CORE * cores), f"rule of thumb: {RULE_CALLS_PER_CORE} a core"
        if value > most:
            value, why = most, f"{why}; no more than `audio.max_calls`" if most < MOST_CALLS else why
        if value > fitting:
            where = "on the graphics card" if self._on_gpu else "for models"
            each = f"each takes {self._sizes['llm'].call_mb} MB of it"
            if self._settings.engines.llama_cpp.kv_cache == "f16":
                each += " (`kv_cache: q8_0` takes half)"
            value, why = max(1, fitting), f"for more there is no memory {where}: {each}"
        self._tune(key, value, why)

    def _voice(self, group: Group) -> None:
        known = self._measured.tts if self._measured else None
        cores = self._cores_of(group)
        if known and known.threads:
            value, why = min(known.threads, cores), _fastest(known.threads, cores)
        else:
            value = min(RULE_VOICE_PINNED if group.cores else RULE_VOICE_FREE, cores)
            why = f"rule of thumb: one a core, {RULE_VOICE_PINNED} at most, {RULE_VOICE_FREE} on cores that others use"
        self._tune("engines.piper.threads", value, why)

    # -- audio

    def _audio(self, layout: Layout) -> None:
        why = "beside the turns, away from the models" if layout.house else layout.why_free
        self._tune("audio.cores", layout.house or "any", why)
        if not self._heavy:
            return
        own = self._settings.audio
        capacity = expected.calls(self._measured, max(1.0, self._machine.power))
        if capacity and not self._on_gpu:
            why = "measured: with more, answers would wait for each other (`ringmaster bench capacity` tries it)"
            self._advise("audio.max_calls", capacity, why)
        most = capacity or own.max_calls
        dense = most > DENSE_ABOVE
        why = "many calls: less memory and switching" if dense else "isolation: a death is missed by one caller"
        self._advise("audio.calls_per_process", 25 if dense else 1, why)


_STANDS_BY = "one works, and one stands by with its model loaded for when that dies"

_COUNTED: Mapping[Role, str] = {
    "stt": "one for each core that recognisers have, for each computes on one thread; two at least",
    "llm": f"one for each {LLM_MOST} cores near one memory; when one dies the others go on",
    "tts": f"one for each {TTS_CORES} cores that voices have; when one dies the others go on",
}

_PLACED: Mapping[Role, str] = {
    "stt": "one physical core for each, for a recogniser computes on one thread",
    "llm": "most of the cores, for it is what a caller waits for; of each the first thread only",
    "tts": "apart from the language model, which goes on writing while the voice speaks",
}


def _fastest(threads: int, cores: int) -> str:
    return f"measured: the fastest was {threads}" + (f", and it has {cores} cores" if threads > cores else "")


def _at(settings: Settings, key: str) -> Value:
    """The settings' value."""
    value: object = settings
    for part in key.split("."):
        value = getattr(value, part)
    assert isinstance(value, int | str | tuple)
    return value
