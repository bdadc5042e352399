"""The media connections that calls await: what is made for each kind of wire beforehand, and how it comes about.

audiosocket    nothing to make; Asterisk comes to the door (`supervisor.media_door`)
rtp            a bound UDP port; it carries the call once Asterisk has said where its own is
websocket      nothing to make; once Asterisk has said where, we go there (`supervisor.websocket_door`)
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable

from config.schema import Settings
from ipc.bus import Refused
from ipc.messages import ConnectMedia, Wire
from supervisor import rtp_ports
from supervisor.call import Call, Line
from supervisor.parting import part
from supervisor.rtp_ports import RtpPorts
from supervisor.websocket_door import WebSocketDoor

CODECS = ("ulaw", "alaw", "slin", "slin16")
"""What Asterisk may send over RTP: `slin16` in calls at 16000 Hz."""


class Lines:
    def __init__(self, settings: Settings) -> None:
        self._ports = RtpPorts(settings.external_media)
        self._websockets = WebSocketDoor(settings)

    @property
    def refused(self) -> Counter[str]:
        """Connections that did not come about, by reason."""
        return self._ports.refused + self._websockets.refused

    def make(self, uuid: str, wire: Wire) -> Line:
        """One that is awaited from now on. Raises `Refused`."""
        return Line(uuid, wire, self._ports.bind(time.monotonic()) if wire == "rtp" else None)

    def adopt(self, call: Call) -> None:
        """One of a predecessor: its ports are in use."""
        for line in (call.last, call.media):
            if line is not None and line.wire == "rtp" and line.connection is not None:
                self._ports.hold(line.connection)

    def where(self, line: Line) -> tuple[str, int]:
        """Host and port that Asterisk is to be told; "" and 0 where that is nothing of this one connection."""
        if line.wire != "rtp" or line.connection is None:
            return "", 0
        return self._ports.host, rtp_ports.port_of(line.connection)

    def expect(self, call: Call, uuid: str, wire: Wire) -> None:
        """The call awaits this one from now on, and no other. Changes nothing where it does so already, or has it.
        Raises `Refused`, and then the call awaits what it did before."""
        there = call.awaited or call.media is call.last
        if there and (call.last.uuid, call.last.wire) == (uuid, wire):
            return
        line = self.make(uuid, wire)
        self.expect_nothing(call)
        call.last, call.awaited = line, True

    def expect_nothing(self, call: Call) -> None:
        """What it awaited will not come."""
        if call.dialing is not None:
            call.dialing.cancel()
            call.dialing = None
        if call.awaited:
            self.drop(call.last)
            call.awaited = False

    async def connect(self, call: Call, command: ConnectMedia, begin: Callable[[Call], None]) -> None:
        """Asterisk's end of what the call awaits is there now: makes the connection, and then `begin`s with it. Raises
        `Refused`. One that carries the call already is left as it is."""
        line = call.last
        if line.uuid == command.media_uuid and call.media is line:
            return
        if line.uuid != command.media_uuid or not call.awaited:
            raise Refused(f"call {call.call_id} does not await the connection {command.media_uuid} (any more)")
        if line.wire == "audiosocket":
            raise Refused(f"call {call.call_id} awaits an AudioSocket, which Asterisk is to connect to us")
        if line.wire == "rtp":
            _aim(line, command)
            begin(call)
            return
        if call.dialing is None:
            call.dialing = asyncio.create_task(self._dial(call, command, begin), name=f"dialing for {call.call_id}")
        dialing = call.dialing
        try:
            await asyncio.wait([dialing])
        except asyncio.CancelledError:
            dialing.cancel()
            raise
        if dialing.cancelled():
            raise Refused(f"call {call.call_id} awaits the connection {command.media_uuid} no more", busy=True)
        dialing.result()

    async def _dial(self, call: Call, command: ConnectMedia, begin: Callable[[Call], None]) -> None:
        # Cancelled as soon as the call awaits something else, or is closed. Once connected nothing is waited for.
        line = call.last
        try:
            line.connection = await self._websockets.connect(call.owner, command.host, command.port, command.path)
        finally:
            if call.dialing is asyncio.current_task():
                call.dialing = None
        begin(call)

    @staticmethod
    async def rest(calls: Iterable[Call], within_s: float) -> None:
        """Connections that are just being made have so long to come about; those that do not are given up."""
        dialing = [call.dialing for call in calls if call.dialing is not None]
        if dialing:
            await asyncio.wait(dialing, timeout=within_s)
        for task in dialing:
            task.cancel()

    def drop(self, line: Line) -> None:
        """Closes our duplicate, if there is one."""
        if line.connection is None:
            return
        if line.wire == "rtp":
            self._ports.give_back(line.connection, time.monotonic())
        else:
            line.connection.close()
        line.connection = None

    async def part(self, line: Line, within_s: float) -> None:
        """Closes it so that Asterisk sees an end, and not an error; at the latest after that time."""
        if line.connection is not None and line.wire != "rtp":
            await part(line.connection, within_s)
        self.drop(line)


def _aim(line: Line, command: ConnectMedia) -> None:
    """Asterisk's end of an `rtp` is known now. Raises `Refused`."""
    assert line.connection is not None
    if command.codec not in CODECS:
        raise Refused(f"RTP in {command.codec!r} is not understood; possible are {', '.join(CODECS)}")
    line.peer_host, line.peer_port = rtp_ports.far_end(line.connection, command.host, command.port)
    line.codec = command.codec
