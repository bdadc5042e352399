"""`ringmaster tiers`: what this machine has, which hardware tier it is, what that makes of the settings, and why."""

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec

from config.load import Config
from models import expected, planned
from models.machine import Machine
from models.plan import Plan, Tuned
from models.planned import Outlook
from supervisor import cores
from supervisor.commands import common

FINE, WRONG_USE = 0, 2

WIDTH = 120
"""Columns of the text."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument(
        "--machine",
        type=Path,
        metavar="FILE",
        help='what another machine would get: the part "machine" of its --json, in a file',
    )
    parser.add_argument(
        "--pipeline",
        metavar="NAME",
        help="as if this pipeline were the active one, such as `local` (default: the active)",
    )


def run(arguments: argparse.Namespace) -> int:
    config = common.loaded(arguments)
    if arguments.pipeline is not None:
        if arguments.pipeline not in config.settings.pipelines:
            known = ", ".join(config.settings.pipelines)
            print(f"there is no pipeline {arguments.pipeline!r}; there are {known}", file=sys.stderr)
            return WRONG_USE
        settings = msgspec.structs.replace(config.settings, active_pipeline=arguments.pipeline)
        config = msgspec.structs.replace(config, settings=settings)
    other: Machine | None = None
    if arguments.machine is not None:
        try:
            other = _machine(arguments.machine)
        except (OSError, ValueError) as error:
            print(f"{arguments.machine} describes no machine: {error}", file=sys.stderr)
            return WRONG_USE
    outlook = planned.look(config, other)
    if arguments.json:
        print(json.dumps(_json(config, outlook)))
    else:
        print("\n".join(_text(config, outlook, other is None)))
    return FINE


def _machine(file: Path) -> Machine:
    """From the whole of another machine's --json, or from its part. Raises OSError, ValueError."""
    raw = msgspec.json.decode(file.read_bytes())
    machine = msgspec.convert(raw.get("machine", raw) if isinstance(raw, dict) else raw, Machine)
    if not machine.cores or not all(core.threads for core in machine.cores):
        raise ValueError("it has no cores")
    return machine


def _json(config: Config, outlook: Outlook) -> dict[str, Any]:
    known, made = outlook.measured, outlook.plan
    return {
        "machine": msgspec.to_builtins(outlook.machine),
        "pipeline": config.settings.active_pipeline,
        "tier": outlook.choice.name,
        "why": outlook.choice.why,
        "tiers": msgspec.to_builtins(outlook.choice.verdicts),
        "settings": [
            {**msgspec.to_builtins(tuned), "own": _own(config, tuned) if tuned.source == "advice" else None}
            for tuned in made.tuned
        ],
        "places": {name: list(place) for name, place in made.places.items()},
        "answer_ms": round(expected.answer_ms(known, config.settings.turns.end_silence_ms)),
        "measured": known is not None and (known.stt, known.llm, known.tts) != (None, None, None),
    }


def _text(config: Config, outlook: Outlook, is_this_machine: bool) -> list[str]:
    choice, made = outlook.choice, outlook.plan
    lines = [*_about(outlook.machine), "", *_row(f"tier {choice.name}: ", choice.why)]
    widest = max(len(verdict.name) for verdict in choice.verdicts)
    for verdict in choice.verdicts:
        mark = "fits" if verdict.fits else "-"
        lines += _row(f"  {verdict.name:<{widest}}  {mark:<4}  ", verdict.why)
    pipeline = config.settings.pipelines[config.settings.active_pipeline]
    engines = f"{pipeline.stt}, {pipeline.llm}, {pipeline.tts}"
    lines += ["", f"with the pipeline {config.settings.active_pipeline} ({engines}):", ""]
    rows = [(tuned.key, _value(tuned), _why(config, tuned)) for tuned in made.tuned]
    keys, values = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    for key, value, why in rows:
        lines += _row(f"  {key:<{keys}}  {value:<{values}}  ", why)
    lines += _places(made)
    if soon := expected.answer_ms(outlook.measured, config.settings.turns.end_silence_ms):
        lines += ["", f"By what was measured here, an answer begins {soon / 1000:.1f} s after the caller's last word."]
    elif is_this_machine and any(tuned.key.startswith("engines.") for tuned in made.tuned):
        lines += ["", "Not all was measured here with these models: `ringmaster models setup` does that."]
    return lines


def _about(here: Machine) -> list[str]:
    """The machine, in a few lines."""
    threads = f", {here.cpus} threads" if here.cpus != here.physical else ""
    slow = sum(core.kind == "efficiency" for core in here.cores) if here.hybrid else 0
    kinds = f" ({here.physical - slow} fast, {slow} slow)" if slow else ""
    nodes = len({core.node for core in here.cores})
    near = f" on {nodes} NUMA nodes" if nodes > 1 else ""
    quota = f", of which a quota leaves {here.quota:g} CPUs' worth of time" if here.quota else ""
    noun = "core" if here.physical == 1 else "cores"
    memory = f"{here.memory_mb / 1024:.1f} GB of memory, {here.available_mb / 1024:.1f} GB of it free"
    lines = [
        f"{here.cpu or 'a processor without a name'}, {here.architecture}",
        f"{here.physical} physical {noun}{kinds}{threads}{near}{quota}",
        f"{memory}; {here.disk_mb / 1024:.0f} GB free on the disk for models",
        f"instruction sets: {', '.join(here.instructions) or 'none that matter'}",
    ]
    lines += [f"graphics card: {gpu.name}, {gpu.memory_mb / 1024:.1f} GB" for gpu in here.gpus]
    return lines if here.gpus else [*lines, "no graphics card that computes"]


def _why(config: Config, tuned: Tuned) -> str:
    if tuned.source == "settings":
        return f"set in {config.path.name}"
    if tuned.source == "advice":
        own = _own(config, tuned)
        head = "" if own == tuned.value else f"recommended, and {config.path.name} has {own}: "
        return head + tuned.why
    return tuned.why


def _own(config: Config, tuned: Tuned) -> object:
    value: object = config.settings
    for part in tuned.key.split("."):
        value = getattr(value, part)
    return value


def _value(tuned: Tuned) -> str:
    if isinstance(tuned.value, tuple):
        return cores.text(tuned.value)
    return str(tuned.value)


def _places(made: Plan) -> list[str]:
    """Which actor has which cores, where they have their own."""
    if not made.places:
        return []
    lines = ["", "each on cores of its own, by the first thread of each:"]
    lines += [f"  {name:<8}  {cores.text(place)}" for name, place in made.places.items()]
    return lines


def _row(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)
