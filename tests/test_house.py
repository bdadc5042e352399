"""The house itself: which folder may import which, and who alone touches shared memory and ZeroMQ."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("actors", "bench", "config", "ipc", "models", "supervisor")
MAY_IMPORT = {
    "ipc": {"ipc"},
    "config": {"config"},
    "models": {"models", "config"},
    "actors": {"actors", "ipc", "config", "models"},
    "supervisor": {"supervisor", "ipc", "config", "models"},
    "bench": set(FOLDERS),
}
ONLY_IN_IPC = ("zmq", "multiprocessing")


def modules() -> list[Path]:
    return sorted(file.relative_to(ROOT) for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute here"
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("file", modules(), ids=str)
def test_imports_point_one_way(file: Path) -> None:
    folder = file.parts[0]
    ours = {name.split(".")[0] for name in imported(file)} & set(FOLDERS)
    assert ours <= MAY_IMPORT[folder], f"{folder} does not import {ours - MAY_IMPORT[folder]}"


@pytest.mark.parametrize("file", [file for file in modules() if len(file.parts) > 2], ids=str)
def test_an_actor_never_imports_another_actors_folder(file: Path) -> None:
    if file.parts[0] != "actors":
        return
    neighbours = {path.name for path in (ROOT / "actors").iterdir() if path.is_dir()} - {file.parts[1]}
    for name in imported(file):
        parts = name.split(".")
        assert not (parts[0] == "actors" and len(parts) > 1 and parts[1] in neighbours), name


@pytest.mark.parametrize("file", [file for file in modules() if file.parts[0] != "ipc"], ids=str)
def test_only_ipc_touches_shared_memory_and_zeromq(file: Path) -> None:
    assert not {name.split(".")[0] for name in imported(file)} & set(ONLY_IN_IPC)


@pytest.mark.parametrize("file", modules(), ids=str)
def test_a_file_fits_in_a_head(file: Path) -> None:
    assert len((ROOT / file).read_text().splitlines()) <= 450
