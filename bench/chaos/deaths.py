"""kill -9 of every role."""

from collections.abc import Sequence

from bench.chaos import harm
from bench.chaos.fault import Fault, Strike
from bench.chaos.heard import Limits
from bench.chaos.scene import Scene
from ipc.orders import ActorStatus

GAP_MS = 300.0
"""DESIGN, section 5: what a caller may miss when an audio actor dies."""
RECOVERY_MS = 1500.0
AUDIO_KILLS, KILLS = 20, 10
"""Of one role, one after the other: enough for a p95 that is not just the worst."""


async def kill_audio(scene: Scene, strike: Strike) -> None:
    serving = await scene.actors("audio")
    victim = serving[strike.number * 7 % len(serving)]
    hit = await scene.served_by([victim])
    strike.begins(hit)
    harm.kill(victim.pid)


async def kill_all_audio(scene: Scene, strike: Strike) -> None:
    serving = await scene.actors("audio")
    hit = await scene.served_by(serving)
    strike.begins(hit)
    for actor in serving:
        harm.kill(actor.pid)


async def kill_nursery(scene: Scene, strike: Strike) -> None:
    await _kill(scene, strike, await scene.actors("nursery"))


async def kill_call_control(scene: Scene, strike: Strike) -> None:
    await _kill(scene, strike, await scene.actors("call-control"))


async def kill_conversation(scene: Scene, strike: Strike) -> None:
    ready = await scene.actors("conversation")
    await _kill(scene, strike, [ready[strike.number % len(ready)]])


async def kill_all_conversations(scene: Scene, strike: Strike) -> None:
    await _kill(scene, strike, await scene.actors("conversation"))


async def _kill(scene: Scene, strike: Strike, victims: Sequence[ActorStatus]) -> None:
    hit = await scene.served_by(victims)
    strike.begins(hit)
    for victim in victims:
        harm.kill(victim.pid)
    await scene.replaced(victims)
    strike.took("replaced")


FAULTS = (
    Fault(
        name="kill-audio",
        holds="An audio actor dies: its caller misses at most 300 ms, nobody else anything.",
        do=kill_audio,
        limits=Limits(gap_ms=GAP_MS, recovery_ms=RECOVERY_MS),
        repeat=AUDIO_KILLS,
        deaths=1,
    ),
    Fault(
        name="kill-nursery",
        holds="The parent of all audio actors dies: its children go on, no caller notices.",
        do=kill_nursery,
        repeat=KILLS,
    ),
    Fault(
        name="kill-call-control",
        holds="Call-control dies: no caller notices, and its successor knows all calls.",
        do=kill_call_control,
        repeat=KILLS,
    ),
    Fault(
        name="kill-conversation",
        holds="A conversation actor dies: its calls go on from their journals within 1.5 s.",
        do=kill_conversation,
        limits=Limits(recovery_ms=RECOVERY_MS),
        repeat=KILLS,
    ),
    Fault(
        name="kill-all-conversations",
        holds="All conversation actors die at once: all calls go on from their journals within 1.5 s.",
        do=kill_all_conversations,
        limits=Limits(recovery_ms=RECOVERY_MS),
        repeat=3,
    ),
    Fault(
        name="kill-all-audio",
        holds="All audio actors die at once: no call is lost, and every caller gets another one.",
        do=kill_all_audio,
        deaths=-1,
    ),
)
