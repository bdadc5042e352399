"""What is done about differences between our calls, Asterisk's channels and the supervisor's rings."""

import msgspec
import pytest

from actors.call_control.ari import Bridge, CallerId, Channel, Dialplan
from actors.call_control.chronicle import outcome
from actors.call_control.commands import Answer, Command, Continue, Originate, StartConversation
from actors.call_control.comparison import (
    Adopt,
    Arrive,
    Bury,
    DeleteBridge,
    Found,
    RemoveChannel,
    Tell,
    Verdict,
    compare,
    direct_calls,
    own,
)
from actors.call_control.events import (
    Begun,
    BridgeGone,
    CallerAnswered,
    CallerLeft,
    Event,
    Failed,
    MediaLegArrived,
    MediaLegEnded,
    PersonArrived,
    PersonLeft,
    Why,
)
from actors.call_control.kept import Kept
from actors.call_control.legs import step
from actors.call_control.moves import THERE
from actors.call_control.resumption import DIED
from actors.call_control.sessions import (
    Consult,
    Departure,
    MediaLeg,
    OutboundCall,
    Part,
    Session,
    SessionStore,
    Stage,
    State,
)
from ipc import media_uuid
from ipc.messages import OpenedCall

APP = "agent"
NOW = 10**12
UUID = media_uuid.make()
OTHER = media_uuid.make()
CALL = "17.1"
MEDIA = f"media-{UUID}"
OPENED = OpenedCall(call_id=CALL, segment="s", rate=8000, media_uuid=UUID, audio_actor="audio.1")


def channel(identifier: str, state: str = "Up", app: str = "Stasis", data: str = APP) -> Channel:
    return Channel(
        id=identifier, state=state, caller=CallerId("Ann", "100"), dialplan=Dialplan(app_name=app, app_data=data)
    )


CALLER, LEG = channel(CALL), channel(MEDIA, data=f"{APP},media,{CALL}")
BRIDGE = Bridge(id=f"call-{CALL}", name=APP, channels=(CALL, MEDIA))
GONE_UNHEARD = CallerLeft("gone while Asterisk could not be heard")
TALKING = Session(
    call_id=CALL,
    rate=8000,
    arrived_ns=1,
    stage=Stage.TALKING,
    agent="",
    rings=THERE,
    conversation=THERE,
    answered=THERE,
    bridge=THERE,
    joined=THERE,
    media=MediaLeg(uuid=UUID, channel=THERE, in_stasis=True, joined=THERE),
)


def verdicts(
    *,
    channels: tuple[Channel, ...] = (CALLER, LEG),
    bridges: tuple[Bridge, ...] = (BRIDGE,),
    calls: tuple[OpenedCall, ...] = (OPENED,),
    before: tuple[Session, ...] = (),
    after: tuple[Session, ...] = (),
    ended: tuple[str, ...] = (),
    restarted: bool = False,
    alone: bool = True,
    known: Session | None = None,
    kept: Session | None = None,
    waiting: tuple[Command, ...] = (),
    prefix: str = "",
) -> list[Verdict]:
    """before, after: the sessions when the lists were asked for, and now; known: one of both. kept, waiting: one of a
    predecessor, with the commands that were not answered."""
    store = SessionStore()
    if known is not None:
        before, after = (*before, known), (*after, known)
    for session in after:
        store.put(session)
    found = Found(
        app_name=APP,
        prefix=prefix,
        channels=channels,
        bridges=bridges,
        calls=calls,
        restarted=restarted,
        alone=alone,
    )
    stored = {kept.call_id: Kept(kept, waiting)} if kept is not None else {}
    return compare(found, {session.call_id: session for session in before}, store, set(ended), NOW, kept=stored)


def talking(**changes: object) -> Session:
    return msgspec.structs.replace(TALKING, **changes)


# -- calls that we know ------------------------------------------------------------------------------------------------


