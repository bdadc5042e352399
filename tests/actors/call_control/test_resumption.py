"""A kill of call-control at any instant loses nothing that was acknowledged."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.call_control.commands import Command
from actors.call_control.events import Begun, ConsultAsked, ConsultDecided
from actors.call_control.sessions import OutboundCall
from ipc import media_uuid
from ipc.history import History
from ipc.past_calls import OUTCOMES, Question, listed
from tests.actors.call_control.mortal import Died, MortalWorld
from tests.actors.call_control.test_legs_properties import KINDS, Chance

OPTIONS: dict[str, dict[str, object]] = {
    "in": {"transports": ("audiosocket", "websocket", "rtp")},
    "direct": {"direct": True},
    "early": {"early": True},
    "outbound": {"outbound": OutboundCall(number="1", endpoint="Local/1@x", request=99), "agent_known": ""},
}
PEACE_S = 400
"""After the end of the caller: more than all pauses of all tries."""


class Fate(Chance):
    """What befalls a call, its call-control's deaths among it."""

    call: MortalWorld

    def live(self, length: int) -> None:
        self._survive(lambda: self.call.tell(Begun()))
        for _ in range(length):
            self._survive(self.act)

    def _survive(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Died:
            self._away()
            while not self.call.alive:
                try:
                    self.call.rise()
                except Died:
                    self._away()

    def _away(self) -> None:
        """While nobody is there."""
        call, draw = self.call, self.data.draw

        def chosen(command: Command) -> bool:
            return draw(st.booleans())

        call.carry_on_alone(chosen)
        happens = draw(st.sampled_from(["nothing", "nothing", "caller", "media", "person", "bridge", "time"]))
        match happens:
            case "caller" if call.caller_here:
                call.caller_leaves()
            case "media" if call.media:
                call.media_leg_ends(draw(st.sampled_from(sorted(call.media))))
            case "person" if call.people:
                call.person_hangs_up()
            case "bridge":
                call.bridge_is_deleted()
            case "time":
                call.now += 3_000_000_000

    def talk_to_a_person(self) -> None:
        """With an id by which the person's channel is known to be ours."""
        number = self._number()
        asked = ConsultAsked("sales", "Local/1@x", media_uuid.make(), 30, 20, number)
        decided = [ConsultDecided(True, "", number), ConsultDecided(False, "declined", number)]
        self.call.tell(self.data.draw(st.sampled_from([asked, asked, *decided])))

    def end(self) -> None:
        call = self.call
        if call.caller_here:
            self._survive(call.caller_leaves)
        for _ in range(PEACE_S):
            self._survive(call.settle)
            if call.stage == "over":
                return
            self._survive(lambda: call.pass_time(1))


def call_may_die(data: st.DataObject, rarity: int) -> bool:
    return bool(data.draw(st.integers(1, rarity)) == rarity)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(0, 40), KINDS, st.sampled_from([2, 5, 20]))
def test_whenever_call_control_dies_nothing_is_left_in_the_end_and_the_history_is_closed_with_a_true_outcome(
    data: st.DataObject, length: int, kind: str, rarity: int
) -> None:
    with tempfile.TemporaryDirectory(prefix="ringmaster-") as folder:
        call = MortalWorld(Path(folder), lambda: call_may_die(data, rarity), **OPTIONS[kind])
        fate = Fate(call, data)
        fate.live(length)
        call.dies = lambda: False
        fate.end()
        assert (call.stage, call.waiting) == ("over", []), call.session
        assert len(call.leftovers) <= len(call.abandoned), (call.leftovers, call.abandoned)
        asyncio.run(call.store.end(call.session, call.now))
        call.store.close()
        with History(Path(folder)) as history:
            assert history.read("SELECT * FROM live") == []
            [record] = listed(history, Question())
        assert record.ended is not None
        assert record.outcome in OUTCOMES
        assert record.outcome != "lost" or not call.caller_left_seen
        assert record.cause == call.session.cause != ""
