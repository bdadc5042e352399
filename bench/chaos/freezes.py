"""SIGSTOP for 10 s, then SIGCONT for whoever has not been killed and replaced meanwhile."""

import asyncio

from bench.chaos import harm
from bench.chaos.fault import Fault, Strike
from bench.chaos.heard import Limits
from bench.chaos.scene import NotBack, Scene
from ipc.orders import ActorStatus

FREEZE_S = 10.0

AUDIO_MS = 500.0
"""An audio actor that hangs while it has calls is killed after 0.2 s (`supervisor.children`, HANG_S), and then replaced
like a dead one, for which there are 300 ms."""
STALL_MS = 11_500.0
"""Others are killed after 10 s (`actors.stall_s`), which is how long they are frozen, and then have 1.5 s."""
EARLY_S = 2.0
"""Into the frozen time a new call comes."""
ENDED_S = 2.0
"""From SIGKILL to the end of a process that has been stopped."""


async def freeze_audio(scene: Scene, strike: Strike) -> None:
    await _freeze(scene, strike, (await scene.actors("audio"))[0])


async def freeze_conversation(scene: Scene, strike: Strike) -> None:
    await _freeze(scene, strike, (await scene.actors("conversation"))[0])


async def freeze_call_control(scene: Scene, strike: Strike) -> None:
    await _freeze(scene, strike, (await scene.actors("call-control"))[0])


async def freeze_nursery(scene: Scene, strike: Strike) -> None:
    await _freeze(scene, strike, (await scene.actors("nursery"))[0])


async def _freeze(scene: Scene, strike: Strike, victim: ActorStatus) -> None:
    hit = await scene.served_by([victim])
    strike.begins(hit)
    lived = await harm.freeze(victim.pid, FREEZE_S)
    if not lived:
        strike.took("killed")
    strike.notes.append(f"{victim.role} {'went on' if lived else 'was killed and replaced'}")


async def freeze_supervisor(scene: Scene, strike: Strike) -> None:
    """No new call can come meanwhile; the open ones do not need it."""
    strike.begins()
    frozen = asyncio.create_task(harm.freeze(scene.supervisor, FREEZE_S))
    await asyncio.sleep(EARLY_S)
    served = await scene.new_call(FREEZE_S - EARLY_S - 1.0)
    strike.must(served is None, "a new call was served while the supervisor was stopped")
    if not await frozen:
        raise NotBack("the supervisor has ended")


FAULTS = (
    Fault(
        name="freeze-audio",
        holds="An audio actor hangs: it is killed and replaced within 0.5 s, nobody else notices.",
        do=freeze_audio,
        limits=Limits(gap_ms=AUDIO_MS, recovery_ms=AUDIO_MS),
        repeat=3,
        deaths=1,
    ),
    Fault(
        name="freeze-conversation",
        holds="A conversation actor hangs for 10 s: its calls stay up and go on within 1.5 s of that.",
        do=freeze_conversation,
        limits=Limits(recovery_ms=STALL_MS),
    ),
    Fault(
        name="freeze-call-control",
        holds="Call-control hangs for 10 s: no caller notices.",
        do=freeze_call_control,
    ),
    Fault(
        name="freeze-nursery",
        holds="The nursery hangs for 10 s: no caller notices.",
        do=freeze_nursery,
    ),
    Fault(
        name="freeze-supervisor",
        holds="The supervisor hangs for 10 s: all calls go on, no new one can come; then everything is as before.",
        do=freeze_supervisor,
    ),
)
