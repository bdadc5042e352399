"""Sockets of ours and of Asterisk's that nobody has closed, or that there are too many of."""

import asyncio
from collections import Counter
from typing import NamedTuple

import psutil

from config.schema import Settings
from ipc.orders import SystemStatus
from supervisor.doctor.findings import Finding, Subject

LOOK_AGAIN_S = 1.0
"""A socket that is CLOSE-WAIT in both of two looks is not one that is just being closed."""

SPARE = 8
"""Media connections above the number of calls that may be on their way in or out."""


class _Socket(NamedTuple):
    state: str
    here: tuple[str, int]
    there: tuple[str, int]
    pid: int
    """0 where we may not see it."""


def _sockets() -> set[_Socket]:
    """Every TCP connection of this machine."""
    return {
        _Socket(one.status, (one.laddr.ip, one.laddr.port), (one.raddr.ip, one.raddr.port), one.pid or 0)
        for one in psutil.net_connections(kind="tcp")
        if one.raddr and one.laddr
    }


async def left_open(settings: Settings, status: SystemStatus | None, subject: Subject) -> list[Finding]:
    audio, ari = settings.audiosocket.port, settings.asterisk.port
    try:
        first = await asyncio.to_thread(_sockets)
        await asyncio.sleep(LOOK_AGAIN_S)
        both = first & await asyncio.to_thread(_sockets)
    except psutil.Error as error:
        why = "connections that nobody closes add up until no new one can be made"
        return [subject.advice("sockets", "the connections cannot be looked at", why, "run it as root", str(error))]
    ports = {audio, ari}
    stale = [one for one in both if one.state == psutil.CONN_CLOSE_WAIT and {one.here[1], one.there[1]} & ports]
    if stale:
        holders = Counter(_name(one.pid) for one in stale)
        seen = ", ".join(f"{number} of {name}" for name, number in holders.most_common())
        what = f"{len(stale)} connection{'s' if len(stale) > 1 else ''} in CLOSE-WAIT: the other end has gone long ago"
        why = "whoever holds them does not notice; they add up until no new one can be made"
        remedy = (
            f"ss -tanp state close-wait '( sport = :{audio} or dport = :{audio} or sport = :{ari} or dport = :{ari} )'"
            "   shows whose they are; restart that program (ours: ringmaster restart) and report it"
        )
        return [subject.warning("sockets", what, why, remedy, seen)]
    established = [one for one in both if one.state == psutil.CONN_ESTABLISHED and one.here[1] == audio]
    calls = len(status.calls) if status else 0
    if status is not None and len(established) > calls + SPARE:
        what = f"{len(established)} media connections are open, and {calls} calls"
        why = "each holds a descriptor, and nobody hears it"
        remedy = f"ss -tanp '( sport = :{audio} )'   shows where they come from; see `audiosocket.allowed_hosts`"
        return [subject.warning("sockets", what, why, remedy)]
    return [subject.ok("sockets", "no connection was left open", f"{len(established)} media connections")]


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name() if pid else "a process that we may not see"
    except psutil.Error:
        return f"process {pid}"
