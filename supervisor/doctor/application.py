"""Whether the Stasis application is there, and whose it is."""

import psutil

from config.schema import Asterisk
from ipc.orders import SystemStatus
from supervisor.doctor.ari import Ari
from supervisor.doctor.findings import Finding, Subject


async def application(ari: Ari, status: SystemStatus | None, subject: Subject) -> list[Finding]:
    """status: None while the system does not run."""
    name = ari.asterisk.app_name
    reply = await ari.get("applications", name)
    if reply.status == 404:
        if status is None:
            return []  # that nobody runs who would serve it has been told
        what = f"Ringmaster runs, but Asterisk knows no application `{name}`"
        why = "calls go on in the dialplan at once, with STASISSTATUS=FAILED"
        remedy = "ringmaster status   names the reason; ringmaster recycle call-control   connects anew"
        return [subject.error("application", what, why, remedy, "; ".join(status.problems))]
    if not reply.ok:
        what = "Asterisk does not tell its applications"
        remedy = "asterisk -rx 'module load res_ari_applications.so'"
        return [subject.warning("application", what, "calls cannot be resumed", remedy, reply.message)]
    channels = reply.get("channel_ids") or []
    held = f"{len(channels)} channel{'s' if len(channels) != 1 else ''} in it"
    if status is None:
        return [_whose(ari.asterisk, subject, held)]
    taken = [problem for problem in status.problems if name in problem and "another program" in problem]
    if taken:
        why = "its calls come to the other program, and not to this one"
        remedy = (
            "stop the other program, or give this one an application of its own (`asterisk.app_name` and the"
            " dialplan's Stasis()); then: ringmaster recycle call-control"
        )
        return [subject.error("application", f"the application `{name}` is not ours", why, remedy, "; ".join(taken))]
    return [subject.ok("application", f"`{name}` is registered", held)]


def _whose(asterisk: Asterisk, subject: Subject, held: str) -> Finding:
    """It is there though our system does not run."""
    holders = connected(asterisk.port)
    seen = f"{held}; connected to Asterisk from here: {', '.join(holders) or 'nobody whom we may see'}"
    what = f"the application `{asterisk.app_name}` is registered, but Ringmaster does not run here"
    why = (
        "another program has it, or another Ringmaster (another `--run-dir`, another machine): two of them take each"
        " other's calls away. Asterisk also keeps it while calls of a program that died are still in it"
    )
    remedy = (
        f"asterisk -rx 'ari show app {asterisk.app_name}'; stop the other one, or choose another name"
        " (`asterisk.app_name` and the dialplan's Stasis())"
    )
    return subject.warning("application", what, why, remedy, seen)


def connected(port: int) -> list[str]:
    """Programs of this machine with a connection to that port, as far as we may see whose they are."""
    names = set()
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.raddr and connection.raddr.port == port and connection.pid:
                names.add(f"{psutil.Process(connection.pid).name()} ({connection.pid})")
    except psutil.Error:
        pass
    return sorted(names)
