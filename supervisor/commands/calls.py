"""`ringmaster calls`: the call history, whether the system runs or not."""

import argparse
import contextlib
import re
import sys
import time
from datetime import datetime
from pathlib import Path

import msgspec

from ipc import journal, past_calls
from ipc.history import History, HistoryError
from ipc.past_calls import OUTCOMES, Question, WholeCall
from supervisor import call_page
from supervisor.commands import common

FINE, NOT_FINE = 0, 1

LAST = 20
"""Calls that are listed where nobody says how many."""
ALL = 2**62

_SPAN = re.compile(r"(\d+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def since(text: str) -> float:
    """Unix seconds of "2h", "7d", or of a date in ISO 8601 by this machine's clock. Raises `ArgumentTypeError`."""
    if span := _SPAN.fullmatch(text):
        return time.time() - int(span[1]) * _SECONDS[span[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a span such as 2h or 7d nor a date") from error


def count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < ALL:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of calls")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code: 0 fine, also where no call fits; 1 no such call, or no history; 2 wrong usage."
    common.add_config(parser)
    common.add_run_dir(parser)
    parser.add_argument("call", nargs="?", metavar="CALL_ID", help="everything about this call")
    parser.add_argument("--last", type=count, metavar="N", help=f"so many calls, the newest (default: {LAST})")
    parser.add_argument("--since", type=since, default=0.0, metavar="WHEN", help="not older: 2h, 7d, 2026-01-31")
    parser.add_argument("--outcome", choices=OUTCOMES, default="", metavar="OUTCOME", help=", ".join(OUTCOMES))
    parser.add_argument("--caller", default="", metavar="TEXT", help="part of the caller's number or name")
    parser.add_argument("--agent", default="", metavar="NAME", help="calls that this agent answered")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="one JSON object: the list, or everything about the call")
    how.add_argument("--export", action="store_true", help="everything about all of them, one JSON object a line")
    how.add_argument("--forget", metavar="CALL_ID", help="remove this call: history, journal and recording")


def run(arguments: argparse.Namespace) -> int:
    directory = common.loaded(arguments).settings.history.folder
    try:
        with History(directory, new=False) as history:
            if arguments.forget:
                return _forget(history, arguments.forget, common.run_dir(arguments))
            return _one(history, arguments) if arguments.call else _list(history, arguments)
    except HistoryError as error:
        return _fail(str(error))


def _list(history: History, arguments: argparse.Namespace) -> int:
    question = Question(
        last=arguments.last or (ALL if arguments.export else LAST),
        since=arguments.since,
        outcome=arguments.outcome,
        caller=arguments.caller,
        agent=arguments.agent,
    )
    calls = past_calls.listed(history, question)
    if arguments.export:
        for call in calls:
            _json(past_calls.whole(history, call))
    elif arguments.json:
        _json({"calls": calls})
    elif calls:
        print(call_page.table(calls))
    else:
        print("no call fits")
    return FINE


def _one(history: History, arguments: argparse.Namespace) -> int:
    calls = past_calls.named(history, arguments.call)
    if not calls:
        return _unknown(history, arguments.call)
    if arguments.export:
        for call in calls:
            _json(call)
    elif arguments.json:
        _json({"calls": calls})
    else:
        print("\n\n".join(call_page.page(call) for call in calls))
    return FINE


def _forget(history: History, call_id: str, run_dir: Path) -> int:
    calls = past_calls.named(history, call_id)
    if not calls:
        return _unknown(history, call_id)
    if any(call.ended is None for call in calls):
        return _fail(f"call {call_id} goes on: it can be forgotten when it is over")
    left = []
    for call in calls:
        history.forget(call.number)
        left += _delete(call)
    history.erase_log()
    with contextlib.suppress(FileNotFoundError):
        journal.path(run_dir, call_id).unlink()
    print(f"call {call_id} is forgotten")
    return _fail("\n".join(left)) if left else FINE


def _delete(call: WholeCall) -> list[str]:
    """The call's recording; gives what is left of it, and why."""
    if not call.recording:
        return []
    try:
        Path(call.recording).unlink()
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"its recording is left: {call.recording} ({error.strerror})"]
    return []


def _unknown(history: History, call_id: str) -> int:
    return _fail(f"{history.path} has no call {call_id}: it never came, or is forgotten (`history.keep_days`)")


def _fail(text: str) -> int:
    print(text, file=sys.stderr)
    return NOT_FINE


def _json(value: object) -> None:
    print(msgspec.json.encode(value).decode())
