"""Reading the kernel's description of the cores."""

from pathlib import Path

from bench.capacity.topology import Core, cores


def describe(root: Path, number: int, core: int, package: int = 0, node: int = 0) -> None:
    folder = root / f"cpu{number}" / "topology"
    folder.mkdir(parents=True)
    (folder / "core_id").write_text(f"{core}\n")
    (folder / "physical_package_id").write_text(f"{package}\n")
    (folder.parent / f"node{node}").mkdir()


def test_threads_of_one_core_are_one_core(tmp_path: Path) -> None:
    for number in range(8):
        describe(tmp_path, number, core=number % 4)
    assert cores(tmp_path, range(8)) == tuple(Core((at, at + 4)) for at in range(4))


def test_the_same_core_number_in_two_packages_is_two_cores(tmp_path: Path) -> None:
    for number in range(4):
        describe(tmp_path, number, core=number % 2, package=number // 2, node=number // 2)
    assert cores(tmp_path, range(4)) == (Core((0,), 0), Core((1,), 0), Core((2,), 1), Core((3,), 1))


def test_cores_that_may_not_be_used_do_not_count(tmp_path: Path) -> None:
    for number in range(4):
        describe(tmp_path, number, core=number % 2)
    assert cores(tmp_path, (1, 2, 3)) == (Core((1, 3)), Core((2,)))


def test_without_a_description_every_cpu_is_a_core(tmp_path: Path) -> None:
    assert cores(tmp_path, (0, 3)) == (Core((0,)), Core((3,)))


def test_this_machine_has_the_cores_that_this_process_may_use() -> None:
    assert cores()
