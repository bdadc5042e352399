"""Which audio actor serves which call, and what becomes of its calls when it dies: without processes, but with the real
control sockets, rings and bells.
"""

import asyncio
import os
import select
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from config.load import SHIPPED, load
from config.media import ExternalMedia
from config.schema import Audio, Settings
from ipc import descriptors
from ipc.bus import Refused
from ipc.descriptors import MediaMessage
from ipc.messages import AttachMedia, MediaChanged, Message, OpenCall
from supervisor.call import company
from supervisor.calls import Calls
from supervisor.warm_pool import AudioActor, WarmPool
from tests.supervisor.stage import DEADLINE_S

OWNER = "call-control.branch"

PORTS = "18940-18949"

PREFIX = f"ringmaster-test-{os.getpid()}-"


class NoChildren:
    """Stands for `supervisor.children.Children` where no process is wanted: it only takes note."""

    def __init__(self) -> None:
        self.tree = SimpleNamespace(admits=lambda group: False, retire=self._retire)
        self.retired: list[str] = []
        self.hurried: set[str] = set()

    def _retire(self, name: str) -> None:
        self.retired.append(name)

    def hurry(self, name: str, on: bool) -> None:
        (self.hurried.add if on else self.hurried.discard)(name)

    def process(self, name: str) -> None:
        return None


class Troupe:
    """A pool whose actors do nothing, the calls, and what has been told of them."""

    def __init__(self, density: int, cores: int = 2, most: int = 1000) -> None:
        audio = Audio(calls_per_process=density, max_calls=most, cores=tuple(range(cores)))
        self.children = NoChildren()
        self.pool = WarmPool(self.children, audio)  # type: ignore[arg-type]
        self.told: list[MediaChanged] = []
        self.passed_on: list[tuple[str, Message]] = []
        settings = Settings(audio=audio, external_media=ExternalMedia(port_range=PORTS))
        told, passed_on = self.told.append, lambda peer, note: self.passed_on.append((peer, note))
        self.calls = Calls(self.pool, self.children, PREFIX, settings, told, passed_on)  # type: ignore[arg-type]
        self.actors: dict[str, AudioActor] = {}
        self._ends: dict[str, socket.socket] = {}
        self._peers: list[socket.socket] = []

    def hire(self, count: int) -> None:
        """So many more actors wait."""
        for _ in range(count):
            ours, theirs = descriptors.pair()
            ours.setblocking(False)
            theirs.setblocking(False)
            name = f"audio.{len(self.actors) + 1}"
            self._ends[name] = theirs
            self.actors[name] = AudioActor(name, ours)
            self.pool.adopt(self.actors[name])
            self.pool.became_ready(name)

    def call(self, call_id: str) -> str:
        """Opens it and brings its media; gives the actor's name."""
        uuid = f"uuid of {call_id}"
        opened = self.calls.open(OpenCall(call_id=call_id, rate=8000, media_uuid=uuid), OWNER)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._peers.append(theirs)
        self.calls.deliver(uuid, ours)
        return opened.audio_actor

    def dies(self, name: str) -> None:
        self._ends[name].close()
        actor = self.pool.ended(name)
        assert actor is not None
        self.calls.actor_ended(actor)

    def told_to(self, name: str) -> list[MediaMessage]:
        """What the actor has been told since the last look: it reads its socket empty, and lets the descriptors go."""
        told: list[MediaMessage] = []
        while True:
            try:
                received = descriptors.receive(self._ends[name])
            except BlockingIOError:
                return told
            if received is None:
                return told
            message, files = received
            for file in files:
                os.close(file)
            told.append(message)

    def given(self, name: str) -> list[str]:
        """The calls whose media the actor has been given since the last look."""
        return [message.call_id for message in self.told_to(name) if isinstance(message, AttachMedia)]

    async def says(self, name: str, message: MediaMessage) -> None:
        """The actor says this, and it has been heard."""
        descriptors.send(self._ends[name], message)
        while select.select([self.actors[name].control], [], [], 0)[0]:
            await asyncio.sleep(0)

    def served(self) -> dict[str, list[str]]:
        """The calls of each actor that has any."""
        table: dict[str, list[str]] = {}
        for call in self.calls.listing():
            table.setdefault(call.audio_actor, []).append(call.call_id)
        return table

    def who_serves(self, call_id: str) -> str:
        return next(call.audio_actor for call in self.calls.listing() if call.call_id == call_id)

    def close(self) -> None:
        for end in (*self._ends.values(), *self._peers):
            end.close()


