"""The nursery's answers, without a nursery: what becomes of a newborn when this process may open no more files."""

import asyncio
import os
import resource
import socket
import subprocess
import sys
from types import SimpleNamespace

import msgspec
import pytest

from config.schema import Audio
from ipc import descriptors
from ipc.lifeline import Born, Lifeline
from supervisor.specs import AUDIO, AUDIO_WORKER, ChildSpec
from supervisor.tree import State
from supervisor.warm_pool import WarmPool
from tests.supervisor.stage import DEADLINE_S

SPEC = ChildSpec(name=f"{AUDIO}.1", role=AUDIO, module=AUDIO_WORKER)


class OneTree:
    """Stands for `supervisor.tree.Tree`: the nursery is ready, and one child after another may be added."""

    def __getitem__(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(state=State.READY)

    def admits(self, group: str) -> bool:
        return True

    def add(self, group: str, name: str, now: float) -> ChildSpec:
        return SPEC


class OneChild:
    """Stands for `supervisor.children.Children`: takes note of who was born."""

    def __init__(self) -> None:
        self.born: list[tuple[str, int, int]] = []
        self.tree = OneTree()

    def lifeline(self, spec: ChildSpec, *, outlives_parent: bool) -> Lifeline:
        return Lifeline(
            name=spec.name, role=spec.role, run_dir="", config="", board="", slot=0, death_fd=0, bell_fd=0, parent=0
        )

    def adopt(self, lifeline: Lifeline, pid: int, pidfd: int) -> None:
        self.born.append((lifeline.name, pid, pidfd))

    def stalled(self, name: str, reason: str) -> None:
        raise AssertionError(f"{name}: {reason}")


def no_more_files() -> int:
    """Gives how many there may be, so that none is left."""
    free = os.dup(0)
    os.close(free)
    return free


def test_a_newborn_is_not_lost_where_no_more_files_may_be_opened() -> None:
    """Its pidfd comes over the nursery's socket, and needs a descriptor here."""

    async def scene() -> None:
        children = OneChild()
        pool = WarmPool(children, Audio(warm=1))  # type: ignore[arg-type]
        ours, theirs = descriptors.pair()
        pool.nursery_came(ours)
        pool.fill()
        order, files = descriptors.receive_packet(theirs)
        name = msgspec.json.decode(order, type=Lifeline).name
        with subprocess.Popen([sys.executable, "-c", ""]) as process:
            pidfd = os.pidfd_open(process.pid)
            before = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (no_more_files(), before[1]))
            try:
                socket.send_fds(theirs, [msgspec.json.encode(Born(name=name, pid=process.pid))], [pidfd])
                async with asyncio.timeout(DEADLINE_S):
                    while not children.born:
                        await asyncio.sleep(0)
                with pytest.raises(OSError, match="Too many open files"):
                    os.dup(0)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert [(who, pid) for who, pid, _ in children.born] == [(name, process.pid)]
        pool.ended(name)
        pool.ended("nursery")
        theirs.close()
        for descriptor in (pidfd, *files, *(born[2] for born in children.born)):
            os.close(descriptor)

    asyncio.run(scene())
