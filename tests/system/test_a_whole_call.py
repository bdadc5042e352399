"""From the first ring to the last descriptor: what a call is, over ARI and straight from the dialplan."""

from bench.asterisk import Where
from ipc.journal import AgentSaid, AgentSaying, CallEnded, CallerSaid, CallStarted, Noted, TurnTimed
from ipc.rings import BELLS
from tests.system.guest import ANSWER, GREETING, QUESTION, Guest, calls, rings
from tests.system.house import House, held


async def test_a_caller_is_greeted_understood_answered_and_seen_off(house: House) -> None:
    guest = rings(house)
    await guest.is_told(GREETING)
    assert guest.phone.answered.is_set()
    answer = await guest.asks(QUESTION, ANSWER)
    assert (answer.kind, answer.turn, answer.interrupted) == ("answer", 1, False)
    ended = await guest.says_goodbye()
    assert ended.cause == "hung up by the agent: the agent hung up"
    assert guest.phone.cause == 16, "normal clearing"
    the_journal_has_it_all(guest)
    every_sample_was_played_once(guest)
    started = guest.all(CallStarted)[0]
    assert (started.caller_number, started.caller_name) == ("5551234", "Ada")
    assert [note.what for note in guest.all(Noted)][-1] == "hang-up asked"


async def test_a_caller_straight_from_the_dialplan_is_served_the_same_and_goes_on_in_it(house: House) -> None:
    guest = rings(house, "1001")
    await guest.is_told(GREETING)
    await guest.asks(QUESTION, ANSWER)
    ended = await guest.says_goodbye()
    assert ended.cause == "hung up by the agent: the agent hung up"
    assert Where("inbound", "1001", 3, "NoOp", "after the agent") in guest.phone.path
    the_journal_has_it_all(guest)
    every_sample_was_played_once(guest)


def the_journal_has_it_all(guest: Guest) -> None:
    # When a reply is whole in the mouth depends on how fast it is made, so that record has no place of its own.
    story = [type(record) for record in guest.records if not isinstance(record, Noted | AgentSaying)]
    assert [record.turn for record in guest.all(AgentSaying)] == [0, 1, 2]
    turn = [CallerSaid, TurnTimed, AgentSaid]
    assert story == [CallStarted, AgentSaid, *turn, *turn, CallEnded]
    assert [said.turn for said in guest.all(AgentSaid)] == [0, 1, 2]
    for timed in guest.all(TurnTimed):
        instants = (timed.last_speech_ns, timed.decided_ns, timed.heard_ns, timed.first_clause_ns, timed.on_wire_ns)
        assert list(instants) == sorted(instants)
        assert 0 not in instants


def every_sample_was_played_once(guest: Guest) -> None:
    for said in guest.all(AgentSaid):
        assert said.samples == said.played > 0, said.text
    (ended,) = guest.all(CallEnded)
    assert (ended.underruns, ended.corrupt, ended.skipped, ended.takeovers) == (0, 0, 0, 0)


async def test_nothing_is_left_of_a_call_that_is_over(house: House) -> None:
    await house.nothing_is_left()
    before = {actor.name: held(actor.pid) for actor in (await house.status()).actors}
    guest = await calls(house)
    supervisor, audio = await house.actor("supervisor"), await house.serving("audio")
    belongings = held(audio.pid) & held(supervisor.pid) - before["supervisor"]
    assert len(belongings) == 1 + len(BELLS), "the media connection and the bells"

    await guest.hangs_up()
    await house.nothing_is_left()
    for actor in (await house.status()).actors:
        assert not held(actor.pid) & belongings, f"{actor.name} holds something of a call that is over"
    growth = len(held(supervisor.pid)) - len(before["supervisor"])
    assert growth == 0, f"the supervisor holds {growth} descriptors more than before the call"
