"""Runs a command with a /dev/shm of its own, so that it can be filled: `python -m bench.chaos.small_shm MB COMMAND ...`

Only the command and its children see it, in a mount namespace of theirs; from outside it is `/proc/<pid>/root/dev/shm`,
and the kernel takes it away with the last of them. Needs root. Sources: unshare(2), mount(2), mount_namespaces(7).
"""

import ctypes
import os
import subprocess
import sys

_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 2, 4, 16384, 1 << 18
"""From `linux/mount.h`. Private, or the new mount would be seen by everybody."""


def possible() -> bool:
    """Whether this process may have such a thing. Tried in another: there is no way back."""
    command = (sys.executable, "-m", "bench.chaos.small_shm", "1", "true")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def enter(megabytes: int) -> None:
    """Raises `OSError` where the kernel does not permit it."""
    libc = ctypes.CDLL(None, use_errno=True)

    def check(result: int, what: str) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")

    check(libc.unshare(_CLONE_NEWNS), "no mount namespace of our own")
    check(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "mounts stay shared")
    flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV)
    size = f"size={megabytes}m,mode=1777".encode()
    check(libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", flags, size), "no /dev/shm of our own")


if __name__ == "__main__":
    enter(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
