"""The whole system with the engines that are measured, beside the stand-in Asterisk."""

import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from bench.asterisk import Asterisk
from bench.models.bundle import Bundle
from bench.system import DIALPLAN, PASSWORD, USER, System, free_port, settings
from config.agent import Agent
from config.load import SHIPPED, load

AGENT = "front-desk"

_FACTS = (
    "A checkup takes half an hour and costs forty dollars.", "A cleaning takes an hour and costs ninety dollars.",
    "Children are welcome, and there are toys in the waiting room.", "There is free parking behind the house.",
    "Bus number seven stops at the library, just across the street.", "All the large insurance plans are taken.",
    "Patients should bring their insurance card and come ten minutes early.", "The practice is closed at the weekend.",
    "In an emergency the caller is put through to a person at once.", "A visit can be moved or cancelled by phone.",
    "Nobody is ever told about other patients.", "Prices of other treatments are told by a person only.",
)  # fmt: skip
"""With them, the agent's instructions and tools are about 300 tokens."""


def instructions() -> str:
    """The demo agent's prompt, and more."""
    return f"{_agent().prompt.strip()} {' '.join(_FACTS)}"


def tools() -> tuple[str, ...]:
    """The demo agent's."""
    return _agent().tools


def greeting() -> str:
    return _agent().greeting


@cache
def _agent() -> Agent:
    return load(SHIPPED).agents[AGENT]


def well_informed(folder: Path) -> Path:
    """Writes the agent with these instructions; gives the folder that it is in."""
    agents = folder / "agents"
    agents.mkdir(parents=True, exist_ok=True)
    told = msgspec.to_builtins(structs.replace(_agent(), prompt=instructions()))
    (agents / f"{AGENT}.yaml").write_text(json.dumps(told))  # JSON is YAML, and has no words that mean yes and no
    return agents


@contextlib.asynccontextmanager
async def place(
    folder: Path, bundle: Bundle, pipeline: Mapping[str, str], changes: Mapping[str, Any]
) -> AsyncIterator[tuple[System, Asterisk]]:
    """Ready for calls. pipeline: engine by role; changes: of the settings. Raises `bench.system.NotReady`."""
    sections = {
        "agents": {"directory": str(well_informed(folder))},
        "active_pipeline": "bench",
        "pipelines": {"bench": dict(pipeline)},
        **changes,
    }
    used = {name: section for name, section in bundle.engines.items() if name in pipeline.values()}
    sections["engines"] = {**used, **_merged(used, changes.get("engines", {}))}
    with tempfile.TemporaryDirectory(prefix="ringmaster-") as run_dir:
        asterisk = Asterisk(DIALPLAN, user=USER, password=PASSWORD)
        async with asterisk, System(folder, Path(run_dir), settings(asterisk.port, free_port(), sections)) as system:
            await system.until_ready()
            await system.until_connected(asterisk)
            yield system, asterisk


def _merged(used: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {**used.get(name, {}), **section} for name, section in changes.items()}
