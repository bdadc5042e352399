"""What systemd wants to hear from a service of `Type=notify` (sd_notify(3)). Says nothing where nobody listens."""

import os
import socket
from collections.abc import Mapping


def notify(line: str) -> bool:
    """Sends assignments such as "READY=1", one a line. Never waits: False when systemd does not take them now."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return True
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sender:
        try:
            sender.sendto(line.encode(), address)
        except OSError:
            return False
    return True


def reloading(now_ns: int) -> str:
    """The system is started anew; "READY=1" ends that. `now_ns` is CLOCK_MONOTONIC, which Type=notify-reload wants."""
    return f"RELOADING=1\nMONOTONIC_USEC={now_ns // 1000}"


def watchdog_s(environment: Mapping[str, str]) -> float | None:
    """How often to say "WATCHDOG=1": twice within the time after which systemd would restart us. None: never."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 2e6 if microseconds.isdigit() and ours else None
