"""What supervision needs of the kernel and Python does not have: three options of prctl(2), and sched_setattr(2)."""

import ctypes
import os
import platform
import signal
import struct

_SET_PDEATHSIG = 1
_SET_NAME = 15
_SET_CHILD_SUBREAPER = 36

_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""Its number, by machine: C libraries have no function for it before glibc 2.41."""
_ATTR = struct.Struct("=IIQiIQQQ")
"""struct sched_attr, version 0: size, policy, flags, nice, priority, runtime, deadline, period."""

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """From now on the kernel kills this process when the thread that started it ends. A fork does not inherit that."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """From now on descendants whose parent has died become children of this process, not of init."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> None:
    """What `top` and `ps -o comm` call this process; cut at 15 bytes."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _prctl(_SET_NAME, ctypes.addressof(buffer))


def set_slice(nanoseconds: int) -> bool:
    """Asks the kernel to run this thread in short turns, and for that sooner (EEVDF; Linux 6.12, sched_setattr(2)).

    For a thread of the normal class, and without any privilege: whoever asks for less at a time has the earlier
    deadline. The kernel takes 0.1 to 100 ms. False where it does not know of it.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attr = _ATTR.pack(_ATTR.size, os.SCHED_OTHER, 0, nice, 0, nanoseconds, 0, 0)
    return bool(_libc.syscall(number, 0, attr, 0) == 0)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