def test_when_all_is_as_we_believe_nothing_is_done() -> None:
    assert verdicts(known=talking()) == []


@pytest.mark.parametrize(
    ("what", "channels", "bridges", "event"),
    [
        ("the caller hung up", (LEG,), (BRIDGE,), GONE_UNHEARD),
        (
            "the caller is elsewhere in the dialplan",
            (channel(CALL, app="Dial", data="x"), LEG),
            (BRIDGE,),
            GONE_UNHEARD,
        ),
        ("everything is gone", (), (), GONE_UNHEARD),
        ("the media leg is gone", (CALLER,), (BRIDGE,), MediaLegEnded(MEDIA, "gone unheard")),
        ("the bridge is gone", (CALLER, LEG), (), BridgeGone()),
    ],
)
def test_a_call_is_told_what_it_missed(
    what: str, channels: tuple[Channel, ...], bridges: tuple[Bridge, ...], event: Event
) -> None:
    assert verdicts(channels=channels, bridges=bridges, known=talking()) == [Tell(CALL, event)], what


def test_of_a_call_that_went_with_its_asterisk_nobody_says_that_the_caller_hung_up() -> None:
    (verdict,) = verdicts(channels=(), bridges=(), known=talking(), restarted=True)
    assert verdict == Tell(CALL, CallerLeft("Asterisk was restarted"))
    assert outcome(talking(answered=THERE, cause="Asterisk was restarted")) == "lost"


def test_a_media_leg_whose_arrival_was_missed_arrives() -> None:
    leg = MediaLeg(uuid=UUID, channel=THERE)
    assert verdicts(known=talking(media=leg, stage=Stage.CONNECTING)) == [Tell(CALL, MediaLegArrived(MEDIA))]


def test_legs_whose_making_is_under_way_are_not_missed() -> None:
    leg = MediaLeg(uuid=UUID, channel=Part(State.PENDING))
    unmade = talking(media=leg, bridge=Part(State.PENDING), stage=Stage.CONNECTING)
    assert verdicts(channels=(CALLER,), bridges=(), known=unmade) == []


def test_a_call_that_began_or_ended_while_the_lists_were_on_their_way_is_left_alone() -> None:
    assert verdicts(channels=(), bridges=(), calls=(), after=(TALKING,)) == []
    assert verdicts(before=(TALKING,)) == []
    assert verdicts(channels=(), bridges=(), calls=(), before=(TALKING,), after=(talking(arrived_ns=2),)) == []
    assert verdicts(channels=(), bridges=(), calls=(), known=talking(stage=Stage.CLEARING)) == []


# -- calls that we do not know -----------------------------------------------------------------------------------------


def test_a_predecessors_call_is_adopted_with_all_its_parts_and_needs_nothing_more() -> None:
    [verdict] = verdicts()
    assert isinstance(verdict, Adopt)
    session, commands = step(verdict.session, Begun(), NOW)
    assert session.stage is Stage.TALKING
    assert [type(command).__name__ for command in commands] == ["Note", "Note"]
    assert (session.caller_number, session.caller_name, session.segment) == ("100", "Ann", "s")


def test_an_adopted_call_makes_what_is_missing() -> None:
    bridge = Bridge(id=BRIDGE.id, name=APP, channels=())
    [verdict] = verdicts(channels=(CALLER,), bridges=(bridge,))
    assert isinstance(verdict, Adopt)
    _, commands = step(verdict.session, Begun(), NOW)
    assert [type(command).__name__ for command in commands] == ["Note", "ExpectMedia", "Join"]


def test_a_call_whose_caller_is_gone_is_buried_with_all_that_is_left_of_it() -> None:
    [verdict] = verdicts(channels=(LEG,))
    assert isinstance(verdict, Bury)
    _, commands = step(verdict.session, Begun(), NOW)
    assert [type(command).__name__ for command in commands] == ["RemoveMedia", "EndConversation", "RemoveBridge"]


