"""The stand-in Asterisk in the hands of a person: `python -m bench.asterisk`, then commands on standard input."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from bench.asterisk import Answer, Asterisk, AudioSocket, Dialplan, NoOp, Phone, Playback, Stasis, Wait
from bench.asterisk.conf import Plan, read
from bench.asterisk.release import LATEST

COMMANDS = """\
dial EXTENSION [CALLER]  a phone calls; EXTENSION 1000 enters Stasis, 1001 goes straight to the AudioSocket server
press DIGITS             the last phone that called presses keys
hangup                   it hangs up
hold                     it puts the call on hold; again: it takes it back
pickup NAME              the phone registered by that name answers what rings there
media                    breaks the media connections of all calls
calls                    lists the calls and where they are
late                     how late the stand-in's own clock was
drop                     breaks the events WebSockets
stall SECONDS            Asterisk does nothing for that long
restart                  Asterisk dies and boots again
help                     this list
quit                     the end; so is the end of the input"""


class Desk:
    """Holds the phones of one session and does what is typed."""

    def __init__(self, asterisk: Asterisk) -> None:
        self._asterisk = asterisk
        self._phones: list[Phone] = []
        self._holding: set[Phone] = set()
        self._watches: set[asyncio.Task[None]] = set()

    async def obey(self, line: str) -> bool:
        """False when it is time to go."""
        match line.split():
            case []:
                pass
            case ["dial", extension, *rest]:
                self._dial(extension, rest[0] if rest else "caller")
            case ["press", digits] if self._phones:
                await self._phones[-1].press(digits)
            case ["hold"] if self._phones:
                self._hold(self._phones[-1])
            case ["pickup", name]:
                self._pick_up(name)
            case ["media"]:
                print(f"{self._asterisk.drop_media()} broken")
            case ["hangup"] if self._phones:
                self._phones[-1].hang_up()
            case ["calls"]:
                for phone in self._phones:
                    print(describe(phone))
            case ["late"]:
                print(self._asterisk.lateness)
            case ["drop"]:
                self._asterisk.drop_websockets()
            case ["stall", seconds] if seconds.replace(".", "", 1).isdigit():
                self._asterisk.stall(float(seconds))
            case ["restart"]:
                await self._asterisk.stop_listening()
                await self._asterisk.start()
            case ["quit"]:
                return False
            case _:
                print(COMMANDS)
        return True

    def _hold(self, phone: Phone) -> None:
        (phone.resume if phone in self._holding else phone.hold)()
        self._holding ^= {phone}

    def _pick_up(self, name: str) -> None:
        try:
            self._asterisk.station(name).calls.get_nowait().pick_up()
        except (KeyError, asyncio.QueueEmpty):
            print(f"nothing rings at {name}")

    def _dial(self, extension: str, caller: str) -> None:
        phone = self._asterisk.dial(extension, caller, keep_sound=False)
        self._phones.append(phone)
        watch = asyncio.ensure_future(self._watch(phone))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _watch(self, phone: Phone) -> None:
        """Says what happens to a phone."""
        print(f"{phone.name} calls")
        for name, event in (("answered", phone.answered), ("hears its first frame", phone.media_started)):
            ended = asyncio.ensure_future(phone.ended.wait())
            happened = asyncio.ensure_future(event.wait())
            await asyncio.wait([ended, happened], return_when=asyncio.FIRST_COMPLETED)
            for waiting in (ended, happened):
                waiting.cancel()
            if event.is_set():
                print(f"{phone.name} {name}")
        await phone.ended.wait()
        print(describe(phone))


def describe(phone: Phone) -> str:
    where = phone.where
    place = f"{where.context},{where.exten},{where.priority} {where.app}({where.data})" if where else "nowhere"
    state = f"ended with cause {phone.cause}" if phone.ended.is_set() else "is on"
    return f"{phone.name} {state}; at {place}; sent {len(phone.log.sent)} and heard {len(phone.log.heard)} frames"


def dialplan(application: str, media: str) -> Dialplan:
    return {
        "inbound": {
            "1000": [NoOp("the agent, over ARI"), Stasis(application), NoOp("STASISSTATUS is ${STASISSTATUS}")],
            "1001": [Answer(), AudioSocket("${UUID()}", media), NoOp("the agent gave the call back")],
            "1002": [Answer(), Wait(30)],
        },
        "people": {"100": [Answer(), Playback("beep"), Wait(60)]},
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.asterisk",
        description="A stand-in for Asterisk 22 on loopback: ARI, a small dialplan, AudioSocket and RTP.",
        epilog="Commands on standard input:\n" + COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="where ARI listens: a loopback address (%(default)s)")
    parser.add_argument("--port", type=int, default=8088, help="0 = any free one (%(default)s)")
    parser.add_argument("--user", default="asterisk", help="of ARI (%(default)s)")
    parser.add_argument("--password", default="asterisk", help="of ARI (%(default)s)")
    parser.add_argument("--app", default="asterisk-ai-voice-agent", help="Stasis application at 1000 (%(default)s)")
    parser.add_argument("--media", default="127.0.0.1:8090", help="AudioSocket server for 1001 (%(default)s)")
    parser.add_argument("--version", default=LATEST, help="which Asterisk it is (%(default)s)")
    parser.add_argument("--missing", action="append", default=[], metavar="MODULE", help="is not loaded; repeatable")
    parser.add_argument("--dialplan", type=Path, metavar="FILE", help="an extensions.conf to read instead")
    parser.add_argument("--phone", action="append", default=[], metavar="NAME", help="rings as PJSIP/NAME; repeatable")
    return parser.parse_args()


async def serve(options: argparse.Namespace) -> None:
    plan = Plan(dict(dialplan(options.app, options.media)))  # type: ignore[arg-type]
    if options.dialplan is not None:
        plan = read(options.dialplan.read_text())
    where = (options.host, options.port, options.user, options.password)
    asterisk = Asterisk(plan.dialplan, *where, version=options.version, missing=options.missing, hints=plan.hints)
    for name in options.phone:
        asterisk.register(name)
    async with asterisk:
        print(f"ARI at {asterisk.url}; help lists the commands", flush=True)
        desk = Desk(asterisk)
        while True:
            line = await asyncio.to_thread(sys.stdin.readline)
            if not line or not await desk.obey(line):
                return


def main() -> int:
    # Other threads of the interpreter are to get their turn quickly: two of them keep time.
    sys.setswitchinterval(0.0005)
    try:
        asyncio.run(serve(arguments()))
    except KeyboardInterrupt:
        return 130
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
