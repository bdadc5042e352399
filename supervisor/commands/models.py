"""`ringmaster models`: which models there are, bringing them here, whether they are whole, and how fast they are."""

import argparse
import asyncio
import importlib
import json
import signal
import sys
from pathlib import Path
from typing import Any, Protocol, cast

from config.load import SHIPPED, Config
from config.persist import CannotPersist, persist
from models import (
    checking,
    expected,
    folders,
    http_source,
    install,
    planned,
    progress,
    records,
    setup,
    shelf,
    transfer,
    unpack,
)
from models.install import Store
from models.measured import Measured
from models.partial import NoSpace
from models.registry import ROLES, Registry, Unknown, decode, registry
from models.setup import Outcome, Selection, Wish
from supervisor.commands import common, models_text

FINE, NOT_FINE, WRONG_USE = 0, 1, 2

BENCH = "bench.models.command"
PIPELINE = "local"
"""That uses the models; `--activate` makes it the active one."""


LONG_READING = 2_000_000_000
"""Bytes: to read so many, and to check them, takes some seconds, of which the operator should know."""


class Bench(Protocol):
    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Gives the exit code."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    _add_setup(actions.add_parser("setup", help="choose the models for this machine, fetch and measure them"))
    listing = actions.add_parser("list", help="what is here, and what is in use")
    listing.add_argument("--all", action="store_true", help="and everything else that could be fetched")
    check = actions.add_parser("check", help="whether the models are whole, and the engines can load them")
    for each in (listing, check):
        _add_common(each)
    # Its options are its own: none of them begins with that character, so all are words here.
    bench = actions.add_parser(
        "bench", help="measure the engines, and calls from voice to voice", add_help=False, prefix_chars="\0"
    )
    bench.add_argument("words", nargs="*", metavar="...")


def _add_common(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument("--registry", type=Path, metavar="FILE", help="another list of models than the one that ships")


def _add_setup(parser: argparse.ArgumentParser) -> None:
    _add_common(parser)
    parser.add_argument("--tier", metavar="NAME", help="instead of the one that fits this machine (`ringmaster tiers`)")
    parser.add_argument("--language", metavar="TAG", help="such as en-gb, de (default: `models.language`)")
    parser.add_argument("--only", metavar="ROLES", default="stt,llm,tts", help="some of stt,llm,tts")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FOLDER", help="a folder that has the files: nothing is fetched"
    )
    parser.add_argument(
        "--mirror", action="append", default=[], metavar="URL", help="asked first, with the file's name added"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before fetching")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be chosen")
    parser.add_argument("--no-measure", action="store_true", help="do not measure this machine")
    parser.add_argument(
        "--activate", action="store_true", help=f"and make `{PIPELINE}` the active pipeline in the settings"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "bench":
        return _bench(arguments.words)
    config = common.loaded(arguments)
    try:
        known = decode(arguments.registry.read_bytes()) if arguments.registry else registry()
        action = {"setup": _setup, "list": _list, "check": _check}[arguments.action]
        return action(arguments, config, known)
    except Unknown as error:
        print(error, file=sys.stderr)
        return WRONG_USE
    except (
        install.CannotInstall,
        transfer.CannotFetch,
        unpack.CannotUnpack,
        folders.NotThere,
        NoSpace,
        CannotPersist,
        shelf.NoModel,
    ) as error:
        print(error, file=sys.stderr)
        return NOT_FINE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"{where}{error.strerror or error}", file=sys.stderr)
        return NOT_FINE
    except ValueError as error:  # msgspec's, for a registry of one's own
        print(f"{arguments.registry} is no list of models: {error}", file=sys.stderr)
        return WRONG_USE


def _setup(arguments: argparse.Namespace, config: Config, known: Registry) -> int:
    settings = config.settings
    roles = tuple(role for role in ROLES if role in arguments.only.split(","))
    if not roles or set(arguments.only.split(",")) - set(ROLES):
        print(f"--only takes some of {','.join(ROLES)}, not {arguments.only}", file=sys.stderr)
        return WRONG_USE
    if arguments.activate:
        _can_activate(arguments, config)
    wish = Wish(
        tier=arguments.tier or settings.models.tier,
        language=arguments.language or settings.models.language,
        roles=roles,
        measure=not arguments.no_measure,
    )
    # What is said on the way is not what was asked for.
    say = sys.stderr if arguments.json else sys.stdout
    if sum(record.bytes for record in records.every(settings.models.folder)) > LONG_READING:
        print("Reading what is there ...", file=say, flush=True)
    selection = setup.select(settings, known, wish, planned.measured_here(settings))
    print(models_text.selection(selection, settings.models.folder), file=say, flush=True)
    if arguments.dry_run:
        return _tell(arguments, config, Outcome(selection, planned.measured_here(settings)), known)
    store = _store(arguments, config)
    if store.from_directory is None and (problem := http_source.proxy_problem()):
        print(problem, file=sys.stderr)
        return NOT_FINE
    if selection.missing and not arguments.yes and not _agreed(selection):
        return NOT_FINE
    # The command line ends at a broken pipe; a server that closes its connection is none of that.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with install.locked(settings.models.folder):
        install.remove_leftovers(settings.models.folder)
        work = setup.carry_out(settings, known, wish, selection, store, lambda text: print(text, file=say, flush=True))
        outcome = asyncio.run(work)
    print(models_text.selection(outcome.selection, settings.models.folder, outcome.measured or Measured()), file=say)
    if arguments.activate:
        persist(config.path, {("active_pipeline",): PIPELINE})
        print(f"{config.path}: `active_pipeline` is {PIPELINE} now", file=say)
    return _tell(arguments, config, outcome, known)


