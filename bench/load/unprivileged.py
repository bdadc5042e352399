"""Runs a command without the right to be urgent: `python -m bench.load.unprivileged COMMAND ...`

It is what a service gets whose unit allows neither real-time priority nor negative niceness. Root has both by its
capability CAP_SYS_NICE, which is taken out of the bounding set, so that exec(2) leaves it behind; others by their
limits, which are set to nothing. Sources: capabilities(7), getrlimit(2), prctl(2).
"""

import ctypes
import os
import resource
import sys

_CAPBSET_READ, _CAPBSET_DROP, _CAP_SYS_NICE = 23, 24, 23


def drop() -> None:
    """Raises `OSError` where a process that has the capability may not give it up."""
    libc = ctypes.CDLL(None, use_errno=True)
    has_it = os.geteuid() == 0 and libc.prctl(_CAPBSET_READ, _CAP_SYS_NICE, 0, 0, 0) == 1
    if has_it and libc.prctl(_CAPBSET_DROP, _CAP_SYS_NICE, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"CAP_SYS_NICE cannot be given up: {os.strerror(number)}")
    for limit in (resource.RLIMIT_RTPRIO, resource.RLIMIT_NICE):
        resource.setrlimit(limit, (0, 0))


if __name__ == "__main__":
    drop()
    os.execvp(sys.argv[1], sys.argv[1:])
