"""What a machine has, as its kernel tells: on this one, and on files of others."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from models import machine
from models.machine import Machine, detect
from tests.models import recorded
from tests.models.recorded import Tree

CORES = {
    # machine: physical cores, threads, nodes, fast cores, what counts for computing
    "VM": (2, 2, 1, 2, 2.0),
    "SINGLE": (1, 1, 1, 1, 1.0),
    "DESKTOP": (4, 8, 1, 4, 4.0),
    "SERVER": (32, 64, 2, 32, 32.0),
    "LAPTOP": (14, 20, 1, 6, 6.0),
    "BOARD": (4, 4, 1, 4, 4.0),
    "PHONE": (8, 8, 1, 4, 4.0),
    "CONTAINER": (8, 16, 1, 8, 1.5),
    "OLD_CONTAINER": (8, 8, 1, 8, 2.0),
}


def tree(name: str) -> Tree:
    found: Tree = getattr(recorded, name)
    return found


@pytest.mark.parametrize("name", CORES)
def test_cores_are_told_from_threads_and_slow_ones_from_fast_ones(name: str, tmp_path: Path) -> None:
    here = tree(name).detect(tmp_path)
    fast = sum(core.kind == "performance" for core in here.cores)
    nodes = len({core.node for core in here.cores})
    assert (here.physical, here.cpus, nodes, fast, here.power) == CORES[name]


@pytest.mark.parametrize(
    ("name", "instructions"),
    [
        ("VM", {"avx", "avx2", "fma", "f16c", "avx512", "vnni"}),
        ("SERVER", {"avx", "avx2", "fma", "f16c", "avx512", "vnni", "amx"}),
        ("LAPTOP", {"avx", "avx2", "fma", "f16c", "vnni"}),
        ("BOARD", {"neon", "dotprod"}),
        ("PHONE", {"neon", "dotprod", "i8mm"}),
    ],
)
def test_instruction_sets_that_matter_are_named(name: str, instructions: set[str], tmp_path: Path) -> None:
    assert set(tree(name).detect(tmp_path).instructions) == instructions


def test_the_threads_of_a_core_are_together(tmp_path: Path) -> None:
    assert [core.threads for core in recorded.DESKTOP.detect(tmp_path).cores] == [(0, 4), (1, 5), (2, 6), (3, 7)]


def test_of_a_core_only_the_threads_that_we_may_use_count(tmp_path: Path) -> None:
    here = recorded.DESKTOP.detect(tmp_path, allowed=[1, 4, 5])
    assert [core.threads for core in here.cores] == [(1, 5), (4,)]


def test_cores_of_one_number_in_two_processors_are_two(tmp_path: Path) -> None:
    here = recorded.SERVER.detect(tmp_path)
    assert here.cores[0].threads == (0, 32)
    assert here.cores[16].threads == (16, 48)
    assert [(node.number, node.memory_mb) for node in here.nodes] == [(0, 64409), (1, 64409)]


def test_intels_own_word_on_its_small_cores_comes_before_their_frequency(tmp_path: Path) -> None:
    told = replace(recorded.DESKTOP, files={"sys/devices/cpu_atom/cpus": "2-3,6-7"})
    kinds = [core.kind for core in told.detect(tmp_path).cores]
    assert kinds == ["performance", "performance", "efficiency", "efficiency"]


def test_a_processor_is_named_by_its_maker_or_its_board(tmp_path: Path) -> None:
    assert recorded.LAPTOP.detect(tmp_path / "a").cpu == "12th Gen Intel(R) Core(TM) i7-12700H"
    board = recorded.BOARD.detect(tmp_path / "b")
    assert (board.cpu, board.architecture) == ("Raspberry Pi 5 Model B", "aarch64")


# -- containers


def test_a_quota_and_a_limit_of_memory_are_a_containers_machine(tmp_path: Path) -> None:
    here = recorded.CONTAINER.detect(tmp_path)
    assert (here.quota, here.memory_mb) == (1.5, 4096)
    # 3 GB are taken, and half of that is kept of files and can be had back.
    assert here.available_mb == 1024 + 1536


def test_the_old_cgroups_are_read_too(tmp_path: Path) -> None:
    here = recorded.OLD_CONTAINER.detect(tmp_path)
    assert (here.quota, here.memory_mb, here.available_mb) == (2.0, 2048, 1024 + 256)


def test_the_tightest_group_on_the_way_up_limits(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/system.slice/ringmaster.service",
        "sys/fs/cgroup/system.slice/cpu.max": "300000 100000",
        "sys/fs/cgroup/system.slice/memory.max": str(6 << 30),
        "sys/fs/cgroup/system.slice/memory.current": str(5 << 30),
        "sys/fs/cgroup/system.slice/ringmaster.service/cpu.max": "max 100000",
        "sys/fs/cgroup/system.slice/ringmaster.service/memory.max": str(8 << 30),
        "sys/fs/cgroup/system.slice/ringmaster.service/memory.current": str(1 << 30),
    }
    here = replace(recorded.DESKTOP, files=files).detect(tmp_path)
    assert (here.quota, here.memory_mb, here.available_mb) == (3.0, 6144, 1024)


def test_a_quota_of_more_than_there_is_is_none(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "800000 100000", "sys/fs/cgroup/memory.max": "max"}
    here = replace(recorded.DESKTOP, files=files).detect(tmp_path)
    assert (here.quota, here.power) == (0.0, 4.0)
    assert here.memory_mb == int(15.5 * 1024)


# -- graphics cards


def test_nvidias_cards_are_asked_for(tmp_path: Path) -> None:
    smi = recorded.graphics_card(tmp_path, recorded.CARD, "Tegra, [N/A], [N/A]")
    here = recorded.WORKSTATION.detect(tmp_path, nvidia_smi=smi)
    assert [(gpu.name, gpu.memory_mb, gpu.available_mb) for gpu in here.gpus] == [
        ("NVIDIA GeForce RTX 3060, Rev. 2", 12288, 11900)
    ]
    assert here.gpu_mb == 12288


def test_a_driver_that_fails_is_no_card(tmp_path: Path) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed because it could not communicate with the driver'\nexit 9\n")
    smi.chmod(0o755)
    assert recorded.WORKSTATION.detect(tmp_path, nvidia_smi=str(smi)).gpus == ()


def test_amds_cards_are_in_sys_and_a_processors_own_graphics_is_none(tmp_path: Path) -> None:
    here = replace(recorded.WORKSTATION, files=recorded.AMD_CARD).detect(tmp_path)
    assert [(gpu.maker, gpu.memory_mb, gpu.available_mb) for gpu in here.gpus] == [("amd", 16384, 15360)]


# -- here


def test_this_machine_is_what_its_kernel_says() -> None:
    here = detect()
    assert here.cpus == len(os.sched_getaffinity(0))
    assert sorted(thread for core in here.cores for thread in core.threads) == sorted(os.sched_getaffinity(0))
    assert 0 < here.available_mb <= here.memory_mb
    assert here.memory_mb <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def test_the_disk_is_that_of_a_folder_that_is_yet_to_be_made(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    there = machine.free_disk_mb(tmp_path / "models" / "of" / "mine")
    assert there == pytest.approx((free.f_bavail * free.f_frsize) >> 20, rel=0.05)


def test_a_kernel_that_describes_nothing_still_has_its_cpus(tmp_path: Path) -> None:
    here = detect(tmp_path, root=tmp_path, allowed=[0, 1, 2], nvidia_smi="/no/such/program")
    assert isinstance(here, Machine)
    assert [core.threads for core in here.cores] == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    ("text", "found"), [("0-3,8", (0, 1, 2, 3, 8)), ("5", (5,)), ("", ()), ("0-1,4-5\n", (0, 1, 4, 5))]
)
def test_the_kernels_lists_are_read(text: str, found: tuple[int, ...]) -> None:
    assert machine.numbers(text) == found
