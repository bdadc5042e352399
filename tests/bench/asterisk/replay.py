"""Plays the client of a recording against the stand-in, and keeps what that client is told."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bench.asterisk import Answer, Asterisk, Busy, Dialplan, Hangup, NoOp, Phone, Playback, Ringing, Stasis, Wait
from bench.asterisk.sounds import tone
from tests.bench.asterisk.client import credentials
from tests.bench.asterisk.media_client import MediaClient
from tests.bench.asterisk.media_server import MediaServer
from tests.bench.asterisk.recording import Line, Recording, Step

APP = "asterisk-ai-voice-agent"
# The dialplan that the recordings show: a line before Stasis, and a human at 1002.
DIALPLAN: Dialplan = {
    "inbound": {"1000": [NoOp(), Stasis(APP)], "1002": [Answer(), Wait(30)]},
    "people": {
        "100": [Answer(), Wait(5)],
        "101": [Ringing(), Wait(60), Hangup(19)],
        "102": [Busy(2), Hangup(17)],
        "104": [Ringing(), Wait(3), Answer(), Playback("demo-congrats"), Hangup()],
    },
}
SOUNDS = {"/var/spool/agent/tone": tone(440, 0.5), "demo-congrats": tone(500, 20.0)}
# What the phone PJSIP/human does with the next call, by the recorder's words: a cause to refuse it with, 0 = it rings.
HUMAN = {"rings": 0, "busy": 17, "declines": 21, "does not exist": 1, "congestion": 34, "unavailable": 19}
DEADLINE_S = 5.0
TERMINATE = b"\x00\x00\x00"
# What the recorder wrote to the media connection, by its own description of it.
WRITES = {
    "terminate frame 00 0000": TERMINATE,
    "frame of unknown kind 0x77": b"\x77\x01\x40" + bytes(320),
    "100 frames of 320 bytes in one write (2 s of audio)": (b"\x10\x01\x40" + bytes(320)) * 100,
    "one frame of 3200 bytes (200 ms)": b"\x10\x0c\x80" + bytes(3200),
}
# How many frames the caller hears of it, where it is sound.
HEARD = {
    "100 frames of 320 bytes in one write (2 s of audio)": 100,
    "one frame of 3200 bytes (200 ms)": 1,
}


@dataclass
class EventConnection:
    socket: aiohttp.ClientWebSocketResponse
    reader: asyncio.Task[None]
    events: list[Line] = field(default_factory=list)


class Replay:
    """The client: does one step after another, each when the stand-in has said what the real one had said by then."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.media = MediaServer()
        self.media_address = ""
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.setblocking(False)
        self.rtp.bind(("127.0.0.1", 0))
        self.rtp_address = "{}:{}".format(*self.rtp.getsockname())
        self.packets: list[bytes] = []
        self.connections: list[EventConnection] = []
        self.replies: list[tuple[Line, int, Any]] = []
        self.websockets: list[MediaClient] = []
        self.refused: list[int] = []
        self.human: Phone | None = None
        self.asterisk = Asterisk(DIALPLAN, sounds=SOUNDS)
        self.asterisk.register("caller")
        self.station = self.asterisk.register("human")
        self.station.context = "people"
        self.phone: Phone | None = None
        self._changed = asyncio.Condition()
        self._session: aiohttp.ClientSession | None = None
        # Recorded id -> replayed id, for what Asterisk names itself.
        self._ids: dict[str, str] = {}
        self._sound_held: Step | None = None

    @property
    def events(self) -> list[Line]:
        """All that came on any connection; the recordings never have two that are told things at once."""
        return [event for connection in self.connections for event in connection.events]

    async def run(self) -> None:
        self.media_address = await self.media.start()
        headers = credentials(self.asterisk)
        async with self.asterisk, aiohttp.ClientSession(headers=headers) as self._session:
            hearing = asyncio.ensure_future(self._hear_rtp())
            for step in self.recording.steps:
                await self._wait(step)
                await self._do(step)
            await self._until(lambda: len(self.events) >= len(self.recording.events), "the last events")
            await self._media_observed()
            # Time for what the real one did not say, to show itself.
            for _ in range(3):
                await (await self._session.get(f"{self.asterisk.url}/asterisk/ping")).read()
            hearing.cancel()
            for websocket in self.websockets:
                await websocket.stop()
            for connection in self.connections:
                connection.reader.cancel()
                await connection.socket.close()
        await self.media.stop()
        self.rtp.close()

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def _wait(self, step: Step) -> None:
        await self._until(lambda: len(self.events) >= step.events, f"{step.events} events before {step.line}")
        async with asyncio.timeout(DEADLINE_S):
            if self.websockets:
                *before, last = self.websockets
                await last.told(step.texts - sum(len(other.texts) for other in before))
                await last.heard(step.sounds - sum(min(3, len(other.sounds)) for other in before))
            else:
                async with self.media.changed:
                    await self.media.changed.wait_for(lambda: self.media.sounds() + len(self.packets) >= step.sounds)
        if step.needs:
            await self._until(lambda: self._is_in_stasis(step.needs), f"{step.needs} in Stasis")

    def _is_in_stasis(self, recorded: str) -> bool:
        self._learn()
        wanted = self._ids.get(recorded, recorded)
        return any(event["type"] == "StasisStart" and event["channel"]["id"] == wanted for event in self.events)

    def _learn(self) -> None:
        """Which of our ids stands for which of theirs: the StasisStarts come in the same order on both sides."""
        theirs = [event["channel"]["id"] for event in self.recording.events if event["type"] == "StasisStart"]
        ours = [event["channel"]["id"] for event in self.events if event["type"] == "StasisStart"]
        self._ids |= dict(zip(theirs, ours, strict=False))

    async def _until(self, come: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S), self._changed:
                await self._changed.wait_for(come)
        except TimeoutError:
            last = [event["type"] for event in self.events[-5:]]
            raise AssertionError(f"waited in vain for {what}; the last of {len(self.events)} events: {last}") from None

    async def _media_observed(self) -> None:
        """The media connection ends, where the recording shows it."""
        if any(line["kind"] == "audiosocket.closed_by_peer" for line in self.recording.lines):
            async with asyncio.timeout(DEADLINE_S):
                await self.media.ended.wait()

    # -- doing ------------------------------------------------------------------------------------------------------

    async def _do(self, step: Step) -> None:
        doings: dict[str, Callable[[Step], Awaitable[None]]] = {
            "dial": self._dial,
            "open": self._open,
            "second client": self._nothing,
            "close": self._close,
            "rest": self._request,
            "audiosocket.tx": self._write,
            "hang up": self._hang_up,
            "press": self._press,
            "holds": self._hold,
            "resumes": self._resume,
            "human": self._human,
            "media.connect": self._connect,
            "media.refused": self._refused,
            "media.tx": self._tell,
        }
        clock = self.asterisk.exchange.plane.clock
        if self._human_joins(step):
            # In Asterisk the next request raced with the first sound to the human's leg, and was first.
            clock.stall(time.monotonic_ns() + int(DEADLINE_S * 1e9))
            self._sound_held = step
        await doings[step.what](step)
        if self._sound_held not in (None, step):
            clock.stall(0)
            self._sound_held = None

    def _human_joins(self, step: Step) -> bool:
        recorded = [event["channel"] for event in self.recording.events if event["type"] == "StasisStart"]
        locals_ = {channel["id"] for channel in recorded if channel["name"].startswith("Local/")}
        return step.needs in locals_

    async def _nothing(self, step: Step) -> None:
        """The line that follows in the recording does it."""

    async def _dial(self, step: Step) -> None:
        self.phone = self.asterisk.dial("1000")

    async def _hang_up(self, step: Step) -> None:
        assert self.phone is not None
        self.phone.hang_up()

    async def _press(self, step: Step) -> None:
        assert self.phone is not None
        body = step.line["body"]
        await self.phone.press(body["digit"], body["duration_ms"])

    async def _hold(self, step: Step) -> None:
        assert self.phone is not None
        self.phone.hold()

    async def _resume(self, step: Step) -> None:
        assert self.phone is not None
        self.phone.resume()

    async def _human(self, step: Step) -> None:
        what = step.line["what"]
        if what == "answers":
            self.human = await asyncio.wait_for(self.station.calls.get(), DEADLINE_S)
            self.human.pick_up()
        elif what == "hangs up":
            assert self.human is not None
            self.human.hang_up()
        else:
            self.station.refuses_with = HUMAN[what]

    # -- the agent's side of chan_websocket -------------------------------------------------------------------------

    def _media_url(self, step: Step) -> str:
        return f"ws://127.0.0.1:{self.asterisk.port}{self._ours(step.line['path'])}"

    async def _connect(self, step: Step) -> None:
        assert self._session is not None
        self.websockets.append(await MediaClient.connect(self._session, self._media_url(step)))

    async def _refused(self, step: Step) -> None:
        assert self._session is not None
        try:
            await self._session.ws_connect(self._media_url(step))
        except aiohttp.WSServerHandshakeError as error:
            self.refused.append(error.status)

    async def _tell(self, step: Step) -> None:
        line, websocket = step.line, self.websockets[-1]
        if line["opcode"] == "text":
            await websocket.socket.send_str(line["text"])
        elif line["opcode"] == "binary":
            await websocket.socket.send_bytes(bytes(line["length"]))
        elif line["opcode"] == "close":
            await websocket.socket.close()
        else:
            websocket.reset()

    async def _open(self, step: Step) -> None:
        assert self._session is not None
        events = await self._session.ws_connect(f"{self.asterisk.url}/events", params={"app": step.line["app"]})
        connection = EventConnection(events, asyncio.ensure_future(self._nothing(step)))
        connection.reader = asyncio.ensure_future(self._read(connection))
        self.connections.append(connection)

    async def _read(self, connection: EventConnection) -> None:
        async for message in connection.socket:
            connection.events.append(json.loads(message.data))
            async with self._changed:
                self._changed.notify_all()

    async def _close(self, step: Step) -> None:
        """The client closes; when its close is answered, nobody listens to the application any more."""
        await self.connections[-1].socket.close()
        assert not self.asterisk.exchange.applications[APP].active

    async def _write(self, step: Step) -> None:
        assert self.phone is not None
        heard = self.phone.listen()
        if step.line["what"] == "close":
            self.media.close()
        else:
            self.media.write(WRITES[step.line["what"]])
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(HEARD.get(step.line["what"], 0)):
                await heard.get()

    async def _request(self, step: Step) -> None:
        assert self._session is not None
        line = step.line
        self._learn()
        path = self._ours(line["path"])
        params = {name: self._ours(value) for name, value in line["params"].items()}
        url = f"{self.asterisk.url}{path}"
        asked = {"json": json.loads(self._ours(json.dumps(line["request"])))} if line["request"] is not None else {}
        async with self._session.request(line["method"], url, params=params, **asked) as response:
            text = await response.text()
        body = json.loads(text) if text else None
        self.replies.append((line, response.status, body))
        recorded = line["response"]
        if isinstance(recorded, dict) and isinstance(body, dict) and "id" in recorded and "id" in body:
            self._ids[recorded["id"]] = body["id"]
            self._ids |= dict(zip(connections(recorded), connections(body), strict=False))

    def _ours(self, text: str) -> str:
        for theirs, ours in self.addresses().items():
            text = text.replace(theirs, ours)
        for theirs, ours in self._ids.items():
            text = text.replace(theirs, ours)
        return text

    def addresses(self) -> dict[str, str]:
        """The recorder's fixed ports, and ours."""
        return {"127.0.0.1:8090": self.media_address, "127.0.0.1:18080": self.rtp_address}

    async def _hear_rtp(self) -> None:
        while True:
            self.packets.append(await asyncio.get_running_loop().sock_recv(self.rtp, 4096))
            async with self.media.changed:
                self.media.changed.notify_all()


def connections(body: Line) -> list[str]:
    """The id for the media WebSocket that an externalMedia reply names, if it does."""
    found = body.get("channelvars", {}).get("MEDIA_WEBSOCKET_CONNECTION_ID")
    return [] if found is None else [found]
