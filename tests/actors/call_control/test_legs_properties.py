"""What holds for every call, whatever happens in whatever order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.call_control.commands import (
    Answer,
    CloseRings,
    Continue,
    CreateBridge,
    EndConversation,
    ExpectMedia,
    HangUpCaller,
    Join,
    OpenRings,
    Originate,
    ReadAgent,
    RemoveBridge,
    RemoveMedia,
    SetStatus,
    StartConversation,
)
from actors.call_control.events import (
    AgentRead,
    Begun,
    BridgeGone,
    CallerLeft,
    ConversationLost,
    DigitPressed,
    Event,
    Failed,
    HangUpAsked,
    MediaAttached,
    MediaExpected,
    MediaLegArrived,
    MediaLegEnded,
    MediaLost,
    Performed,
    RingsOpened,
    TimePassed,
    TransferAsked,
    Why,
)
from tests.actors.call_control.world import CALL, World

UUIDS = [f"uuid-{n}" for n in range(6)]
CHANNELS = [CALL, "nobody", *(f"media-{uuid}" for uuid in UUIDS)]

channel = st.sampled_from(CHANNELS)
why = st.sampled_from(list(Why))
command = st.one_of(
    st.sampled_from(
        [
            ReadAgent(CALL),
            OpenRings(CALL, 8000, ""),
            StartConversation(CALL, "s", "", "", "", 0),
            Answer(CALL),
            CreateBridge(f"call-{CALL}"),
            ExpectMedia(CALL),
            SetStatus(CALL, "BUSY"),
            Continue(CALL, None),
            HangUpCaller(CALL),
            RemoveBridge(f"call-{CALL}"),
            EndConversation(CALL, ""),
            CloseRings(CALL),
        ]
    ),
    channel.map(lambda each: Originate(CALL, each, each.removeprefix("media-"), 8000)),
    channel.map(lambda each: Join(f"call-{CALL}", each)),
    channel.map(RemoveMedia),
)
anything: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from(
        [
            Begun(),
            TimePassed(),
            BridgeGone(),
            AgentRead("a"),
            MediaAttached(moved=True),
            MediaAttached(moved=False),
            MediaLost("r"),
            ConversationLost("r"),
            DigitPressed("1"),
            HangUpAsked("r"),
            TransferAsked("sales", None, 5),
        ]
    ),
    st.sampled_from(UUIDS).map(lambda uuid: RingsOpened("s", uuid)),
    st.sampled_from(UUIDS).map(MediaExpected),
    channel.map(MediaLegArrived),
    channel.map(lambda each: MediaLegEnded(each, "c")),
    command.map(Performed),
    st.tuples(command, why).map(lambda pair: Failed(pair[0], pair[1], "text")),
)
seconds = st.sampled_from([0.01, 0.3, 1.0, 5.0, 30.0])


@settings(max_examples=250, deadline=None)
@given(st.lists(st.one_of(anything, anything, st.just(CallerLeft("c")), seconds), max_size=60), st.booleans())
def test_no_event_in_no_order_is_too_much_for_a_call_and_the_end_of_the_caller_always_ends_it(
    happenings: list[Event | float], direct: bool
) -> None:
    call = World(direct=direct)
    for happening in happenings:
        if isinstance(happening, float):
            call.pass_time(happening)
        else:
            call.tell(happening)
    call.tell(CallerLeft("normal clearing"))
    rounds = 0
    while call.stage != "over":
        rounds += 1
        assert rounds < 50, f"still {call.session}"
        waiting, call.waiting = call.waiting, []
        for done in waiting:  # whatever was really there: here it is only the answers that count
            if isinstance(done, OpenRings):
                call.tell(RingsOpened("s", "uuid-1"))
            else:
                call.tell(Performed(done))
        call.pass_time(1)
    assert call.tell(CallerLeft("again")) == []


class Chance:
    """What befalls a call in a world that does not lie: drawn step by step, so that it can be told again."""

    def __init__(self, call: World, data: st.DataObject) -> None:
        self.call = call
        self.data = data

    def act(self) -> None:
        call = self.call
        acts = [self.answer] * 6 * bool(call.waiting) + [self.time, self.request, self.rumour]
        acts += [self.leg_ends] * bool(call.media) + [call.bridge_is_deleted] * bool(call.bridges)
        acts += [self.conversation_dies] * (call.conversation and call.session.conversation.state == "there")
        self.data.draw(st.sampled_from(acts))()

    def answer(self) -> None:
        index = self.data.draw(st.integers(0, len(self.call.waiting) - 1))
        outcome = self.data.draw(
            st.sampled_from([None, None, None, None, Why.REFUSED, Why.UNREACHABLE, Why.UNKNOWN, Why.UNKNOWN])
        )
        done = self.data.draw(st.booleans()) if outcome is Why.UNKNOWN else False
        what = self.call.waiting[index]
        if isinstance(what, RemoveMedia | RemoveBridge | EndConversation | CloseRings):
            # A removal that is tried again is not the second removal of a thing.
            outcome, done = (None, False) if outcome is Why.UNKNOWN else (outcome, False)
        self.call.answer(index, outcome, done=done)

    def time(self) -> None:
        self.call.pass_time(self.data.draw(seconds))

    def request(self) -> None:
        self.call.tell(
            self.data.draw(
                st.sampled_from(
                    [HangUpAsked("bye"), TransferAsked("sales", None, 5), DigitPressed("1"), DigitPressed("#")]
                )
            )
        )

    def rumour(self) -> None:
        """What the supervisor says may be late and about another leg."""
        if not self.call.session.direct:
            self.call.tell(
                self.data.draw(st.sampled_from([MediaLost("r"), MediaAttached(moved=False), MediaAttached(moved=True)]))
            )

    def leg_ends(self) -> None:
        self.call.media_leg_ends(self.data.draw(st.sampled_from(sorted(self.call.media))))

    def conversation_dies(self) -> None:
        if self.data.draw(st.integers(0, 5)) == 0:
            self.call.conversation_dies()


@settings(max_examples=250, deadline=None)
@given(st.data(), st.integers(0, 40), st.booleans())
def test_when_the_caller_is_gone_and_all_is_answered_everything_made_has_been_removed_exactly_once(
    data: st.DataObject, length: int, direct: bool
) -> None:
    call = World(direct=direct)
    chance = Chance(call, data)
    for _ in range(length):
        chance.act()
    if call.caller_here:
        call.caller_leaves()
    for _ in range(60):
        call.settle()
        if call.stage == "over":
            break
        call.pass_time(1)
    assert (call.stage, call.waiting) == ("over", []), call.session
    # Three refusals of a removal are final: the machine says so, and the next comparison with Asterisk removes it.
    assert len(call.leftovers) <= len(call.abandoned), (call.leftovers, call.abandoned)
    asked = [reply.request for reply in call.replies if reply.request == 7]
    assert len(asked) == direct, "an offered call is answered exactly once"


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(0, 30))
def test_while_the_caller_is_up_and_asterisk_works_the_call_comes_back_to_talking_or_the_caller_is_sent_away(
    data: st.DataObject, length: int
) -> None:
    call = World()
    chance = Chance(call, data)
    for _ in range(length):
        chance.act()
    for _ in range(80):
        call.settle()
        call.pass_time(1)
    assert call.stage == ("talking" if call.caller_here else "over")
    if call.stage == "talking":
        assert call.session.media is not None
        assert call.in_bridge >= {CALL, call.session.media.channel_id}
        assert set(call.media) == {call.session.media.channel_id} or call.abandoned
