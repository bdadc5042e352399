"""Media that somebody else speaks and hears: for benches with hundreds of calls.

The stand-in's own media is two threads beside an event loop, which cost 0.4 % of a core per call and are late when the
event loop is busy. With a `Studio` (`Asterisk(..., media=studio)`) it only connects AudioSocket and sends the UUID, as
ever; then the connection is the studio's, which also learns when the call's two legs are in a bridge together, when
somebody may speak. Phones then have neither microphone nor ear: `Phone.media_started` never comes.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from bench.asterisk.media.audiosocket import Ending, Link
from bench.asterisk.media.plane import Plane


class Loan(Protocol):
    """One connection in other hands. Both calls come from the stand-in's event loop."""

    def bridged(self, others: Sequence[str]) -> None:
        """The leg is in a bridge with these channels, by id. Called at every change."""

    def close(self) -> None:
        """The channel has ended: close your descriptor, or the agent will not see an end."""


class Studio(Protocol):
    def lend(self, call: uuid.UUID, connection: socket.socket, ended: Callable[[], None]) -> Loan:
        """Speak and listen on this connection from now on; its UUID has been sent. It stays the stand-in's descriptor:
        duplicate what outlives this call. `ended` is to be called, in the event loop, when the agent has closed it."""


class LentLink(Link):
    """A connection that the stand-in has opened and does not touch any more, but for keys and its end."""

    def __init__(self, plane: Plane, sock: socket.socket, studio: Studio) -> None:
        super().__init__(plane, sock, lambda frame: None)
        self._studio = studio
        self._loan: Loan | None = None

    def introduce(self, call: uuid.UUID) -> None:
        self.send_uuid(call)
        if self.open:
            self._loan = self._studio.lend(call, self.socket, self._returned)

    def send_audio(self, form: object, pcm: bytes) -> None:
        """The studio speaks; what a bridge plays to the agent is lost."""

    def bridged(self, others: Sequence[str]) -> None:
        if self._loan is not None:
            self._loan.bridged(others)

    def close(self) -> None:
        super().close()
        loan, self._loan = self._loan, None
        if loan is not None:
            loan.close()

    def _returned(self) -> None:
        self._end(Ending.GRACEFUL)
