"""`ringmaster call`: has the agent call somebody, and tells how it goes if that is wanted."""

import argparse
import asyncio
import re
import sys
import time
from pathlib import Path

import msgspec

from config.load import Config
from ipc.actions import CallPlaced, PlaceCall
from ipc.bus import Bus
from ipc.history import History, HistoryError
from ipc.messages import CallList, ListCalls
from ipc.past_calls import WholeCall, named
from supervisor.commands import asking, common
from supervisor.commands.asking import ANSWER_S, NOT_FINE, SUPERVISOR

FINE, WRONG_USE = 0, 2

PLACE_S = 15.0
"""Until Asterisk dials: a few ms. A system that is full or still starting says so at once."""
LOOK_S = 0.5
"""Between two looks at how the call goes."""
CONTROL = "call-control"
_SETTING = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Has the running system call a number (`outbound` in the configuration says how); the agent speaks to whoever"
        " answers."
    )
    parser.epilog = "Exit code: 0 it is dialled (with --wait: it was answered), 1 not, 2 wrong usage."
    common.add_config(parser)
    common.add_run_dir(parser)
    parser.add_argument("number", metavar="NUMBER", help="as `outbound.endpoint` has it dialled")
    parser.add_argument("--agent", default="", metavar="NAME", help="which agent speaks (default: the usual one)")
    parser.add_argument("--provider", default="", metavar="NAME", help="which provider or pipeline serves the call")
    parser.add_argument("--profile", default="", metavar="NAME", help="which of `audio_profiles` holds")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="a channel variable, which the agent can speak of, too; may be given several times",
    )
    parser.add_argument("--asterisk", default="", metavar="NAME", help="over one of `more_asterisks`")
    parser.add_argument("--wait", action="store_true", help="until the call has ended; what is said is shown")
    parser.add_argument("--json", action="store_true", help="the outcome as one JSON object")


def _setting(text: str) -> tuple[str, str]:
    if not _SETTING.match(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    name, _, value = text.partition("=")
    return name, value


def run(arguments: argparse.Namespace) -> int:
    config = common.loaded(arguments)
    known = config.settings.more_asterisks
    if arguments.asterisk and arguments.asterisk not in known:
        names = ", ".join(sorted(known)) or "none"
        print(f"--asterisk: `more_asterisks` has no `{arguments.asterisk}`; it has: {names}", file=sys.stderr)
        return WRONG_USE

    async def errand(bus: Bus, run_dir: Path) -> int:
        return await _call(bus, arguments, config)

    return asking.run(arguments, errand)


async def _call(bus: Bus, arguments: argparse.Namespace, config: Config) -> int:
    control = f"{CONTROL}.{arguments.asterisk}" if arguments.asterisk else CONTROL
    command = PlaceCall(
        number=arguments.number,
        agent=arguments.agent,
        provider=arguments.provider,
        profile=arguments.profile,
        variables=dict(arguments.set),
    )
    placed = await bus.expect(control, command, CallPlaced, within=PLACE_S)
    if not arguments.wait:
        if arguments.json:
            _json({"call_id": placed.call_id})
        else:
            print(f"dialling {arguments.number}: call {placed.call_id}")
        return FINE
    if not arguments.json:
        print(f"dialling {arguments.number}: call {placed.call_id}", flush=True)
    return await Follower(bus, config, placed.call_id, quiet=arguments.json).follow()


class Follower:
    """Tells of one call until it has ended: by the call history, which has every word, or, where that cannot be read
    from here, by the supervisor's list of open calls."""

    def __init__(self, bus: Bus, config: Config, call_id: str, quiet: bool) -> None:
        """quiet: one JSON object at the end, and nothing before."""
        self._bus = bus
        self._config = config
        self._call_id = call_id
        self._quiet = quiet
        self._told = 0
        self._answered = False

    async def follow(self) -> int:
        """Gives the exit code."""
        try:
            with History(self._config.settings.history.folder, new=False) as history:
                return await self._by_history(history)
        except (HistoryError, OSError) as error:
            self._say(f"what is said cannot be shown: {error}")
            return await self._by_list()

    async def _by_history(self, history: History) -> int:
        """Raises `HistoryError`, also when the call is not in there though it is long open."""
        began = time.monotonic()
        while True:
            found = named(history, self._call_id)
            if found:
                self._tell(found[-1])
                if found[-1].ended is not None:
                    return self._ended(found[-1])
            elif time.monotonic() - began > PLACE_S:
                raise HistoryError(f"the call history in {history.path} does not have this call: another system's?")
            await asyncio.sleep(LOOK_S)

    def _tell(self, call: WholeCall) -> None:
        if call.answered is not None and not self._answered:
            self._answered = True
            self._say(f"answered after {call.answered - call.arrived:.1f} s")
        for turn in call.transcript[self._told :]:
            self._say(f"{turn.who:>6}: {turn.heard or turn.text}")
        self._told = len(call.transcript)

    def _ended(self, call: WholeCall) -> int:
        if self._quiet:
            _json(msgspec.to_builtins(call))
        else:
            cause = f": {call.cause}" if call.cause else ""
            print(f"ended after {call.seconds:.1f} s, {call.outcome}{cause}")
        return FINE if call.answered is not None else NOT_FINE

    async def _by_list(self) -> int:
        """Until the supervisor does not list it any more; or never did, for as long as it may ring."""
        seen = False
        deadline = time.monotonic() + self._config.settings.outbound.ring_s + PLACE_S
        while True:
            listed = await self._bus.expect(SUPERVISOR, ListCalls(), CallList, within=ANSWER_S)
            there = any(call.call_id == self._call_id for call in listed.calls)
            if there and not seen:
                seen = True
                self._say("the call is open")
            elif not there and (seen or time.monotonic() > deadline):
                break
            await asyncio.sleep(LOOK_S)
        sentence = "the call has ended" if seen else "the call did not come about"
        if self._quiet:
            _json({"call_id": self._call_id, "outcome": sentence})
        else:
            print(sentence)
        return FINE if seen else NOT_FINE

    def _say(self, sentence: str) -> None:
        if not self._quiet:
            print(sentence, flush=True)


def _json(value: object) -> None:
    print(msgspec.json.encode(value).decode())
