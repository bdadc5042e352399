"""`ringmaster priority`: how urgent the processes of a running system are."""

import argparse
import re

from ipc.orders import SetPriority
from supervisor.commands import retuning
from supervisor.commands.retuning import NoKey, Values
from supervisor.scheduling import AUDIO_NICE, urgency

_WORDS = re.compile(r"(?P<normal>normal)|fifo:(?P<fifo>\d{1,2})|nice:(?P<nice>-?\d{1,2})")


def _class(text: str) -> tuple[int, int]:
    """Real-time priority (0 for none) and niceness."""
    match = _WORDS.fullmatch(text)
    realtime, nice = (int(match["fifo"] or 0), int(match["nice"] or 0)) if match else (0, 0)
    if match is None or (match["fifo"] and not realtime) or not -20 <= nice <= 19:
        raise argparse.ArgumentTypeError(f"{text!r} is none of fifo:1 to fifo:99, nice:-20 to nice:19, normal")
    return realtime, nice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help=retuning.TARGET)
    parser.add_argument(
        "priority",
        metavar="CLASS",
        type=_class,
        help="fifo:N (real time, 1 to 99, higher goes first), nice:N (-20 to 19, higher yields), or normal",
    )
    retuning.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    target: str = arguments.target
    realtime, nice = arguments.priority
    order = SetPriority(target=target, realtime=realtime, nice=nice)
    done = f"{target}: {urgency(realtime, nice)}, now and from now on"
    return retuning.run(arguments, order, lambda: values(target, realtime, nice), done)


def values(target: str, realtime: int, nice: int) -> Values:
    """Raises `NoKey`."""
    section = retuning.section(target, "priority")
    if section == ("audio",):
        if not realtime and nice != AUDIO_NICE:
            raise NoKey(
                "the configuration knows two classes of audio actors: `audio.priority` above 0 is fifo, and 0 is"
                f" nice:{AUDIO_NICE}"
            )
        return {("audio", "priority"): realtime}
    if realtime:
        raise NoKey(f"the configuration has no real-time priority for {target} actors, only niceness")
    return {(*section, "nice"): nice}
