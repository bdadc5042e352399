"""Options that several commands share."""

import argparse
from pathlib import Path

from config.load import SHIPPED, Config, load

USUAL = Path("config/ai-agent.yaml")


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the settings (default: {USUAL} here; where there is none, the demo agent that ships)",
    )


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run-dir", type=Path, metavar="FOLDER", help="folder for sockets and journals (default: `run.directory`)"
    )


def loaded(arguments: argparse.Namespace) -> Config:
    """The configuration that the options name. Raises `ConfigError`."""
    path: Path | None = arguments.config
    if path is None:
        path = USUAL if USUAL.exists() else SHIPPED
    return load(path.resolve())


def run_dir(arguments: argparse.Namespace) -> Path:
    """Raises `ConfigError`: without --run-dir the configuration has to be read."""
    chosen: Path = arguments.run_dir or Path(loaded(arguments).settings.run.directory)
    return chosen.resolve()
