"""The open sessions: rings and bells for engines that work for somebody elsewhere, with no audio actor.

What they are is in `ipc.sessions`. One belongs to the process that has opened it, and ends with it: neither a gateway
that was killed nor one that was started anew leaves anything behind. What a supervisor that was killed has left is
reaped at boot, like a call's.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

from ipc import rings
from ipc.bus import Refused
from ipc.sessions import CloseSession, OpenSession, SessionOpened
from supervisor.call import tell_readers

log = logging.getLogger(__name__)

RATES = (8000, 16000)

MOST = 2048
"""At once. Each takes four descriptors here, and as much memory as was said in it, up to 30 s."""


@dataclass
class _Session:
    session_id: str
    owner: str
    segment: str
    bells: list[int]


class Sessions:
    def __init__(self, segment_prefix: str) -> None:
        self._prefix = segment_prefix
        self._sessions: dict[str, _Session] = {}
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def bells(self, session_id: str) -> Sequence[int] | None:
        """In the order of `ipc.rings.BELLS`; None where there is no such session."""
        session = self._sessions.get(session_id)
        return None if session is None else session.bells

    async def open(self, owner: str, command: OpenSession) -> SessionOpened:
        """Raises `Refused`."""
        known = self._sessions.get(command.session_id)
        if known is not None:
            if known.owner != owner:
                raise Refused(f"session {command.session_id} belongs to {known.owner}")
            return SessionOpened(segment=known.segment)
        if command.rate not in RATES:
            raise Refused(f"a session has 8000 or 16000 samples per second, not {command.rate}")
        if len(self._sessions) >= MOST:
            raise Refused(f"{MOST} sessions are open, which is all that there may be", busy=True)
        self._last_number += 1
        segment = f"{self._prefix}session-{self._last_number}"
        try:
            rings.create(segment, command.rate)
            bells = rings.make_bells()
        except OSError as error:
            rings.unlink(segment)
            raise Refused(f"no rings can be had for a session: {error}", busy=True) from error
        self._sessions[command.session_id] = _Session(command.session_id, owner, segment, bells)
        return SessionOpened(segment=segment)

    async def close(self, sender: str, command: CloseSession) -> None:
        session = self._sessions.pop(command.session_id, None)
        if session is not None:
            _end(session)

    def owner_ended(self, owner: str) -> None:
        """To be told of every process that has ended."""
        for session_id in [name for name, session in self._sessions.items() if session.owner == owner]:
            log.warning("session %s ends with %s", session_id, owner)
            _end(self._sessions.pop(session_id))


def _end(session: _Session) -> None:
    tell_readers(f"session {session.session_id}", session.segment, session.bells)
    for bell in session.bells:
        os.close(bell)
    rings.unlink(session.segment)
