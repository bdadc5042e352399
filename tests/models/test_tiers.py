"""Which tier a machine is: by what it has, and by what was measured on it."""

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from models.machine import Machine
from models.measured import Llm, Measured
from models.registry import Unknown, registry
from models.tiers import Choice, choose
from tests.models import recorded
from tests.models.recorded import CARD, Tree, graphics_card


def chosen(tree: Tree, folder: Path, wanted: str = "auto", *, measured: Measured | None = None) -> Choice:
    return choose(tree.detect(folder), registry(), measured, wanted=wanted)


def why(choice: Choice, name: str) -> str:
    return next(verdict.why for verdict in choice.verdicts if verdict.name == name)


def with_card(folder: Path) -> Machine:
    machine = recorded.WORKSTATION.detect(folder, nvidia_smi=graphics_card(folder, CARD))
    return structs.replace(machine, memory_mb=31 << 10)


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        ("VM", "TINY_CPU"),
        ("DESKTOP", "LIGHT_CPU"),
        ("BOARD", "LIGHT_CPU"),
        ("LAPTOP", "MEDIUM_CPU"),
        ("WORKSTATION", "MEDIUM_CPU"),
        ("SERVER", "HEAVY_CPU"),
    ],
)
def test_the_strongest_tier_that_fits_is_taken(name: str, tier: str, tmp_path: Path) -> None:
    choice = chosen(getattr(recorded, name), tmp_path)
    assert (choice.name, choice.fits, choice.forced) == (tier, True, False)


def test_every_tier_has_a_verdict_with_a_reason(tmp_path: Path) -> None:
    choice = chosen(recorded.SERVER, tmp_path)
    assert [verdict.name for verdict in choice.verdicts] == list(registry().tiers)
    assert all(verdict.why for verdict in choice.verdicts)


@pytest.mark.parametrize("name", ["SINGLE", "CONTAINER"])
def test_where_nothing_fits_it_is_the_weakest_and_says_what_is_lacking(name: str, tmp_path: Path) -> None:
    choice = chosen(getattr(recorded, name), tmp_path)
    assert (choice.name, choice.fits) == ("TINY_CPU", False)
    assert "it needs 2 cores, and this machine has 1" in choice.why


def test_hyper_threads_are_no_cores(tmp_path: Path) -> None:
    # 8 threads, and MEDIUM_CPU wants 8 cores.
    assert why(chosen(recorded.DESKTOP, tmp_path), "MEDIUM_CPU") == (
        "it needs 8 cores, and this machine has 4 physical cores"
    )


def test_memory_that_a_container_may_have_is_what_counts(tmp_path: Path) -> None:
    tree = replace(recorded.SERVER, files=recorded.CONTAINER.files | {"sys/fs/cgroup/cpu.max": "max 100000"})
    choice = chosen(tree, tmp_path)
    assert choice.name == "TINY_CPU"
    assert "it needs 6.8 GB of memory, and this machine has 4.0 GB" in why(choice, "LIGHT_CPU")


# -- graphics cards


def test_a_graphics_card_counts_where_llama_cpp_can_use_it(tmp_path: Path) -> None:
    machine = with_card(tmp_path)
    assert choose(machine, registry(), can_offload=True).name == "HEAVY_GPU"
    without = choose(machine, registry(), can_offload=False)
    assert without.name == "MEDIUM_CPU"
    assert "install it anew with CMAKE_ARGS=-DGGML_CUDA=on" in why(without, "HEAVY_GPU")


def test_a_card_that_is_too_small_is_named(tmp_path: Path) -> None:
    choice = choose(with_card(tmp_path), registry(), can_offload=True)
    assert "it needs a graphics card with 22.5 GB, and this machine has one with 12.0 GB" in why(choice, "ULTRA_GPU")


# -- what was measured


def measured(tokens_per_s: float, model: str = "Qwen3-0.6B-Q4_K_M") -> Measured:
    return Measured(llm=Llm(model=model, tokens_per_s=tokens_per_s))


def test_a_machine_that_writes_too_slowly_is_of_a_weaker_tier(tmp_path: Path) -> None:
    fast = chosen(recorded.SERVER, tmp_path / "a", measured=measured(150.0))
    slow = chosen(recorded.SERVER, tmp_path / "b", measured=measured(40.0))
    assert (fast.name, slow.name) == ("HEAVY_CPU", "LIGHT_CPU")
    # The weights of the 4 B model are 6.3 times those of the 0.6 B model: 40 / 6.3.
    assert why(slow, "MEDIUM_CPU") == (
        "it would write about 6 tokens a second with Qwen3-4B-Instruct-2507-Q4_K_M, by what was measured, and speech"
        " needs 10"
    )


def test_of_a_mixture_of_experts_only_those_that_a_token_needs_are_read(tmp_path: Path) -> None:
    """The 30 B model has 3.3 B active: it is as fast as a dense one of 2 GB."""
    choice = chosen(recorded.SERVER, tmp_path, measured=measured(100.0))
    assert choice.name == "HEAVY_CPU"
    assert "about 20 tokens a second with Qwen3-30B-A3B" in why(choice, "HEAVY_CPU")


def test_a_measurement_of_a_model_that_we_do_not_know_says_nothing(tmp_path: Path) -> None:
    assert chosen(recorded.SERVER, tmp_path, measured=measured(1.0, "/somewhere/mine.gguf")).name == "HEAVY_CPU"


# -- what the operator says


def test_the_settings_win_and_what_does_not_fit_is_said(tmp_path: Path) -> None:
    choice = chosen(recorded.VM, tmp_path, "LIGHT_CPU")
    assert (choice.name, choice.forced, choice.fits, choice.cpu_only) == ("LIGHT_CPU", True, False, True)
    assert "though it does not fit: it needs 4 cores" in choice.why
    assert chosen(recorded.SERVER, tmp_path / "b", "LIGHT_CPU").why == "set in the settings (`models.tier`)"


def test_a_tier_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(Unknown, match=r'there is no tier "HUGE"; there are TINY_CPU, LIGHT_CPU, '):
        chosen(recorded.VM, tmp_path, "HUGE")