def play(scene: Callable[[Troupe], Awaitable[None]], density: int, cores: int = 2, most: int = 1000) -> None:
    async def run() -> None:
        troupe = Troupe(density, cores, most)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await scene(troupe)
                for actor in list(troupe.actors.values()):
                    if not actor.gone.is_set():
                        troupe.calls.begin_to_end()
                        troupe.dies(actor.name)
                await troupe.calls.close_all()
        finally:
            troupe.close()

    asyncio.run(run())


# -- who gets a call


def test_with_one_call_a_process_each_call_has_an_actor_of_its_own() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(3)
        assert [troupe.call(f"c{n}") for n in range(3)] == ["audio.1", "audio.2", "audio.3"]
        with pytest.raises(Refused, match="no audio actor waits"):
            troupe.call("more")
        assert troupe.calls.refused == {"no audio actor": 1}

    play(scene, density=1)


def test_calls_are_spread_over_as_many_actors_as_there_are_cores_and_then_share_them_evenly() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(4)
        for n in range(7):
            troupe.call(f"c{n}")
        assert {name: len(calls) for name, calls in troupe.served().items()} == {"audio.1": 4, "audio.2": 3}
        assert len(troupe.pool) == 2

    play(scene, density=10)


def test_another_actor_serves_once_those_that_serve_are_full() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(3)
        for n in range(5):
            troupe.call(f"c{n}")
        assert {name: len(calls) for name, calls in troupe.served().items()} == {
            "audio.1": 2,
            "audio.2": 2,
            "audio.3": 1,
        }

    play(scene, density=2)


def test_a_new_density_holds_for_the_calls_that_come_from_then_on() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(2)
        assert troupe.call("c0") == troupe.call("c1") == "audio.1"
        troupe.pool.density = 1
        assert troupe.call("c2") == "audio.2"
        assert not troupe.pool.has_room
        troupe.pool.density = 3
        assert troupe.call("c3") == "audio.2", "the one that serves the fewest"

    play(scene, density=8, cores=1)


def test_calls_are_counted_and_not_processes() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(2)
        for n in range(3):
            troupe.call(f"c{n}")
        assert troupe.calls.full
        with pytest.raises(Refused, match="max_calls") as refused:
            troupe.call("more")
        assert refused.value.busy
        assert troupe.calls.refused == {"full": 1}

    play(scene, density=5, most=3)


def test_while_draining_no_call_is_opened_and_those_that_are_open_are_still_answered_for() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(2)
        troupe.call("c0")
        troupe.calls.draining = True
        with pytest.raises(Refused, match="drain --off") as refused:
            troupe.call("more")
        assert refused.value.busy
        assert troupe.calls.refused == {"draining": 1}
        again = OpenCall(call_id="c0", rate=8000, media_uuid="uuid of c0")
        assert troupe.calls.open(again, OWNER).audio_actor == "audio.1"
        troupe.calls.draining = False
        assert troupe.call("c1") == "audio.2"

    play(scene, density=1)


def test_an_actor_ends_with_its_last_call_and_one_that_was_never_used_waits_again() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        troupe.calls.open(OpenCall(call_id="unused", rate=8000, media_uuid="never"), OWNER)
        await troupe.calls.close("unused")
        assert len(troupe.pool) == 1
        assert troupe.children.retired == []
        troupe.call("c0")
        troupe.call("c1")
        assert troupe.children.hurried == {"audio.1"}
        await troupe.calls.close("c0")
        assert troupe.children.retired == []
        await troupe.calls.close("c1")
        assert troupe.children.retired == ["audio.1"]
        assert troupe.children.hurried == set()
        assert not troupe.pool.has_room

    play(scene, density=3)


# -- what becomes of the calls of an actor that dies


def test_all_calls_of_an_actor_that_dies_are_taken_over_at_once_and_spread() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(4)
        for n in range(8):
            troupe.call(f"c{n}")
        lost = troupe.served()["audio.1"]
        troupe.told.clear()
        troupe.dies("audio.1")
        assert sorted(event.call_id for event in troupe.told) == lost
        assert {(event.state, event.reason) for event in troupe.told} == {("moved", "audio.1 died")}
        assert {name: len(calls) for name, calls in troupe.served().items()} == {
            "audio.2": 4,
            "audio.3": 2,
            "audio.4": 2,
        }
        assert troupe.given("audio.3") + troupe.given("audio.4") == [lost[0], lost[2], lost[1], lost[3]]

    play(scene, density=50)


