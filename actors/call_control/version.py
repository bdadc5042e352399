"""What can be expected of an Asterisk by its version."""

import re

_DIGITS_SINCE = {18: None, 20: 14, 21: 9, 22: 4}
"""First minor version of each branch whose AudioSocket channel sends digits (commit d045f290b7); None: never."""


def sends_digits(version: str) -> bool:
    """Whether digits pressed by the caller come through an AudioSocket channel (kind 0x03).

    A version that is not known, such as a development branch's, is taken for a new one.
    """
    match = re.search(r"(\d+)\.(\d+)", version)
    if match is None:
        return True
    branch, minor = int(match[1]), int(match[2])
    if branch in _DIGITS_SINCE:
        since = _DIGITS_SINCE[branch]
        return since is not None and minor >= since
    return branch > max(_DIGITS_SINCE)
