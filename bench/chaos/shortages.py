"""No memory, no room in /dev/shm, no descriptors."""

import asyncio
import resource

from bench.chaos import harm
from bench.chaos.deaths import RECOVERY_MS
from bench.chaos.fault import Fault, Strike
from bench.chaos.freezes import STALL_MS
from bench.chaos.heard import Limits
from bench.chaos.scene import Scene
from bench.load.callers import NotServed
from ipc.orders import ActorStatus

SHORT_S = 10.0
"""For how long there is nothing to be had, or until the process has ended."""
NEW_CALLS = 3
"""That come while there is no room for them."""
REFUSED_S = 5.0
SPARE_DESCRIPTORS = (2, 5, 9)
"""By turns: a call takes seven one after the other, so each time it is something else for which there is none."""
COUNTS = 5
"""The least of so many limits holds: a file that the supervisor is just reading would be room for a call."""
STEP_S = 0.2
"""Between two calls that make a process want memory."""


async def exhaust_conversation(scene: Scene, strike: Strike) -> None:
    await _exhaust(scene, strike, (await scene.actors("conversation"))[0])


async def exhaust_call_control(scene: Scene, strike: Strike) -> None:
    await _exhaust(scene, strike, (await scene.actors("call-control"))[0])


async def exhaust_audio(scene: Scene, strike: Strike) -> None:
    await _exhaust(scene, strike, (await scene.actors("audio"))[0])


async def _exhaust(scene: Scene, strike: Strike, victim: ActorStatus) -> None:
    """It may map no more than it has, and new calls come that want some. It either ends or serves them."""
    hit = await scene.served_by([victim])
    served = missed = 0
    strike.begins(hit)
    with harm.limited(victim.pid, resource.RLIMIT_AS, harm.address_space(victim.pid)):
        ending = asyncio.create_task(harm.ends(victim.pid, SHORT_S))
        ending.add_done_callback(lambda _: strike.took("ended"))
        while not ending.done():
            if await scene.new_call(REFUSED_S) is None:
                missed += 1
            else:
                served += 1
            await asyncio.sleep(STEP_S)
    if not await ending:
        del strike.took_ms["ended"]
        strike.must(not missed, f"{victim.name} lived on without memory, and {missed} new calls were not served")
        strike.notes.append(f"{victim.role} needed no more memory for {served} new calls")
    else:
        strike.notes.append(f"{victim.role} ended for want of memory; {missed} new calls were not served meanwhile")


def shm_is_ours(scene: Scene) -> str:
    return "" if scene.own_shm else "needs root: the system gets a /dev/shm of its own, or it would fill everybody's"


async def fill_shm(scene: Scene, strike: Strike) -> None:
    refused = (await scene.status()).calls_refused
    strike.begins()
    with harm.filled(scene.shm):
        for _ in range(NEW_CALLS):
            await _is_refused_before_answer(scene, strike)
        now = (await scene.status()).calls_refused
        reasons = sorted(reason for reason, count in now.items() if count > refused.get(reason, 0))
        strike.must("no shared memory" in reasons, f"the reason is not told: {', '.join(reasons) or 'none'}")
    strike.must(await scene.new_call() is not None, "with room again, a new call was not served")
    strike.took("served again")


async def _is_refused_before_answer(scene: Scene, strike: Strike) -> None:
    """They go on in the dialplan, where a person can take the call."""
    call = await scene.place.call()
    phone = call.phone
    assert phone is not None
    try:
        await call.up(REFUSED_S)
        strike.must(False, "a new call was served without room for its rings")
    except (NotServed, TimeoutError):
        status = phone.variables.get("AGENT_STATUS", "")
        strike.must(not phone.answered.is_set(), "a call was answered that could not be served")
        strike.must(status == "BUSY", f"a new call left with AGENT_STATUS={status!r}")
    await scene.send_home([call])


async def exhaust_descriptors(scene: Scene, strike: Strike) -> None:
    """Of the supervisor: each call takes seven."""
    spare = SPARE_DESCRIPTORS[strike.number % len(SPARE_DESCRIPTORS)]
    counts = []
    for _ in range(COUNTS):
        counts.append(harm.file_limit(scene.supervisor, spare))
        await asyncio.sleep(STEP_S)
    most = min(counts)
    strike.begins()
    with harm.limited(scene.supervisor, resource.RLIMIT_NOFILE, most):
        for _ in range(NEW_CALLS):
            served = await scene.new_call(REFUSED_S)
            strike.must(
                served is None or spare > min(SPARE_DESCRIPTORS), "a call was served without descriptors for it"
            )
    status = await scene.status()
    told = {**status.calls_refused, **status.media_refused}
    strike.must(bool(told) or spare > min(SPARE_DESCRIPTORS), "no reason was counted")
    strike.notes.append(f"refused so far: {', '.join(f'{reason} {count}' for reason, count in sorted(told.items()))}")
    await asyncio.sleep(STEP_S)
    strike.must(await scene.new_call() is not None, "with descriptors again, a new call was not served")
    strike.took("served again")


FAULTS = (
    Fault(
        name="memory-conversation",
        holds="A conversation actor gets no more memory: it ends and is replaced, or needs none. It does not limp.",
        do=exhaust_conversation,
        limits=Limits(recovery_ms=RECOVERY_MS),
        repeat=2,
    ),
    Fault(
        name="memory-call-control",
        holds="Call-control gets no more memory: it ends and is replaced, or needs none. It does not limp.",
        do=exhaust_call_control,
        limits=Limits(recovery_ms=STALL_MS),
        repeat=2,
    ),
    Fault(
        name="memory-audio",
        holds="An audio actor gets no more memory: it ends and is replaced, or needs none. It does not limp.",
        do=exhaust_audio,
        limits=Limits(recovery_ms=RECOVERY_MS),
        deaths=1,
    ),
    Fault(
        name="shm-full",
        holds="/dev/shm is full: new calls are refused before they are answered, with the reason; old ones go on.",
        do=fill_shm,
        needs=shm_is_ours,
    ),
    Fault(
        name="descriptors",
        holds="The supervisor may open no more files: new calls are not served, old ones go on; then it is as before.",
        do=exhaust_descriptors,
        repeat=len(SPARE_DESCRIPTORS),
    ),
)