def _store(arguments: argparse.Namespace, config: Config) -> Store:
    models = config.settings.models
    source = arguments.source or (Path(models.from_directory).expanduser() if models.from_directory else None)
    if source is not None and not source.is_dir():
        raise install.CannotInstall(f"there is no folder {source}")
    return Store(
        folder=models.folder,
        bar=progress.Bar,
        from_directory=source,
        mirrors=(*arguments.mirror, *models.mirrors),
    )


def _agreed(selection: Selection) -> bool:
    """Whether somebody says that so much may be fetched."""
    size = sum(model.bytes for model in selection.missing)
    if not sys.stdin.isatty():
        print(f"{size / 1e6:,.0f} MB would be fetched: say --yes where nobody can be asked", file=sys.stderr)
        return False
    return input(f"Fetch {size / 1e6:,.0f} MB? [Y/n] ").strip().lower() in ("", "y", "yes")


def _can_activate(arguments: argparse.Namespace, config: Config) -> None:
    """Before anything is fetched. Raises `CannotPersist`."""
    if arguments.config is None and config.path == SHIPPED.resolve() and not common.USUAL.exists():
        raise CannotPersist("there are no settings to activate it in: name the file with --config")
    if PIPELINE not in config.settings.pipelines:
        raise CannotPersist(f"{config.path} has no pipeline `{PIPELINE}`: add it under `pipelines`")


def _tell(arguments: argparse.Namespace, config: Config, outcome: Outcome, known: Registry) -> int:
    expectation = known.tier(outcome.selection.choice.name).expectations
    silence = config.settings.turns.end_silence_ms
    answer_ms = expected.answer_ms(outcome.measured, silence)
    calls = expected.calls(outcome.measured, outcome.selection.machine.power)
    if arguments.json:
        print(
            json.dumps(models_text.outcome_json(outcome, expectation, answer_ms, calls, config.settings.models.folder))
        )
    else:
        print(models_text.expectation(expectation, answer_ms, calls, silence))
    for complaint in outcome.complaints:
        print(complaint, file=sys.stderr)
    return NOT_FINE if outcome.complaints else FINE


def _list(arguments: argparse.Namespace, config: Config, known: Registry) -> int:
    models = config.settings.models
    choice = shelf.choice(models)
    rows = models_text.listing(known, models.folder, choice, everything=arguments.all)
    if arguments.json:
        found: dict[str, Any] = {"folder": str(models.folder), "tier": choice.tier if choice else "", "models": rows}
        print(json.dumps(found))
    elif rows:
        print(f"Models in {models.folder}" + (f", chosen for {choice.tier}" if choice else "") + ":")
        print(models_text.listing_table(rows))
    else:
        print(f"There are no models in {models.folder} yet: run `ringmaster models setup`, or `list --all`.")
    return FINE


def _check(arguments: argparse.Namespace, config: Config, known: Registry) -> int:
    findings = checking.check(config.settings)
    if arguments.json:
        rows = [
            {"role": found.role, "name": found.name, "path": str(found.path), "problem": found.problem}
            for found in findings
        ]
        print(json.dumps({"fine": not any(found.problem for found in findings), "models": rows}))
    else:
        for found in findings:
            print(f"{found.role or '-':4} {found.name or '-'}: {found.problem or 'fine'}")
    return NOT_FINE if any(found.problem for found in findings) else FINE


def _bench(words: list[str]) -> int:
    try:
        bench = cast(Bench, importlib.import_module(BENCH))
    except ModuleNotFoundError as error:
        if error.name is None or not BENCH.startswith(error.name):
            raise
        print(f"the bench of models is not part of this installation: there is no {error.name}", file=sys.stderr)
        return NOT_FINE
    parser = argparse.ArgumentParser(
        prog="ringmaster models bench", description="Measures the engines, and calls from voice to voice."
    )
    bench.add_arguments(parser)
    # The command line ends at a broken pipe; a bench has sockets, which break at every hangup.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    return bench.run(parser.parse_args(words))
