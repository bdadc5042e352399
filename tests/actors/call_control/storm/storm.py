"""Brings calls into bad weather, breaks what can break, and looks at what is left when the sun shines again."""

import asyncio
import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from actors.call_control.control import CallControl
from actors.call_control.sessions import is_own_channel
from actors.call_control.store import Store
from config.keeping import History
from config.schema import Destination, Settings, Transfers
from tests.actors.call_control.storm.asterisk import Asterisk, Line
from tests.actors.call_control.storm.house import House, QuietBus

SETTLE_S = 400.0
"""After the last caller: removals are tried for seconds, transfers for a minute; a comparison comes every minute."""


class Storm:
    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.asterisk = Asterisk(self.chance)
        self.house = House(self.chance, self.asterisk)
        self.folder = folder
        self.kills = 0
        self.arrived: list[Line] = []
        self.failures: list[BaseException] = []
        self.settings = Settings(
            asterisk=self.asterisk.settings,
            history=History(directory=str(folder)),
            transfers=Transfers(
                destinations={"sales": Destination(context="people", extension="6000", ring_s=10, decide_s=8)},
                on_failure=Destination(context="people", extension="0"),
            ),
        )
        self.asterisk.person_rings = self._person_rings

    # -- call-control

    async def start_call_control(self) -> None:
        self.bus = self.house.bus = QuietBus(self.house, self.folder)
        self.store = Store(self.settings.history, self.folder, "call-control")
        self.control = CallControl(self.bus, self.settings, self.asterisk, self.store)  # type: ignore[arg-type]
        await self.control.start()

    async def kill_call_control(self) -> None:
        """As kill -9 does: whatever it was doing ends where it is; what was written stays."""
        self.kills += 1
        self.bus.kill()
        self.asterisk.cut()
        self.failures += self.bus.failures
        self.store.close()
        await asyncio.sleep(self.chance.uniform(0.05, 2.0))

    # -- the weather

    async def rage(self, calls: int) -> None:
        """Lets so many callers come, and everybody go."""
        await self.start_call_control()
        hazards = asyncio.get_running_loop().create_task(self._hazards())
        for number in range(calls):
            await asyncio.sleep(self.chance.expovariate(4.0))
            self._caller(number)
        await asyncio.sleep(60)
        hazards.cancel()
        self.asterisk.faulty = self.house.faulty = False
        await asyncio.sleep(SETTLE_S)
        self.failures += self.bus.failures

    def _caller(self, number: int) -> None:
        line = self.asterisk.call_in(f"1795348111.{number}", f"555{number:04}")
        self.arrived.append(line)
        # A third leaves while the call is being set up: at each of its steps, some of them.
        stay = self.chance.uniform(0, 0.05) if self.chance.random() < 0.3 else self.chance.uniform(0.05, 60)
        self.asterisk.later(stay, lambda: self.asterisk.hang_up_line(line))

    async def _hazards(self) -> None:
        while True:
            await asyncio.sleep(self.chance.expovariate(1.0))
            match self.chance.choice(("cut", "leg", "leg", "leg", "room", "kill", "held", "digit")):
                case "cut":
                    self.asterisk.cut()
                case "leg":
                    legs = [line for line in self.asterisk.lines.values() if line.id.startswith("media-")]
                    self._any(legs, lambda line: self.asterisk.hang_up_line(line))
                case "room":
                    self._any(sorted(self.asterisk.rooms), self._delete_room)
                case "kill":
                    await self.kill_call_control()
                    await self.start_call_control()
                case "held":
                    self._any(self._callers(), lambda line: self.asterisk.emit("ChannelHold", line))
                case "digit":
                    self._any(self._callers(), lambda line: self.asterisk.emit("ChannelDtmfReceived", line, digit="1"))

    def _callers(self) -> list[Line]:
        return [line for line in self.asterisk.lines.values() if not is_own_channel(line.id)]

    def _any(self, things: Sequence, act) -> None:  # type: ignore[no-untyped-def, type-arg]
        if things:
            act(self.chance.choice(things))

    def _delete_room(self, name: str) -> None:
        self.asterisk.heard.append(f"deleted {name}")
        for member in sorted(self.asterisk.rooms.pop(name)):
            self.asterisk.lines[member].bridge = ""
        self.asterisk.emit("BridgeDestroyed", bridge={"id": name})

    def _person_rings(self, line: Line) -> None:
        """They answer, are busy, or let it ring; who has answered may hang up at any moment."""
        what = self.chance.choice(("answers", "answers", "answers", "busy", "rings"))
        after = self.chance.uniform(0.1, 6)
        if what == "answers":
            self.asterisk.later(after, lambda: self.asterisk.answered(line))
            self.asterisk.later(after + self.chance.uniform(0.01, 60), lambda: self.asterisk.hang_up_line(line))
        elif what == "busy":
            self.asterisk.later(after, lambda: self.asterisk.hang_up_line(line, "busy", 17))

    # -- what is left

    def left(self) -> list[str]:
        """Everything of any call that should not be there any more."""
        left = [f"channel {name}" for name in self.asterisk.lines]
        left += [f"bridge {name}" for name in self.asterisk.rooms]
        left += [f"rings of {name}" for name in self.house.calls]
        left += [f"conversation of {name}" for name in self.house.conversations]
        return left + [f"session {session}" for session in self.control.calls.store]

    def history(self) -> list[sqlite3.Row]:
        with sqlite3.connect(self.folder / "calls.sqlite") as file:
            file.row_factory = sqlite3.Row
            return file.execute("SELECT * FROM calls ORDER BY number").fetchall()

    def live(self) -> int:
        with sqlite3.connect(self.folder / "calls.sqlite") as file:
            (count,) = file.execute("SELECT count(*) FROM live").fetchone()
            return int(count)