@pytest.mark.parametrize(
    ("what", "caller", "bridges"),
    [("no bridge yet", CALLER, ()), ("not answered yet", channel(CALL, state="Ring"), (BRIDGE,))],
)
def test_a_call_that_was_not_set_up_is_buried_and_its_caller_arrives_anew(
    what: str, caller: Channel, bridges: tuple[Bridge, ...]
) -> None:
    found = verdicts(channels=(caller,), bridges=bridges)
    assert [type(verdict) for verdict in found] == [Bury, Arrive], what


def test_a_caller_who_ended_while_the_lists_were_on_their_way_does_not_arrive() -> None:
    assert verdicts(channels=(CALLER,), bridges=(), calls=(), ended=(CALL,)) == []
    assert [type(verdict) for verdict in verdicts(ended=(CALL,))] == [Bury]


def test_a_caller_whom_nobody_serves_arrives() -> None:
    assert verdicts(channels=(CALLER,), bridges=(), calls=()) == [Arrive(CALLER)]


@pytest.mark.parametrize(
    "stranger",
    [
        channel("18.1", app="Dial", data="PJSIP/100"),
        channel("18.1", data="another-agent"),
        channel("18.1", state="Down"),
        channel(f"media-{OTHER}", app="AppDial2", data="(Outgoing Line)"),
        channel("media-40325ec2-5efd-4bd3-805f-53576e581d13", app="Dial", data="x"),
    ],
)
def test_channels_of_others_are_not_touched(stranger: Channel) -> None:
    assert verdicts(channels=(stranger,), bridges=(Bridge(id="call-1", name="theirs"),), calls=()) == []


def test_legs_and_bridges_of_ours_that_belong_to_no_call_are_removed() -> None:
    leg = channel(f"media-{OTHER}", data=f"{APP},media,9.9")
    bridge = Bridge(id="call-9.9", name=APP)
    found = verdicts(channels=(CALLER, LEG, leg), bridges=(BRIDGE, bridge), known=talking())
    assert found == [RemoveChannel(leg.id), DeleteBridge(bridge.id)]


def test_direct_calls_are_adopted_whatever_asterisk_says() -> None:
    opened = OpenedCall(call_id=f"direct-{OTHER}", segment="s", rate=8000, media_uuid=OTHER, audio_actor="a")
    [verdict] = verdicts(channels=(), bridges=(), calls=(opened,))
    assert isinstance(verdict, Adopt)
    assert (verdict.session.direct, verdict.session.stage) == (True, Stage.TALKING)
    assert verdicts(channels=(), bridges=(), calls=(), known=talking(call_id=opened.call_id, direct=True)) == []


def test_while_another_program_has_the_application_only_our_own_calls_are_judged() -> None:
    stranger = channel("18.1")
    found = verdicts(channels=(LEG, stranger), calls=(OPENED,), alone=False, known=talking())
    assert found == [Tell(CALL, GONE_UNHEARD)]


# -- the person of an attended transfer, and whom we call --------------------------------------------------------------

PERSON = media_uuid.make()
ASKING = Consult(destination="sales", uuid=PERSON, endpoint="Local/1@x", ring_s=30, decide_s=20, channel=THERE)


@pytest.mark.parametrize(
    ("what", "consult", "channels", "events"),
    [
        ("rings", ASKING, (channel(f"person-{PERSON}", app="AppDial2"),), []),
        (
            "has answered",
            ASKING,
            (channel(f"person-{PERSON}", data=f"{APP},person"),),
            [PersonArrived(f"person-{PERSON}")],
        ),
        ("is gone", ASKING, (), [PersonLeft(f"person-{PERSON}", "gone unheard")]),
        (
            "whose bridge is gone",
            msgspec.structs.replace(ASKING, in_stasis=True, bridge=THERE),
            (channel(f"person-{PERSON}", data=f"{APP},person"),),
            [BridgeGone(f"consult-{PERSON}")],
        ),
    ],
)
def test_a_person_who_is_asked(what: str, consult: Consult, channels: tuple[Channel, ...], events: list[Event]) -> None:
    found = verdicts(channels=(CALLER, LEG, *channels), known=talking(consult=consult))
    assert found == [Tell(CALL, event) for event in events], what