def test_calls_that_find_nobody_are_served_as_many_at_once_as_find_room() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(1)
        for n in range(4):
            troupe.call(f"c{n}")
        troupe.dies("audio.1")
        assert troupe.served() == {"": ["c0", "c1", "c2", "c3"]}
        troupe.hire(1)
        assert troupe.served() == {"audio.2": ["c0", "c1", "c2", "c3"]}
        assert {event.state for event in troupe.told[4:]} == {"moved"}

    play(scene, density=4)


def test_a_place_that_becomes_free_goes_to_who_has_lost_their_actor() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(2)
        assert [troupe.call(f"c{n}") for n in range(4)] == ["audio.1", "audio.2", "audio.1", "audio.2"]
        troupe.dies("audio.1")
        assert troupe.served() == {"": ["c0", "c2"], "audio.2": ["c1", "c3"]}
        await troupe.calls.close("c3")
        assert troupe.served() == {"audio.2": ["c0", "c1"], "": ["c2"]}

    play(scene, density=2)


COMPANY: dict[str, list[tuple[int, int, int]]] = {
    # Deaths of late, density, calls that may share an actor.
    "one death may be anybody's": [(0, 200, 200), (1, 200, 200), (1, 1, 1)],
    "after two it is to be found out whose": [(2, 200, 20), (2, 30, 3), (2, 5, 1), (2, 1, 1)],
    "after three it is alone": [(3, 200, 1), (4, 200, 1), (3, 1, 1)],
}


@pytest.mark.parametrize("rows", COMPANY.values(), ids=COMPANY.keys())
def test_the_more_deaths_a_call_was_in_the_less_company_it_gets(rows: list[tuple[int, int, int]]) -> None:
    for deaths, density, expected in rows:
        assert company(deaths, density) == expected


def test_the_connection_that_kills_its_actors_is_given_up_and_none_of_its_neighbours_is() -> None:
    """Forty calls on two actors; "c0" kills whoever serves it, at once. There always are enough that wait."""

    async def scene(troupe: Troupe) -> None:
        troupe.hire(40)
        for n in range(40):
            troupe.call(f"c{n}")
        companies = []
        for _ in range(4):
            name = troupe.who_serves("c0")
            companies.append(len(troupe.served()[name]))
            troupe.dies(name)
        assert companies[0] == 20
        assert companies[1] < 20, "they were spread"
        assert companies[2] <= 4
        assert companies[3] == 1
        lost = [event for event in troupe.told if event.state == "lost"]
        assert [(event.call_id, event.reason) for event in lost] == [("c0", "4 audio actors died of it within 10 s")]
        served = {call_id for calls in troupe.served().values() for call_id in calls if calls}
        assert {f"c{n}" for n in range(1, 40)} <= served
        assert "" not in {troupe.who_serves(f"c{n}") for n in range(1, 40)}

    play(scene, density=40)


def test_whoever_is_under_suspicion_gets_no_newcomers() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(5)
        troupe.call("c0")
        for _ in range(3):
            troupe.dies(troupe.who_serves("c0"))
        alone = troupe.who_serves("c0")
        assert troupe.call("c1") != alone
        with pytest.raises(Refused, match="no audio actor waits"):
            troupe.pool.density = 1
            troupe.call("c2")

    play(scene, density=8, cores=1)


def test_an_actor_that_is_given_more_than_its_socket_holds_gets_the_rest_when_it_has_read() -> None:
    async def scene(troupe: Troupe) -> None:
        troupe.hire(2)
        actor = troupe.actors["audio.2"]
        actor.control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        for n in range(30):
            troupe.call(f"c{n}")
        troupe.dies("audio.1")
        given = troupe.given("audio.2")
        assert 0 < len(given) < 30
        while len(given) < 30:
            await asyncio.sleep(0)
            given += troupe.given("audio.2")
        assert sorted(given) == sorted(f"c{n}" for n in range(30)), "each once"
        assert [event.reason for event in troupe.told[30:]] == ["audio.1 died"] * 30

    play(scene, density=50, cores=1)


def test_the_settings_that_ship_make_a_pool(tmp_path: Path) -> None:
    async def scene(troupe: Troupe) -> None:
        pool = WarmPool(troupe.children, load(SHIPPED).settings.audio)  # type: ignore[arg-type]
        assert pool.density == 1
        assert not pool.has_room

    play(scene, density=1)
