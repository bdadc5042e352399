"""What the tests of this folder share: a configuration with a free port, small houses of puppets, and waiting.

Nothing here sleeps to wait: everything waits for an event, and fails at a deadline that only a broken test reaches.
"""

import contextlib
import os
import select
import socket
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import yaml

from config.load import SHIPPED, Config, load
from supervisor.specs import AUDIO, AUDIO_WORKER, NURSERY, ChildSpec, Group, Restart, Strategy

DEADLINE_S = 30.0
"""For anything that a test waits for, on slow and shared cores."""

REPOSITORY = Path(__file__).parents[2]

PUPPET = "tests.supervisor.puppet"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_udp_ports(count: int) -> int:
    """The first of so many in a row that are free, an even one."""
    for first in range(40_000 + os.getpid() % 5000 * 2, 65_000 - count, 2 * count):
        with contextlib.ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probe = probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError(f"no {count} UDP ports in a row are free")


def configuration(folder: Path, **sections: dict[str, object]) -> Config:
    """The configuration that ships, on disk again, for the actors read it too: with a free port, no wish for real-time
    priority, and these sections."""
    usual: dict[str, dict[str, object]] = {
        "agents": {"directory": str(SHIPPED.parent / "agents")},
        "run": {"directory": str(folder / "run"), "log_level": "debug"},
        "audio": {"warm": 1, "max_calls": 3, "priority": 0},
        "audiosocket": {"port": free_port(), "uuid_timeout_ms": 500, "max_waiting": 8},
    }
    settings = yaml.safe_load(SHIPPED.read_text())
    del settings["engines"]  # the puppets have none
    for changes in (usual, sections):
        for name, section in changes.items():
            settings[name] = settings.get(name, {}) | section
    path = folder / "ringmaster.yaml"
    path.write_text(yaml.safe_dump(settings))
    return load(path)


def puppet(name: str, mode: str = "good", **more: object) -> ChildSpec:
    spec = ChildSpec(name=name, role=name.partition(".")[0], module=PUPPET, arguments=(mode,))
    return replace(spec, **more)  # type: ignore[arg-type]


def group(name: str, *children: ChildSpec, **more: object) -> Group:
    return replace(Group(name, Strategy.ONE_FOR_ONE, children), **more)  # type: ignore[arg-type]


def audio_groups() -> tuple[Group, Group]:
    """The real nursery and the real audio actors."""
    nursery = ChildSpec(
        name=NURSERY, role=NURSERY, module="actors.audio.nursery", stall_s=None, arguments=(AUDIO_WORKER,)
    )
    audio = ChildSpec(
        name=AUDIO, role=AUDIO, module=AUDIO_WORKER, restart=Restart.TRANSIENT, shutdown_s=1.0, stall_s=2.0
    )
    return group(NURSERY, nursery), Group(AUDIO, Strategy.SIMPLE_ONE_FOR_ONE, (audio,), intensity=20)


def small_house() -> tuple[Group, ...]:
    """All roles, each a puppet but for the audio."""
    pools = (group(role, puppet(f"{role}.1", stall_s=3.0)) for role in ("stt", "llm", "tts", "conversation"))
    return (*audio_groups(), *pools, group("call-control", puppet("call-control", "control"), waits=True))


def environment() -> dict[str, str]:
    """For interpreters that the tests start themselves."""
    return os.environ | {"PYTHONPATH": str(REPOSITORY)}


def alive(pid: int) -> bool:
    """False for the dead whom nobody has reaped yet, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_until_dead(pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([pidfd], [], [], DEADLINE_S)[0], f"process {pid} still lives"
        finally:
            os.close(pidfd)
