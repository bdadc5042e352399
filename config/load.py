"""From files to a checked configuration: `load(path)` gives all settings and agents, or tells all that is wrong."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from config import addresses, roles
from config.agent import Agent
from config.check import check_agent
from config.decode import Decoder, nearest
from config.problem import ConfigError, Problem
from config.roles import Role
from config.schema import Asterisk, Settings
from config.source import read

SHIPPED = Path(__file__).parent / "ai-agent.yaml"
"""The configuration that ships: the demo agent on the embedded engines."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was configured, checked: names refer to things that are there."""

    path: Path
    """The file that was loaded."""
    settings: Settings
    agents: dict[str, Agent]
    """By name."""
    role: Role = "all"
    """Which part of the system runs here; the settings are those that hold for it."""

    @property
    def agent(self) -> Agent:
        """The agent that answers where the dialplan names none."""
        return self.agents[self.settings.agents.default_agent]


def load(path: Path) -> Config:
    """Loads the settings and all agents. Raises `ConfigError`, which holds every mistake in any of the files."""
    main = Decoder(read(path))
    role = roles.role_of(os.environ, main)
    settings: Settings | None = None
    # Where this is refused, the agents are looked at all the same, so that their mistakes are told in the same go.
    with contextlib.suppress(ConfigError):
        settings = roles.applied(main.decode(Settings), role)
    folder = path.parent / (settings.agents.directory if settings else main.text(("agents", "directory")) or "agents")
    agents, problems = _load_agents(folder, settings)
    if settings is not None:
        _check_settings(settings, folder, {} if problems else agents, main)
    problems += main.problems
    if problems or settings is None:
        raise ConfigError(problems)
    return Config(path=path, settings=settings, agents=agents, role=role)


def load_agent(path: Path) -> Agent:
    """One agent's file by itself; transfer destinations are not looked up. Raises `ConfigError`."""
    decoder = Decoder(read(path))
    agent = decoder.decode(Agent)
    check_agent(agent, None, decoder)
    if decoder.problems:
        raise ConfigError(decoder.problems)
    return agent


def _check_settings(settings: Settings, folder: Path, agents: Mapping[str, Agent], decoder: Decoder) -> None:
    name = settings.active_pipeline
    if name not in settings.pipelines:
        decoder.note(("active_pipeline",), f"there is no pipeline `{name}`{nearest(name, settings.pipelines)}")
    if not folder.is_dir():
        decoder.note(("agents", "directory"), f"there is no folder {folder}; make it, with one YAML file per agent.")
    elif not any(folder.glob("*.yaml")):
        decoder.note(("agents", "directory"), f"the folder {folder} holds no agent; put one there, as *.yaml.")
    elif agents and settings.agents.default_agent not in agents:
        name = settings.agents.default_agent
        decoder.note(("agents", "default_agent"), f"there is no agent `{name}`{nearest(name, agents)}")
    _check_addresses(settings, decoder)
    roles.check(settings, decoder)
    _check_asterisks(settings, decoder)


def _check_addresses(settings: Settings, decoder: Decoder) -> None:
    for at, host in enumerate(settings.audiosocket.allowed_hosts):
        try:
            addresses.network(host)
        except ValueError:
            message = f"`{host}` is neither an address nor a network; write it like `10.0.0.5` or `10.0.0.0/24`."
            decoder.note(("audiosocket", "allowed_hosts", at), message)
    try:
        addresses.port_range(settings.external_media.port_range)
    except ValueError as error:
        decoder.note(("external_media", "port_range"), f"{error}.")


def _check_asterisks(settings: Settings, decoder: Decoder) -> None:
    """Two that register the same application at the same Asterisk would take each other's calls."""
    taken = {_application(settings.asterisk): "asterisk"}
    for name, asterisk in settings.more_asterisks.items():
        first = taken.setdefault(_application(asterisk), f"more_asterisks.{name}")
        if first != f"more_asterisks.{name}":
            message = f"this is the same server and application as `{first}`; give it another `app_name`, or remove it."
            decoder.note(("more_asterisks", name), message)


def _application(asterisk: Asterisk) -> tuple[str, int, str]:
    host = asterisk.host.lower().rstrip(".")
    return "127.0.0.1" if host in ("localhost", "::1") else host, asterisk.port, asterisk.app_name


def _load_agents(folder: Path, settings: Settings | None) -> tuple[dict[str, Agent], list[Problem]]:
    """The agents of the folder by name, and what is wrong with them."""
    agents: dict[str, Agent] = {}
    files: dict[str, Path] = {}
    problems: list[Problem] = []
    pipeline = settings.pipelines.get(settings.active_pipeline) if settings else None
    for file in sorted(folder.glob("*.yaml")):
        try:
            decoder = Decoder(read(file))
            agent = decoder.decode(Agent)
        except ConfigError as error:
            problems += error.problems
            continue
        if agent.name in agents:
            message = f"the agent `{agent.name}` is already in {files[agent.name]}; rename one of the two."
            decoder.note(("name",), message)
        if agent.script is None and pipeline is not None and pipeline.llm == "scripted":
            message = "the active pipeline's `scripted` plays an agent's script; give this one a `script`."
            decoder.note(("script",), message)
        check_agent(agent, settings.transfers.destinations if settings else None, decoder)
        problems += decoder.problems
        agents[agent.name], files[agent.name] = agent, file
    return agents, problems
