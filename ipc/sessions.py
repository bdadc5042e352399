"""Rings without a call: what the gateway needs of the supervisor so that engines hear and speak for somebody elsewhere.

An engine's actor follows an ear and writes a mouth. In a call the audio actor is at the other end of both; in a session
it is whoever has opened it. `ipc.descriptors.fetch` gives a session's bells under its id, like a call's.
"""

from ipc.messages import Message


class OpenSession(Message, frozen=True):
    """Make rings and bells. Answer: `SessionOpened`, also for one of the sender's own that is open already.

    It ends with `CloseSession`, and with the process that has opened it.
    """

    session_id: str
    """Different from every call's id; never used again."""
    rate: int
    """Samples per second: 8000 or 16000."""


class SessionOpened(Message, frozen=True):
    segment: str
    """Name of the shared-memory segment that holds the rings."""


class CloseSession(Message, frozen=True):
    """Mark the rings as closed, wake whoever sleeps on them, unlink them. Answer: `Done`, also when unknown."""

    session_id: str