def test_legs_and_bridges_of_an_attended_transfer_that_belong_to_no_call_are_removed() -> None:
    leg = channel(f"person-{PERSON}", data=f"{APP},person")
    bridge = Bridge(id=f"consult-{PERSON}", name=APP)
    found = verdicts(channels=(CALLER, LEG, leg), bridges=(BRIDGE, bridge), known=talking())
    assert found == [RemoveChannel(leg.id), DeleteBridge(bridge.id)]


def dialling(state: State = State.THERE) -> Session:
    outbound = OutboundCall(number="1", endpoint="Local/1@x", dialled=Part(state))
    return talking(call_id="out-1", stage=Stage.DIALLING, outbound=outbound, media=None, bridge=Part(), joined=Part())


@pytest.mark.parametrize(
    ("what", "channels", "events"),
    [
        ("rings", (channel("out-1", app="AppDial2", state="Ringing"),), []),
        ("has answered", (channel("out-1"),), [CallerAnswered()]),
        ("is gone", (), [CallerLeft("not answered: gone unheard")]),
    ],
)
def test_whom_we_call(what: str, channels: tuple[Channel, ...], events: list[Event]) -> None:
    found = verdicts(channels=channels, bridges=(), calls=(), known=dialling())
    assert found == [Tell("out-1", event) for event in events], what


def test_whom_we_have_called_is_hung_up_when_nothing_is_known_of_the_call_and_is_no_caller() -> None:
    assert verdicts(channels=(channel("out-2"),), bridges=(), calls=()) == [RemoveChannel("out-2")]


# -- several Asterisks -------------------------------------------------------------------------------------------------


def test_calls_of_another_call_control_are_not_ours() -> None:
    ours, theirs = (msgspec.structs.replace(OPENED, owner=owner) for owner in ("call-control", "call-control.branch"))
    old = OPENED
    assert own((ours, theirs, old), "call-control") == (ours, old)
    assert own((ours, theirs, old), "call-control.branch") == (theirs,)


def test_callers_of_a_further_asterisk_have_its_name_before_their_id() -> None:
    session = talking(call_id=f"branch~{CALL}")
    bridge = msgspec.structs.replace(BRIDGE, id=session.bridge_id)
    assert verdicts(bridges=(bridge,), known=session, calls=(), prefix="branch~") == []
    assert verdicts(channels=(LEG,), bridges=(bridge,), known=session, calls=(), prefix="branch~") == [
        Tell(session.call_id, GONE_UNHEARD)
    ]


# -- calls of a predecessor, of which all is known ---------------------------------------------------------------------

AWAY = CallerLeft("ended while call-control was away")


def test_a_kept_call_goes_on_exactly_as_it_was_and_asks_again_what_was_not_answered() -> None:
    kept = talking(setbacks_ns=(1, 2), results={"A": "b"}, answered=Part(State.PENDING))
    assert verdicts(kept=kept, waiting=(Answer(CALL),)) == [
        Adopt(talking(**{**_fields(kept), "caller_number": "100", "caller_name": "Ann"}), (), (Answer(CALL),))
    ]


def test_number_and_name_that_must_not_be_kept_come_from_asterisk_again() -> None:
    start = StartConversation(CALL, "s", "", "…100", "…", 1)
    [verdict] = verdicts(kept=talking(caller_number="…100", caller_name="…"), waiting=(start,))
    assert isinstance(verdict, Adopt)
    assert (verdict.session.caller_number, verdict.session.caller_name) == ("100", "Ann")
    assert verdict.waiting == (StartConversation(CALL, "s", "", "100", "Ann", 1),)


def _fields(session: Session) -> dict[str, object]:
    return {name: getattr(session, name) for name in session.__struct_fields__}


