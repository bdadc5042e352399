"""`python -m tests.supervisor.puppet NAME MODE`: an actor that does nothing, in one of several ways.

good             becomes ready, ends when it is told to
deaf             becomes ready, ignores SIGTERM
slow             never becomes ready
spinning         becomes ready, and then never leaves `spin`
telling          writes down what its settings hold that were left to the hardware tier, and becomes ready
useless          says before it is ready that it cannot do its work
broken           ends with exit code 9 before it is ready
control          stands in for call-control: opens a call for every connection that is offered, unless its UUID
                 begins with "f", which it refuses; closes the calls that it is told to hang up
"""

import asyncio
import json
import os
import signal
import sys

from actors.actor import Actor, run
from actors.catalogue import Unusable
from ipc.bus import Refused
from ipc.messages import CloseCall, HangUp, OfferMedia, OpenCall

HELD_S = 60.0
"""Longer than any test waits."""


async def live(actor: Actor) -> None:
    mode = sys.argv[2]
    if mode == "broken":
        sys.exit(9)
    if mode == "slow":
        await asyncio.sleep(HELD_S)
    if mode == "useless":
        raise Unusable("the well is dry: dig another one")
    if mode == "telling":
        _tell_what_was_planned(actor)
    if mode == "deaf":
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "control":
        _stand_in_for_call_control(actor)
    actor.ready()
    if mode == "raising":
        raise ValueError("the well is dry")
    if mode == "spinning":
        spin()
    if mode == "leaving":
        return
    await actor.stopping.wait()


def spin() -> None:
    while True:
        pass


def _tell_what_was_planned(actor: Actor) -> None:
    settings = actor.settings
    told = {
        "counts": [getattr(settings.actors, role).count for role in ("stt", "llm", "tts")],
        "threads": settings.engines.llama_cpp.threads,
        "allowed": len(os.sched_getaffinity(0)),
    }
    (actor.run_dir / f"{actor.name}.told").write_text(json.dumps(told))


def _stand_in_for_call_control(actor: Actor) -> None:
    async def offered(sender: str, offer: OfferMedia) -> None:
        if offer.media_uuid.startswith("f"):
            raise Refused("this caller is for a human")
        command = OpenCall(call_id=offer.media_uuid, rate=8000, media_uuid=offer.media_uuid)
        await actor.bus.ask("supervisor", command, within=5)

    async def hang_up(sender: str, command: HangUp) -> None:
        await actor.bus.ask("supervisor", CloseCall(call_id=command.call_id), within=5)

    actor.bus.on(OfferMedia, offered)
    actor.bus.on(HangUp, hang_up)


if __name__ == "__main__":
    run(live)
