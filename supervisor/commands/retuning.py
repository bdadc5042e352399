"""What `affinity`, `priority`, `density` and `recycle` have in common: the order, the answer, the settings' file."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from config.persist import CannotPersist, persist
from config.schema import Actor, Actors
from ipc.bus import Bus
from ipc.messages import Message
from ipc.orders import Granted, Retuned
from supervisor import cores
from supervisor.commands import asking, common
from supervisor.commands.asking import NOT_FINE, SUPERVISOR

ANSWER_S = 10.0
"""Each thread takes some microseconds; a system with a thousand processes is done in a fraction of this."""

FINE = 0

TARGET = 'an actor ("stt.1"), a role ("audio", "stt", "llm", "tts", "conversation", "call-control") or "supervisor"'

Key = tuple[str, ...]
Values = Mapping[Key, int | Sequence[int] | str]
"""Keys of the configuration, and what is to stand there."""

ROLES = tuple(
    field.name
    for field in msgspec.structs.fields(Actors)
    if isinstance(field.type, type) and issubclass(field.type, Actor)
)
"""Those with a section in `actors`."""


class NoKey(Exception):
    """The configuration cannot say this. The text says why, and what else there is."""


def add_arguments(parser: argparse.ArgumentParser, *, persists: bool = True) -> None:
    common.add_config(parser)
    common.add_run_dir(parser)
    parser.add_argument("--json", action="store_true", help="what each process was granted, as one JSON object")
    if persists:
        parser.add_argument(
            "--persist",
            action="store_true",
            help="also write it into the running system's configuration file, for its next start",
        )


def run(
    arguments: argparse.Namespace,
    order: Message,
    values: Callable[[], Values],
    done: str,
    within: float = ANSWER_S,
) -> int:
    """Gives the order, shows what came of it, and keeps it if that is wanted. `values` raises `NoKey`; `done` is what a
    person is told first."""

    async def errand(bus: Bus, run_dir: Path) -> int:
        retuned = await bus.expect(SUPERVISOR, order, Retuned, within=within)
        return _tell(arguments, retuned, values, done)

    return asking.run(arguments, errand)


def _tell(arguments: argparse.Namespace, retuned: Retuned, values: Callable[[], Values], done: str) -> int:
    wanted = bool(getattr(arguments, "persist", False))
    problem = _keep(Path(retuned.config), values) if wanted else ""
    persisted = wanted and not problem
    if arguments.json:
        actors = msgspec.to_builtins(retuned.actors)
        shown = {"actors": actors, "config": retuned.config, "persisted": persisted, "problem": problem}
        print(json.dumps(shown))
    else:
        failed = sum(bool(actor.problem) for actor in retuned.actors)
        heading = f"{failed} of {len(retuned.actors)} processes are not as they should be" if failed else done
        print("\n".join([heading, *table(retuned.actors)]))
        if persisted:
            print(f"\nwritten to {retuned.config}")
        elif not wanted and hasattr(arguments, "persist"):
            print("\nholds until the system is started again (`--persist` keeps it)")
    if problem:
        asking.fail(f"it holds, but only until the system is started again: {problem}")
    return NOT_FINE if problem or any(actor.problem for actor in retuned.actors) else FINE


def _keep(config: Path, values: Callable[[], Values]) -> str:
    """What is in the way, or ""."""
    try:
        persist(config, values())
    except (NoKey, CannotPersist) as error:
        return str(error)
    return ""


def section(target: str, what: str) -> Key:
    """Where the configuration speaks of this role. Raises `NoKey`; `what` is of what there is no key."""
    if target == "audio":
        return ("audio",)
    if target in ROLES:
        return ("actors", target)
    role = target.partition(".")[0]
    if role == "audio" or role in ROLES:
        raise NoKey(f"the configuration has one value for all {role} actors: say `{role}` instead of `{target}`")
    raise NoKey(f"the configuration has no key for the {what} of `{target}`")


def _remark(actor: Granted) -> str:
    return actor.problem or ("" if actor.pid else "does not run now; holds from its next start on")


def table(actors: Sequence[Granted]) -> list[str]:
    """Its lines, an empty one first; none where nobody was concerned."""
    if not actors:
        return []
    head = ("actor", "pid", "cores", "class", "")
    rows = [
        (actor.name, str(actor.pid or "-"), cores.text(actor.cores), actor.scheduling or "-", _remark(actor))
        for actor in actors
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [""]
    for name, pid, place, granted, problem in (head, *rows):
        cells = (name.ljust(widths[0]), pid.rjust(widths[1]), place.ljust(widths[2]), granted.ljust(widths[3]), problem)
        lines.append("  ".join(cells).rstrip())
    return lines
