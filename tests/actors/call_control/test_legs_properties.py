"""What holds for every call, whatever happens in whatever order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.call_control.commands import (
    Answer,
    CloseRings,
    ConnectMedia,
    Continue,
    CreateBridge,
    EndConversation,
    ExpectMedia,
    HangUpCaller,
    Join,
    OpenRings,
    Originate,
    OriginateCaller,
    OriginatePerson,
    PlaySound,
    Progress,
    ReadCall,
    RemoveBridge,
    RemoveMedia,
    RemovePerson,
    SetVariables,
    StartConversation,
    StartMusic,
    StopMusic,
)
from actors.call_control.events import (
    AnswerAsked,
    Begun,
    BridgeGone,
    CallerAnswered,
    CallerHeld,
    CallerLeft,
    CallRead,
    ConsultAsked,
    ConsultDecided,
    ConversationLost,
    DigitPressed,
    Event,
    Failed,
    HangUpAsked,
    HoldAsked,
    MediaAttached,
    MediaExpected,
    MediaLegArrived,
    MediaLegEnded,
    MediaLegMade,
    MediaLost,
    Performed,
    PersonArrived,
    PersonLeft,
    ResultSet,
    RingsOpened,
    SoundEnded,
    TimePassed,
    TransferAsked,
    Why,
)
from actors.call_control.sessions import OutboundCall, Remote
from tests.actors.call_control.world import CALL, World

UUIDS = [f"uuid-{n}" for n in range(6)]
CHANNELS = [CALL, "nobody", "person-p", *(f"media-{uuid}" for uuid in UUIDS)]
BRIDGES = [f"call-{CALL}", "consult-p"]

channel = st.sampled_from(CHANNELS)
why = st.sampled_from(list(Why))
command = st.one_of(
    st.sampled_from(
        [
            ReadCall(CALL),
            OpenRings(CALL, 8000, ""),
            StartConversation(CALL, "s", "", "", "", 0),
            Answer(CALL),
            ExpectMedia(CALL),
            StartMusic(CALL),
            StopMusic(CALL),
            Progress(CALL),
            OriginatePerson("person-p", "Local/1@x", CALL, 30, "", ""),
            OriginateCaller(CALL, "Local/1@x", "", 30, {}),
            RemovePerson("person-p"),
            PlaySound(CALL, "", "sound:x", f"sorry-{CALL}"),
            SetVariables(CALL, {"AGENT_STATUS": "BUSY"}),
            Continue(CALL, None),
            HangUpCaller(CALL),
            EndConversation(CALL, ""),
            CloseRings(CALL),
        ]
    ),
    channel.map(lambda each: Originate(CALL, each, each.removeprefix("media-"), 8000)),
    st.sampled_from(BRIDGES).map(CreateBridge),
    st.sampled_from(BRIDGES).map(RemoveBridge),
    st.sampled_from(UUIDS).map(lambda uuid: ConnectMedia(CALL, uuid, "h", 1, "", "")),
    st.tuples(st.sampled_from(BRIDGES), channel).map(lambda pair: Join(*pair)),
    channel.map(RemoveMedia),
)
anything: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from(
        [
            Begun(),
            TimePassed(),
            BridgeGone(),
            CallRead("a"),
            MediaAttached(moved=True),
            MediaAttached(moved=False),
            MediaLost("r"),
            ConversationLost("r"),
            DigitPressed("1"),
            HangUpAsked("r"),
            TransferAsked("sales", None, 5),
            TransferAsked("on_failure", None, 6, sound="sound:sorry"),
            ConsultAsked("sales", "Local/1@x", "p", 30, 20, 7),
            ConsultDecided(True, "", 8),
            ConsultDecided(False, "declined", 9),
            PersonArrived("person-p"),
            PersonLeft("person-p", "hung up"),
            BridgeGone("consult-p"),
            CallerAnswered(),
            CallerHeld(True),
            HoldAsked(True, 10),
            HoldAsked(False, 11),
            AnswerAsked(12),
            ResultSet({"AGENT_OUTCOME": "booked"}),
            SoundEnded(f"sorry-{CALL}"),
        ]
    ),
    st.sampled_from(UUIDS).map(lambda uuid: RingsOpened("s", uuid)),
    st.sampled_from(UUIDS).map(MediaExpected),
    channel.map(MediaLegArrived),
    channel.map(lambda each: MediaLegEnded(each, "c")),
    channel.map(lambda each: MediaLegMade(each, Remote("h", 1))),
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
            elif isinstance(done, Originate):
                call.tell(MediaLegMade(done.channel_id))
            else:
                call.tell(Performed(done))
        call.pass_time(1)
    assert call.tell(CallerLeft("again")) == []


class Chance:
    """What befalls a call in a world that does not lie: drawn step by step, so that it can be told again."""

    def __init__(self, call: World, data: st.DataObject) -> None:
        self.call = call
        self.data = data
        self.requests = 100
        """Number of the last one."""

    def act(self) -> None:
        call = self.call
        acts = [self.answer] * 6 * bool(call.waiting) + [self.time, self.request, self.rumour]
        acts += [self.person_acts] * 2 * bool(call.people) + [self.talk_to_a_person]
        acts += [call.callee_answers] * (call.stage == "dialling")
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
        if isinstance(what, RemoveMedia | RemovePerson | RemoveBridge | EndConversation | CloseRings):
            # A removal that is tried again is not the second removal of a thing.
            outcome, done = (None, False) if outcome is Why.UNKNOWN else (outcome, False)
        self.call.answer(index, outcome, done=done)

    def time(self) -> None:
        self.call.pass_time(self.data.draw(seconds))

    def _number(self) -> int:
        self.requests += 1
        return self.requests

    def request(self) -> None:
        wishes: list[Event] = [HangUpAsked("bye"), DigitPressed("1"), DigitPressed("#"), ResultSet({"A": "b"})]
        wish = self.data.draw(st.sampled_from(["transfer", "failure", "hold", "back", "answer", *wishes]))
        match wish:
            case "transfer":
                wish = TransferAsked("sales", None, self._number())
            case "failure":
                wish = TransferAsked("on_failure", None, self._number(), status="FAILED", sound="sound:sorry")
            case "hold" | "back":
                wish = HoldAsked(wish == "hold", self._number())
            case "answer":
                wish = AnswerAsked(self._number())
        self.call.tell(wish)

    def talk_to_a_person(self) -> None:
        number = self._number()
        asked = ConsultAsked("sales", "Local/1@x", f"p{number}", 30, 20, number)
        decided = [ConsultDecided(True, "", number), ConsultDecided(False, "declined", number)]
        self.call.tell(self.data.draw(st.sampled_from([asked, asked, *decided])))

    def person_acts(self) -> None:
        self.data.draw(st.sampled_from([self.call.person_answers, self.call.person_hangs_up]))()

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


def any_call(kind: str) -> World:
    match kind:
        case "direct":
            return World(direct=True)
        case "early":
            return World(early=True)
        case "outbound":
            dialled = OutboundCall(number="1", endpoint="Local/1@x", request=99)
            return World(outbound=dialled, agent_known="")
        case _:
            return World(transports=("audiosocket", "websocket", "rtp"))


KINDS = st.sampled_from(["in", "in", "direct", "early", "outbound"])


@settings(max_examples=400, deadline=None)
@given(st.data(), st.integers(0, 60), KINDS)
def test_when_the_caller_is_gone_and_all_is_answered_everything_made_has_been_removed_exactly_once(
    data: st.DataObject, length: int, kind: str
) -> None:
    call = any_call(kind)
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
    answered = sorted(reply.request for reply in call.replies)
    wanted = {"direct": [7], "outbound": [99]}.get(kind, []) + list(range(101, chance.requests + 1))
    assert answered == sorted(wanted), "every request is answered exactly once"


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(0, 30))
def test_while_the_caller_is_up_and_asterisk_works_the_call_comes_back_to_talking_or_the_caller_is_sent_away(
    data: st.DataObject, length: int
) -> None:
    call = World(transports=("audiosocket", "websocket", "rtp"))
    chance = Chance(call, data)
    for _ in range(length):
        chance.act()
    for _ in range(80):
        call.settle()
        call.pass_time(1)
    assert call.stage in (("talking", "handed") if call.caller_here else ("over",))
    if call.stage == "talking":
        assert call.session.media is not None
        assert call.in_bridge >= {CALL, call.session.media.channel_id}
        assert set(call.media) == {call.session.media.channel_id} or call.abandoned
        assert (call.session.consult is None and not call.people) or call.abandoned
        assert call.music == call.session.held
    if call.stage == "handed":
        assert (call.in_bridge == {CALL, call.person} and not call.media) or call.abandoned
        assert (not call.music and not call.conversation and not call.rings) or call.abandoned