@pytest.mark.parametrize(
    ("what", "channels", "bridges", "missed"),
    [
        ("the caller hung up", (LEG,), (BRIDGE,), (AWAY,)),
        ("Asterisk was restarted", (), (), (AWAY,)),
        ("the media leg is gone", (CALLER,), (BRIDGE,), (MediaLegEnded(MEDIA, "gone unheard"),)),
        ("the bridge is gone", (CALLER, LEG), (), (BridgeGone(),)),
    ],
)
def test_a_kept_call_is_told_what_happened_meanwhile(
    what: str, channels: tuple[Channel, ...], bridges: tuple[Bridge, ...], missed: tuple[Event, ...]
) -> None:
    [verdict] = verdicts(channels=channels, bridges=bridges, kept=talking())
    assert isinstance(verdict, Adopt)
    assert verdict.missed == missed, what


def test_what_must_not_be_done_twice_is_told_to_be_unknown_and_its_channel_is_looked_for() -> None:
    leg = MediaLeg(uuid=UUID, channel=Part(State.PENDING))
    originate = Originate(CALL, MEDIA, UUID, 8000)
    unknown = Failed(originate, Why.UNKNOWN, DIED)
    kept = talking(media=leg, stage=Stage.CONNECTING)
    [there] = verdicts(kept=kept, waiting=(originate,))
    [gone] = verdicts(channels=(CALLER,), kept=kept, waiting=(originate,))
    assert isinstance(there, Adopt)
    assert isinstance(gone, Adopt)
    assert (there.missed, there.waiting) == ((MediaLegArrived(MEDIA), unknown), ())
    assert (gone.missed, gone.waiting) == ((unknown, MediaLegEnded(MEDIA, "gone unheard")), ())


def test_a_caller_who_was_sent_on_by_a_command_that_nobody_answered_has_gone_by_our_doing() -> None:
    departure = Departure(hang_up=False, cause="transferred to sales", destination="sales", going=Part(State.PENDING))
    go_on = Continue(CALL, None)
    kept = talking(stage=Stage.LEAVING, departure=departure, media=None)
    [verdict] = verdicts(channels=(), kept=kept, waiting=(go_on,))
    assert isinstance(verdict, Adopt)
    session = verdict.session
    for event in verdict.missed:
        session, _ = step(session, event, NOW)
    assert (session.stage, session.cause) == (Stage.CLEARING, "transferred to sales")


def test_when_everything_was_restarted_the_call_is_over_and_its_caller_arrives_anew() -> None:
    found = verdicts(calls=(), kept=talking())
    assert [type(verdict) for verdict in found] == [Adopt, Arrive]
    assert isinstance(found[0], Adopt)
    assert (found[0].session.stage, found[0].session.cause) == (Stage.CLEARING, "everything was restarted")
    assert {type(command).__name__ for command in found[0].waiting} == {
        "RemoveMedia",
        "EndConversation",
        "RemoveBridge",
    }


def test_a_kept_direct_call_goes_on_as_long_as_its_connection_is_there() -> None:
    opened = OpenedCall(call_id=f"direct-{OTHER}", segment="s", rate=8000, media_uuid=OTHER, audio_actor="a")
    cut = msgspec.structs.replace(opened, connected=False)
    session = talking(call_id=opened.call_id, direct=True, media=None)
    kept = {session.call_id: Kept(session)}
    assert direct_calls(kept, (opened,), SessionStore(), NOW) == [Adopt(session)]
    assert direct_calls(kept, (cut,), SessionStore(), NOW) == [Adopt(session, (AWAY,))]
    assert direct_calls(kept, (), SessionStore(), NOW) == [Adopt(session, (AWAY,))]
    assert direct_calls({}, (cut,), SessionStore(), NOW)[0].session.stage is Stage.CLEARING
    assert verdicts(channels=(), bridges=(), calls=(opened,), kept=session) == []
