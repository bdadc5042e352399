"""Asterisk as call-control sees it, without a wire: channels, bridges, callers and people. Each request may go wrong.

It has the methods of `actors.call_control.ari.Ari` that call-control uses, and raises its errors. What goes wrong is
drawn from one random generator, so that a seed tells the whole story:

    before    an error, and nothing was done        lie     404, 409 or 500, although nothing is the matter
    after     no answer, but it was done            slow    an answer that takes seconds
    event     lost, or late
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Self

import aiohttp
import msgspec

from actors.call_control.ari import Broken, Conflict, Invalid, NoReply, NotFound, Unreachable
from actors.call_control.ari.objects import Bridge, CallerId, Channel, Dialplan
from actors.call_control.commands import Place
from actors.call_control.sessions import is_own_channel
from config.schema import Asterisk as Settings

APP = "storm"
FAULTS = 0.06
"""Of all requests."""
LOST_EVENTS = 0.02
REPLY_S = 5.0


@dataclass(eq=False)
class Line:
    """A channel."""

    id: str
    state: str
    number: str = ""
    inside: bool = True
    """In our application."""
    bridge: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    fate: str = ""
    """How it ended, as the world knows it: `hung up`, `hung up by us`, `continued`."""

    def shown(self) -> Channel:
        place = Dialplan(app_name="Stasis", app_data=APP) if self.inside else Dialplan(app_name="Dial")
        return Channel(self.id, f"PJSIP/{self.id}", self.state, CallerId("", self.number), CallerId(), place)


class Socket:
    """The events WebSocket."""

    close_code = 1006

    def __init__(self) -> None:
        self.messages: asyncio.Queue[str | None] = asyncio.Queue()

    def get_extra_info(self, name: str) -> None:
        return None

    def exception(self) -> None:
        return None

    async def close(self) -> None:
        self.messages.put_nowait(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def __aiter__(self) -> AsyncIterator[SimpleNamespace]:
        while (message := await self.messages.get()) is not None:
            yield SimpleNamespace(type=aiohttp.WSMsgType.TEXT, data=message)


class Asterisk:
    """`faulty` may be switched off: then everything works."""

    def __init__(self, chance: random.Random) -> None:
        self.settings = Settings(app_name=APP)
        self.origin, self.app_name = "http://storm", APP
        self.chance = chance
        self.faulty = True
        self.lines: dict[str, Line] = {}
        self.rooms: dict[str, set[str]] = {}
        self.gone: dict[str, Line] = {}
        self.heard: list[str] = []
        """What was done wrong on purpose, for a failing test to tell."""
        self.doubtful: set[str] = set()
        """Channels of which call-control cannot know whether they left by its doing: a request to send them away was
        not answered, or was on its way when they hung up."""
        self.media_attached: Callable[[str, bool], None] = lambda uuid, there: None
        self.person_rings: Callable[[Line], None] = lambda line: None
        self._socket: Socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- events

    def emit(self, kind: str, line: Line | None = None, **fields: object) -> None:
        event: dict[str, object] = {"type": kind, "application": APP, **fields}
        if line is not None:
            event["channel"] = msgspec.to_builtins(line.shown())
        if self._socket is None:
            return
        if self.faulty and self.chance.random() < LOST_EVENTS:
            self.heard.append(f"lost {kind} {line.id if line else ''}")
            return
        self._socket.messages.put_nowait(msgspec.json.encode(event).decode())

    async def open_events(self) -> Socket:
        if self.faulty and self.chance.random() < 0.3:
            raise Unreachable("cannot reach Asterisk")
        if self._socket is not None:
            await self._socket.close()
        self._socket = Socket()
        return self._socket

    def cut(self) -> None:
        """The events connection breaks."""
        if self._socket is not None:
            self.heard.append("events cut")
            self._socket.messages.put_nowait(None)
            self._socket = None

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        async def work() -> None:
            await asyncio.sleep(seconds)
            act()

        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- what callers and people do

    def call_in(self, channel_id: str, number: str) -> Line:
        line = self.lines[channel_id] = Line(channel_id, "Ring", number)
        self.emit("StasisStart", line)
        return line

    def hang_up_line(self, line: Line, fate: str = "hung up", cause: int = 16) -> None:
        """Its end, whoever wanted it."""
        if self.lines.pop(line.id, None) is None:
            return
        line.fate = line.fate or fate
        self.gone[line.id] = line
        self._leave_room(line)
        if line.inside:
            self.emit("ChannelHangupRequest", line)
            line.inside = False
            self.emit("StasisEnd", line)
        if is_own_channel(line.id):  # of others we hear no more once they have left the application
            self.emit("ChannelDestroyed", line, cause=cause, cause_txt="Normal Clearing")
        if line.id.startswith("media-"):
            self.media_attached(line.id.removeprefix("media-"), False)

    def _leave_room(self, line: Line) -> None:
        self.rooms.get(line.bridge, set()).discard(line.id)
        line.bridge = ""

    def answered(self, line: Line) -> None:
        """Somebody whom we have called has answered."""
        if line.id in self.lines:
            line.state, line.inside = "Up", True
            self.emit("StasisStart", line)

    # -- requests

    async def _weather(self, what: str) -> bool:
        """Raises when the request goes wrong before anything is done; True when its answer is to be lost after it."""
        await asyncio.sleep(self.chance.choice((0.001, 0.002, 0.005)))
        if not self.faulty or self.chance.random() > FAULTS:
            return False
        kind = self.chance.choice(("before", "after", "lie", "slow"))
        self.heard.append(f"{kind} {what}")
        match kind:
            case "before":
                if self.chance.random() < 0.5:
                    raise Unreachable("no connection")
                await asyncio.sleep(REPLY_S)
                raise NoReply("no answer in time")
            case "lie":
                raise self.chance.choice((NotFound, Conflict, Broken))("so it says")
            case "slow":
                await asyncio.sleep(self.chance.uniform(0.5, 4.0))
        return kind == "after"

    async def _parting(self, what: str, channel_id: str) -> bool:
        here = channel_id in self.lines
        try:
            return await self._weather(what)
        except (NoReply, asyncio.CancelledError):
            self.doubtful.add(channel_id)
            raise
        finally:
            if here and channel_id not in self.lines:
                self.doubtful.add(channel_id)

    async def _done(self, lost: bool) -> None:
        if lost:
            await asyncio.sleep(REPLY_S)
            raise NoReply("no answer in time")

    def _line(self, channel_id: str) -> Line:
        line = self.lines.get(channel_id)
        if line is None:
            raise NotFound("Channel not found")
        return line

    def _stasis(self, channel_id: str) -> Line:
        line = self._line(channel_id)
        if not line.inside:
            raise Conflict("Channel not in Stasis application")
        return line

    async def channels(self) -> list[Channel]:
        lost = await self._weather("channels")
        shown = [line.shown() for line in self.lines.values()]
        await self._done(lost)
        return shown

    async def bridges(self) -> list[Bridge]:
        lost = await self._weather("bridges")
        shown = [Bridge(name, APP, "simple_bridge", tuple(sorted(room))) for name, room in self.rooms.items()]
        await self._done(lost)
        return shown

    started = ""

    async def version(self) -> str:
        return "22.11.0"

    async def modules(self) -> dict[str, bool]:
        return {}

    async def application_idle(self, ours: Callable[[str], bool]) -> bool:
        return not any(line.inside and not ours(line.id) for line in self.lines.values())

    async def channel(self, channel_id: str) -> Channel | None:
        line = self.lines.get(channel_id)
        return line.shown() if line else None

    async def variables(self, channel_id: str, names: Iterable[str]) -> dict[str, str]:
        lost = await self._weather("variables")
        line = self.lines.get(channel_id)
        await self._done(lost)
        return {name: line.variables[name] for name in names if name in line.variables} if line else {}

    async def variable(self, channel_id: str, name: str) -> str | None:
        return (await self.variables(channel_id, [name])).get(name)

    async def set_variables(self, channel_id: str, variables: Mapping[str, str]) -> None:
        lost = await self._weather("set_variables")
        self._stasis(channel_id).variables.update(variables)
        await self._done(lost)

    async def answer(self, channel_id: str) -> None:
        lost = await self._weather("answer")
        self._stasis(channel_id).state = "Up"
        await self._done(lost)

    async def start_music(self, channel_id: str, music_class: str = "") -> None:
        lost = await self._weather("start_music")
        self._stasis(channel_id)
        await self._done(lost)

    async def stop_music(self, channel_id: str) -> None:
        lost = await self._weather("stop_music")
        self._stasis(channel_id)
        await self._done(lost)

    async def play_on_channel(self, channel_id: str, media: str, playback_id: str) -> None:
        lost = await self._weather("play_on_channel")
        self._stasis(channel_id)
        self.later(1.5, lambda: self.emit("PlaybackFinished", playback={"id": playback_id, "state": "done"}))
        await self._done(lost)

    async def play_on_bridge(self, bridge_id: str, media: str, playback_id: str) -> None:
        lost = await self._weather("play_on_bridge")
        if bridge_id not in self.rooms:
            raise NotFound("Bridge not found")
        self.later(1.5, lambda: self.emit("PlaybackFinished", playback={"id": playback_id, "state": "done"}))
        await self._done(lost)

    async def hang_up(self, channel_id: str, reason: str = "normal") -> None:
        lost = await self._parting("hang_up", channel_id)
        self.hang_up_line(self._line(channel_id), "hung up by us")
        await self._done(lost)

    async def continue_in_dialplan(self, channel_id: str, place: Place | None) -> None:
        lost = await self._parting("continue", channel_id)
        line = self._stasis(channel_id)
        line.fate = f"continued {line.variables.get('AGENT_STATUS', '')}"
        self._leave_room(line)
        line.inside = False
        self.emit("StasisEnd", line)
        self.later(3.0, lambda: self.hang_up_line(line))
        await self._done(lost)

    async def originate(
        self,
        channel_id: str,
        endpoint: str,
        *,
        formats: str = "",
        app_args: str = "",
        variables: Mapping[str, str] | None = None,
        caller_id: str = "",
        timeout_s: int = 10,
        originator: str = "",
    ) -> None:
        lost = await self._weather("originate")
        if channel_id in self.lines or channel_id in self.gone:
            raise Conflict("a channel of this id exists")
        line = self.lines[channel_id] = Line(channel_id, "Down", inside=False, variables=dict(variables or {}))
        if endpoint.startswith("AudioSocket/"):
            self._media_comes_up(line)
        else:
            self.later(timeout_s, lambda: line.state == "Down" and self.hang_up_line(line, "no answer", 19))
            self.person_rings(line)
        await self._done(lost)

    async def external_media(self, channel_id: str, **how: object) -> dict[str, str]:
        lost = await self._weather("external_media")
        if channel_id in self.lines or channel_id in self.gone:
            raise Broken("Allocation failed")
        line = self.lines[channel_id] = Line(channel_id, "Down", inside=False)
        if how["encapsulation"] != "none":
            self._media_comes_up(line)
        await self._done(lost)
        return {
            "UNICASTRTP_LOCAL_ADDRESS": "127.0.0.1",
            "UNICASTRTP_LOCAL_PORT": "20000",
            "MEDIA_WEBSOCKET_CONNECTION_ID": channel_id,
        }

    def connect_websocket(self, channel_id: str) -> bool:
        """The supervisor has dialled Asterisk's end."""
        line = self.lines.get(channel_id)
        if line is None or line.inside:
            return False
        self._media_comes_up(line)
        return True

    def _media_comes_up(self, line: Line) -> None:
        def up() -> None:
            self.answered(line)
            if line.id in self.lines:
                self.media_attached(line.id.removeprefix("media-"), True)

        self.later(0.002, up)

    async def create_bridge(self, bridge_id: str) -> None:
        lost = await self._weather("create_bridge")
        self.rooms.setdefault(bridge_id, set())
        await self._done(lost)

    async def delete_bridge(self, bridge_id: str) -> None:
        lost = await self._weather("delete_bridge")
        if bridge_id not in self.rooms:
            raise NotFound("Bridge not found")
        for member in sorted(self.rooms[bridge_id]):
            self.lines[member].bridge = ""
        del self.rooms[bridge_id]
        self.emit("BridgeDestroyed", bridge={"id": bridge_id})
        await self._done(lost)

    async def add_to_bridge(self, bridge_id: str, *channel_ids: str) -> None:
        lost = await self._weather("add_to_bridge")
        if bridge_id not in self.rooms:
            raise NotFound("Bridge not found")
        for channel_id in channel_ids:
            line = self.lines.get(channel_id)
            if line is None or not line.inside:
                raise Invalid("Channel not found")
            self._leave_room(line)
            self.rooms[bridge_id].add(channel_id)
            line.bridge = bridge_id
        await self._done(lost)
