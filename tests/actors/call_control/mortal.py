"""A call whose call-control dies between any two transactions, and comes back with nothing but what is on disk.

Everything else lives on meanwhile: commands that were on their way are carried out or are not, and nobody hears the
answer; callers hang up, legs end. `tests.actors.call_control.world` is the rest of it.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from actors.call_control.ari import Bridge, CallerId, Channel
from actors.call_control.ari.objects import Dialplan
from actors.call_control.commands import Command, CreateBridge, OpenRings, StartConversation
from actors.call_control.comparison import Adopt, Found, RemoveChannel, compare, direct_calls
from actors.call_control.events import Begun, Event, Performed, RingsOpened
from actors.call_control.sessions import SessionStore
from actors.call_control.store import Store
from config.keeping import History
from ipc import media_uuid
from ipc.history import History as File
from ipc.messages import OpenedCall
from tests.actors.call_control.world import World

APP = "agent"


class Died(Exception):
    """Call-control is dead: nothing of it is left but what it has written."""


class MortalWorld(World):
    def __init__(self, folder: Path, dies: Callable[[], bool], **options: object) -> None:
        """dies: asked after each transaction."""
        self.folder = folder
        self.dies = dies
        self.alive = True
        self.deaths = 0
        self.caller_left_seen = False
        self.in_hand: list[Command] = []
        """Commands that are being carried out, or have been, and whose answer has not been taken yet."""
        self.store = Store(History(directory=str(folder)), folder, "call-control")
        self.store.load()
        super().__init__(begin=False, **options)  # type: ignore[arg-type]
        self.store.begin(self.session, (), self.now)

    def tell(self, event: Event) -> list[Command]:
        if not self.alive:
            return []
        before = self.session
        commands = super().tell(event)
        self.store.step(before, event, self.session, [*self.in_hand, *self.waiting], self.now)
        if self.dies():
            self.alive = False
            raise Died
        return commands

    def answer(self, kind: type[Command] | int = 0, why: object = None, *, done: bool = False) -> None:
        if isinstance(kind, int) and self.there(self.waiting[kind]):
            why = None  # what is there already is not refused
        try:
            super().answer(kind, why, done=done)  # type: ignore[arg-type]
        finally:
            self.in_hand.clear()

    def there(self, command: Command) -> bool:
        """Whether it was carried out already, and nobody has heard of it."""
        match command:
            case OpenRings():
                return self.rings
            case StartConversation():
                return self.conversation
            case CreateBridge(bridge_id=bridge_id):
                return bridge_id in self.bridges
        return False

    def _carry_out(self, command: Command) -> Event:
        self.in_hand.append(command)
        outcome = super()._carry_out(command)
        self.in_hand.remove(command)
        return outcome

    # -- death, and what comes after it --------------------------------------------------------------------------------

    def carry_on_alone(self, chosen: Callable[[Command], bool]) -> None:
        """Of the commands that were on their way, those that are `chosen` are carried out."""
        waiting, self.waiting = self.waiting, []
        for command in waiting:
            if chosen(command):
                self._carry_out(command)

    def rise(self) -> None:
        """A successor begins. It may die in the middle of that, too."""
        self.alive = True
        self.deaths += 1
        self.waiting = []
        self.in_hand = []
        self.store.close()
        self.store = Store(History(directory=str(self.folder)), self.folder, "call-control")
        kept = self.store.load()
        found = self.found()
        verdicts = compare(found, {}, SessionStore(), set(), self.now, kept=kept)
        verdicts += direct_calls(kept, found.calls, SessionStore(), self.now)
        adopted = [verdict for verdict in verdicts if isinstance(verdict, Adopt)]
        assert len(adopted) == 1, f"one call was going on; found: {verdicts}"
        for verdict in verdicts:
            if isinstance(verdict, RemoveChannel):  # a leg of which nothing was written: it cannot be
                raise AssertionError(f"{verdict.channel_id} belongs to no call any more: {adopted[0].session}")
        [again] = adopted
        self.session, self.waiting = again.session, list(again.waiting)
        lost = [event.command for event in again.missed if hasattr(event, "command")]
        self.in_hand = list(lost)  # they wait, too, until their failure is told
        self.store.begin(self.session, [*self.waiting, *self.in_hand], self.now)
        for event in (*again.missed, Begun()):
            if getattr(event, "command", None) in self.in_hand:
                self.in_hand.remove(event.command)  # type: ignore[attr-defined]
            self.tell(event)

    def found(self) -> Found:
        """What Asterisk and the supervisor would list now."""

        def channel(identifier: str, inside: bool = True) -> Channel:
            place = Dialplan(app_name="Stasis", app_data=APP) if inside else Dialplan(app_name="AppDial2")
            return Channel(id=identifier, state="Up", caller=CallerId("Ann", "100"), dialplan=place)

        ringing = self.stage in ("admitting", "dialling") and self.session.outbound is not None
        there = self.caller_here and not self.session.direct
        if ringing and (self.session.outbound is None or self.session.outbound.dialled.state == "none"):
            there = False
        channels = [channel(self.session.call_id, inside=not ringing)] if there else []
        channels += [channel(leg, inside) for leg, inside in self.media.items()]
        channels += [channel(person, person in self.where) for person in self.people]
        members = {bridge: [each for each, where in self.where.items() if where == bridge] for bridge in self.bridges}
        bridges = [Bridge(id=bridge, name=APP, channels=tuple(inside)) for bridge, inside in members.items()]
        call = OpenedCall(
            call_id=self.session.call_id,
            segment="segment",
            rate=8000,
            media_uuid=self.session.direct_uuid,
            audio_actor="audio.1",
            connected=self.caller_here,
        )
        calls = (call,) if self.rings else ()
        return Found(app_name=APP, channels=tuple(channels), bridges=tuple(bridges), calls=calls)

    # -- what others do ------------------------------------------------------------------------------------------------

    def caller_leaves(self, cause: str = "normal clearing") -> None:
        self.caller_left_seen = self.caller_left_seen or (self.alive and not self.session.cause)
        super().caller_leaves(cause)

    # -- commands that are carried out twice, for nobody has heard the answer ------------------------------------------

    def _uuid(self) -> str:
        return media_uuid.make()

    def _open_rings(self, command: OpenRings) -> Event:
        if self.rings:
            return RingsOpened("segment", command.media_uuid or self._uuid())
        return super()._open_rings(command)

    def _start_conversation(self, command: StartConversation) -> Event:
        return Performed(command) if self.conversation else super()._start_conversation(command)

    def _remove(self, what: str) -> None:
        self.removals.append(what)


def as_if_written_by_another_version(folder: Path) -> None:
    """No session on disk can be read any more."""
    with File(folder) as file, file.transaction() as connection:
        connection.execute("UPDATE live SET session = ?", (msgspec.json.encode([{"call_id": 1}, []]),))
