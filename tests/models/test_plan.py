"""What other machines would make of the settings: actors, cores, threads. Tables over recorded machines."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from config.engines import Role
from config.schema import ModelActor, Settings
from models.machine import Machine
from models.measured import Llm, Measured, Stt, Tts
from models.plan import AUTO, Plan, plan
from models.registry import registry
from models.sizing import Size, Sizes
from models.tiers import choose
from tests.models import recorded
from tests.models.recorded import CARD, graphics_card

ROLES: tuple[Role, ...] = ("stt", "llm", "tts")

TYPICAL: Sizes = {
    "stt": Size(actor_mb=300, weights_mb=70),
    "llm": Size(shared_mb=400, actor_mb=400, call_mb=256, weights_mb=400),
    "tts": Size(actor_mb=250, weights_mb=60),
}
"""A small recogniser, a 0.5 B model in 4 bits, a voice of medium quality."""


def local(**sections: Any) -> Settings:
    return Settings(active_pipeline="local", **sections)


def machine(name: str, folder: Path) -> Machine:
    smi = graphics_card(folder, CARD) if name == "WORKSTATION" else ""
    found: Machine = getattr(recorded, name).detect(folder, nvidia_smi=smi)
    return found


def planned(
    here: Machine,
    settings: Settings | None = None,
    sizes: Sizes | None = None,
    measured: Measured | None = None,
    *,
    can_offload: bool = False,
) -> Plan:
    settings = settings or local()
    choice = choose(here, registry(), measured, wanted=settings.models.tier, can_offload=can_offload)
    return plan(here, choice, settings, sizes or TYPICAL, measured, can_offload=can_offload)


def value(made: Plan, key: str) -> Any:
    return made[key]


def why(made: Plan, key: str) -> str:
    return next(tuned.why for tuned in made.tuned if tuned.key == key)


# -- many machines

ACTORS = {
    # machine: actors of stt, llm and tts; threads of the language model and of the voice
    "VM": (2, 2, 1, 2, 2),
    "DESKTOP": (2, 2, 2, 2, 1),
    "LAPTOP": (2, 2, 2, 4, 1),
    "BOARD": (2, 2, 2, 2, 1),
    "SERVER": (6, 2, 2, 9, 3),
    "WORKSTATION": (2, 2, 2, 4, 2),
    "OLD_CONTAINER": (1, 1, 1, 2, 2),
}


@pytest.mark.parametrize("name", ACTORS)
def test_each_machine_has_its_actors_and_threads(name: str, tmp_path: Path) -> None:
    made = planned(machine(name, tmp_path))
    counts = tuple(made[f"actors.{role}.count"] for role in ROLES)
    assert (*counts, made["engines.llama_cpp.threads"], made["engines.piper.threads"]) == ACTORS[name]


PLACES = {
    # 4 cores: one keeps house, two are the language model's, the last is shared by those who take turns anyhow.
    "DESKTOP": {"house": (0, 4), "stt": [(3,), (3,)], "llm": [(1, 2), (1, 2)], "tts": [(3,), (3,)]},
    # The slow cores keep house, the fast ones compute.
    "LAPTOP": {
        "house": (12, 13, 14, 15, 16, 17, 18, 19),
        "stt": [(10,), (10,)],
        "llm": [(0, 2, 4, 6), (0, 2, 4, 6)],
        "tts": [(8,), (8,)],
    },
    # One language model for each node, and each role on both.
    "SERVER": {
        "house": (0, 32),
        "stt": [(29,), (30,), (31,), (13,), (14,), (15,)],
        "llm": [tuple(range(16, 26)), tuple(range(1, 10))],
        "tts": [(26, 27, 28), (10, 11, 12)],
    },
}


@pytest.mark.parametrize("name", PLACES)
def test_actors_are_pinned_apart_from_the_house_and_from_each_other(name: str, tmp_path: Path) -> None:
    made = planned(machine(name, tmp_path))
    found: dict[str, Any] = {
        role: [place for actor, place in made.places.items() if actor.startswith(role)] for role in ROLES
    }
    assert made["audio.cores"] == made["actors.conversation.cores"]
    assert {"house": made["audio.cores"], **found} == PLACES[name]


@pytest.mark.parametrize("name", [*ACTORS, "PHONE", "SINGLE", "CONTAINER"])
def test_whatever_the_machine_these_hold(name: str, tmp_path: Path) -> None:
    here = machine(name, tmp_path)
    made = planned(here)
    core_of = {thread: at for at, core in enumerate(here.cores) for thread in core.threads}
    node_of = {thread: core.node for core in here.cores for thread in core.threads}
    house = {core_of[number] for number in value(made, "audio.cores")} if made.places else set()
    for actor, place in made.places.items():
        cores = [core_of[number] for number in place]
        assert len(set(cores)) == len(cores), f"{actor} has two threads of one core"
        assert len({node_of[number] for number in place}) == 1, f"{actor} has cores of two nodes"
        assert not house & set(cores), f"{actor} is on the core that keeps house"
    for role in ROLES:
        own = {actor: {core_of[number] for number in place} for actor, place in made.places.items()}
        llm = set().union(*(cores for actor, cores in own.items() if actor.startswith("llm")))
        others = set().union(*(cores for actor, cores in own.items() if not actor.startswith("llm")))
        assert not llm & others, "the language model shares its cores with another role"
        assert value(made, f"actors.{role}.count") >= 1
    threads = value(made, "engines.llama_cpp.threads")
    assert 1 <= threads <= max(1, here.power)
    assert all(tuned.why for tuned in made.tuned)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("VM", "2 physical cores are too few to part"),
        ("SINGLE", "1 physical core is too few to part"),
        ("CONTAINER", "a quota of 1.5 CPUs limits the time and not the cores"),
    ],
)
def test_where_there_is_nothing_to_part_nobody_is_pinned(name: str, reason: str, tmp_path: Path) -> None:
    made = planned(machine(name, tmp_path))
    assert made.places == {}
    for key in ("audio.cores", "actors.conversation.cores", *(f"actors.{role}.cores" for role in ROLES)):
        assert made[key] == "any"
        assert reason in why(made, key)


def test_with_one_core_everything_runs_on_one_thread(tmp_path: Path) -> None:
    roomy = structs.replace(machine("SINGLE", tmp_path), memory_mb=16 << 10)
    made = planned(roomy)
    assert (made["engines.llama_cpp.threads"], made["engines.piper.threads"]) == (1, 1)
    assert [made[f"actors.{role}.count"] for role in ROLES] == [2, 2, 2], "a spare of each all the same"


def test_many_calls_have_cores_of_their_own_for_their_audio(tmp_path: Path) -> None:
    here = machine("SERVER", tmp_path)
    settings = Settings()
    many = local(audio=structs.replace(settings.audio, max_calls=400))
    assert planned(here)["audio.cores"] == (0, 32)
    # 400 calls are 2 cores' worth, of which each is to be half idle.
    assert planned(here, many)["audio.cores"] == (0, 1, 2, 3, 32, 33, 34, 35)


def test_a_node_that_is_too_small_for_all_roles_is_left_to_some(tmp_path: Path) -> None:
    """Two nodes of two cores: the language model has one of them."""
    cores = [recorded.Cpu(number, number % 2, package=number // 2, node=number // 2) for number in range(4)]
    here = recorded.Tree(cores, 30.0).detect(tmp_path)
    made = planned(here)
    assert made["audio.cores"] == (0,)
    house, lone, pair = (0,), (1,), (2, 3)
    assert made["audio.cores"] == house
    assert [made.places[f"{role}.{number}"] for role in ROLES for number in (1, 2)] == [lone] * 2 + [pair] * 2 + [
        lone
    ] * 2


# -- spares


def test_two_that_compute_on_the_same_cores_do_not_share_the_calls(tmp_path: Path) -> None:
    made = planned(machine("DESKTOP", tmp_path))
    assert made["actors.llm.spread"] == "first"
    assert "stands by" in why(made, "actors.llm.count")


def test_two_on_cores_of_their_own_do(tmp_path: Path) -> None:
    made = planned(machine("SERVER", tmp_path))
    assert [made[f"actors.{role}.spread"] for role in ROLES] == ["evenly"] * 3


# -- the engines that need no model


@pytest.mark.parametrize("name", ["VM", "DESKTOP", "SERVER", "SINGLE"])
def test_engines_that_compute_little_are_two_of_each_anywhere(name: str, tmp_path: Path) -> None:
    made = planned(machine(name, tmp_path), Settings())
    assert [made[f"actors.{role}.count"] for role in ROLES] == [2, 2, 2]
    assert [made[f"actors.{role}.cores"] for role in ROLES] == ["any"] * 3
    assert (made["audio.cores"], made.places) == ("any", {})
    assert not [tuned.key for tuned in made.tuned if tuned.key.startswith("engines.")]


def test_with_a_provider_nothing_is_parted(tmp_path: Path) -> None:
    made = planned(machine("SERVER", tmp_path), local(default_provider="loopback"))
    assert made.places == {}
    assert "the provider `loopback` holds the calls itself" in why(made, "actors.llm.count")


def test_one_heavy_engine_among_light_ones_has_the_cores(tmp_path: Path) -> None:
    settings = Settings()
    mixed = structs.replace(settings.pipelines["embedded"], llm="llama_cpp")
    made = planned(machine("DESKTOP", tmp_path), local(pipelines={"local": mixed}))
    assert made.places == {"llm.1": (1, 2, 3), "llm.2": (1, 2, 3)}
    assert made["actors.stt.cores"] == "any"


# -- graphics cards


def test_a_graphics_card_computes_the_model_that_fits_into_it(tmp_path: Path) -> None:
    made = planned(machine("WORKSTATION", tmp_path), can_offload=True)
    assert (made["engines.llama_cpp.gpu_layers"], made["engines.llama_cpp.threads"]) == (-1, 1)
    # One core feeds it; the others are for recogniser and voice.
    assert [made[f"actors.{role}.cores"] for role in ROLES] == [(5, 6, 7), (1,), (2, 3, 4)]


@pytest.mark.parametrize(
    ("settings", "can_offload", "weights_mb", "reason"),
    [
        (local(), False, 400, "llama-cpp-python was built without CUDA"),
        (local(), True, 11_000, "the model takes 12.1 GB, and the graphics card has 12.0 GB"),
        (
            local(models=structs.replace(Settings().models, tier="LIGHT_CPU")),
            True,
            400,
            "the tier LIGHT_CPU computes on",
        ),
    ],
)
def test_else_the_cpu_does_and_the_reason_is_told(
    settings: Settings, can_offload: bool, weights_mb: int, reason: str, tmp_path: Path
) -> None:
    large = structs.replace(TYPICAL["llm"], shared_mb=weights_mb, weights_mb=weights_mb, call_mb=200)
    made = planned(machine("WORKSTATION", tmp_path), settings, {**TYPICAL, "llm": large}, can_offload=can_offload)
    assert (made["engines.llama_cpp.gpu_layers"], made["engines.llama_cpp.threads"]) == (0, 4)
    assert reason in why(made, "engines.llama_cpp.gpu_layers")


def test_every_process_has_its_own_weights_on_a_graphics_card(tmp_path: Path) -> None:
    large = structs.replace(TYPICAL["llm"], weights_mb=5000, call_mb=500)
    made = planned(machine("WORKSTATION", tmp_path), sizes={**TYPICAL, "llm": large}, can_offload=True)
    assert made["actors.llm.count"] == 1
    assert "no memory for a second copy of the weights" in why(made, "actors.llm.count")
    # 12288 - 1024 - 5000 MB hold twelve of 500.
    assert made["engines.llama_cpp.calls"] == 12


# -- memory


def test_weights_are_shared_and_what_calls_keep_is_not(tmp_path: Path) -> None:
    """8 GB: 70 % is 5734 MB. Two recognisers and two voices take 1100, the weights 2400 once, the buffers 800."""
    here = structs.replace(machine("VM", tmp_path), memory_mb=8192)
    big = Size(shared_mb=2400, actor_mb=400, call_mb=300, weights_mb=2400)
    made = planned(here, sizes={**TYPICAL, "llm": big})
    assert [made[f"actors.{role}.count"] for role in ROLES] == [2, 2, 2]
    assert made["engines.llama_cpp.calls"] == (5734 - 1100 - 2400 - 800) // (2 * 300)
    assert "each takes 300 MB of it (`kv_cache: q8_0` takes half)" in why(made, "engines.llama_cpp.calls")


@pytest.mark.parametrize(
    ("memory_gb", "counts"),
    [
        (6, [2, 2, 2]),
        (5, [2, 2, 1]),
        (4.5, [1, 2, 2]),
        (4.2, [1, 2, 1]),
        (3.9, [2, 1, 2]),
        (3.5, [2, 1, 1]),
        (3.3, [1, 1, 2]),
        (3, [1, 1, 1]),
        (1, [1, 1, 1]),
    ],
)
def test_where_memory_is_short_the_least_missed_spares_go_first(
    memory_gb: float, counts: list[int], tmp_path: Path
) -> None:
    """With all spares they take 3600 MB; 70 % of the memory is theirs."""
    here = structs.replace(machine("VM", tmp_path), memory_mb=int(memory_gb * 1024))
    sizes: Sizes = {
        "stt": Size(actor_mb=400),
        "llm": Size(shared_mb=400, actor_mb=400, call_mb=500),
        "tts": Size(actor_mb=300),
    }
    made = planned(here, sizes=sizes)
    assert [made[f"actors.{role}.count"] for role in ROLES] == counts
    for role, count in zip(ROLES, counts, strict=True):
        assert ("there is no memory" in why(made, f"actors.{role}.count")) == (count == 1)


def test_large_recognisers_are_fewer_than_their_cores(tmp_path: Path) -> None:
    sizes = {**TYPICAL, "stt": Size(actor_mb=30_000)}
    made = planned(machine("SERVER", tmp_path), sizes=sizes)
    assert made["actors.stt.count"] == 2
    assert made.places["stt.2"] == (30,)
    assert made["actors.llm.count"] == 2


# -- what was measured

MEASURED = Measured(
    stt=Stt(real_time_factor=0.2),
    llm=Llm(threads=6, tokens_per_s=40, batch_threads=3, batch=24, prompt_tokens_per_s=300, batched_tokens_per_s=100),
    tts=Tts(threads=1, real_time_factor=0.1, first_audio_ms=120),
)


def test_what_was_measured_comes_before_rules_of_thumb(tmp_path: Path) -> None:
    made = planned(machine("DESKTOP", tmp_path), measured=MEASURED)
    key = "engines.llama_cpp"
    # 6 threads were the fastest of all cores, but its own are 2.
    assert (made[f"{key}.threads"], made[f"{key}.batch_threads"], made[f"{key}.batch"]) == (2, 2, 24)
    assert why(made, f"{key}.threads") == "measured: the fastest was 6, and it has 2 cores"
    assert why(made, f"{key}.batch").startswith("measured: so many are read in 80 ms")
    assert made["engines.piper.threads"] == 1


def test_how_many_calls_there_may_be_is_recommended_where_it_was_measured(tmp_path: Path) -> None:
    made = planned(machine("DESKTOP", tmp_path), measured=MEASURED)
    advice = {tuned.key: tuned.value for tuned in made.tuned if tuned.source == "advice"}
    # A turn takes 4 x 0.2 + (40 / 300 + 25 / 100) x 4 + 5 x 0.1 = 2.8 core seconds; half of 4 cores give 20 in 10 s.
    assert advice == {"audio.max_calls": 7, "audio.calls_per_process": 1}
    assert made["engines.llama_cpp.calls"] == 7


# -- what the operator says


def test_what_the_settings_say_is_kept_and_named_as_such(tmp_path: Path) -> None:
    settings = Settings()
    actors = structs.replace(settings.actors, llm=ModelActor(count=3, cores=(1, 2, 3)), tts=ModelActor(count=5))
    engines = structs.replace(
        settings.engines, llama_cpp=structs.replace(settings.engines.llama_cpp, batch=77, calls=9)
    )
    made = planned(machine("DESKTOP", tmp_path), local(actors=actors, engines=engines))
    given = {tuned.key: tuned.value for tuned in made.tuned if tuned.source == "settings"}
    assert given == {
        "actors.llm.count": 3,
        "actors.llm.cores": (1, 2, 3),
        "actors.tts.count": 5,
        "engines.llama_cpp.batch": 77,
        "engines.llama_cpp.calls": 9,
    }
    assert made["engines.llama_cpp.threads"] == 3, "as many as the cores that were given"
    assert made["actors.llm.spread"] == "first", "all of them are on the same cores"
    assert {actor for actor in made.places if actor.startswith("llm")} == set()
    assert len([actor for actor in made.places if actor.startswith("tts")]) == 5


def test_given_hyper_threads_are_counted_as_the_cores_that_they_are(tmp_path: Path) -> None:
    actors = structs.replace(Settings().actors, llm=ModelActor(cores=(1, 2, 5, 6)))
    assert planned(machine("DESKTOP", tmp_path), local(actors=actors))["engines.llama_cpp.threads"] == 2


def test_every_value_that_can_be_left_to_the_tier_is_planned(tmp_path: Path) -> None:
    """So that no process ever sees a setting that says "as the hardware tier says"."""
    made = planned(machine("DESKTOP", tmp_path))
    left = {tuned.key for tuned in made.tuned}

    def walk(section: Any, key: str) -> None:
        for name in section.__struct_fields__:
            own, inner = getattr(section, name), f"{key}.{name}" if key else name
            if hasattr(own, "__struct_fields__"):
                walk(own, inner)
            elif name in AUTO and own == AUTO[name]:
                assert inner in left, f"{inner} is left to the tier, and nothing plans it"

    walk(local(), "")
