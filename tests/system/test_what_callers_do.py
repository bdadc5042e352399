"""Callers press keys, interrupt, hang up in the middle of a sentence, want to talk to a person, and are too many."""

import asyncio

from bench.asterisk import Where
from ipc.journal import AgentSaid, BargedIn, CallEnded, CallerSaid, DigitsPressed, Noted, ToolRun
from tests.system.guest import ANSWER, QUESTION, Guest, calls, rings
from tests.system.house import House

WHERE = "your address"
END_OF_DIRECTIONS = "green door"


async def begin_to_hear_directions(guest: Guest) -> None:
    await guest.says(WHERE)
    await guest.is_understood(WHERE)
    await guest.hears_the_agent_speak()


async def test_a_key_is_answered_like_a_word(house: House) -> None:
    guest = await calls(house)
    await guest.phone.press("5")
    await guest.is_told("That was the five.")
    assert [pressed.digits for pressed in guest.all(DigitsPressed)] == ["5"]


async def test_who_interrupts_silences_the_agent_and_is_answered(house: House) -> None:
    guest = await calls(house)
    await begin_to_hear_directions(guest)
    await guest.says(QUESTION)
    cut = await guest.is_told_in_vain(END_OF_DIRECTIONS)
    await guest.is_understood(QUESTION)
    await guest.is_told(ANSWER)
    (barged,) = guest.all(BargedIn)
    assert barged.onset_ns <= barged.flushed_ns
    assert cut.last_ns <= barged.silent_ns


async def test_who_hangs_up_in_the_middle_of_a_sentence_ends_the_call(house: House) -> None:
    guest = await calls(house)
    await begin_to_hear_directions(guest)
    ended = await guest.hangs_up()
    await guest.is_told_in_vain(END_OF_DIRECTIONS)
    assert ended.cause.startswith("the caller hung up")
    assert guest.records[-1] == ended


async def test_who_wants_a_person_goes_on_in_the_dialplan(house: House) -> None:
    guest = await calls(house)
    await guest.asks("can i speak to a person", "Putting you through.")
    ended = await guest.is_over()
    assert ended.cause == "transferred to person"
    assert Where("people", "100", 1, "NoOp", "a person takes the call") in guest.phone.path
    (tool,) = guest.all(ToolRun)
    assert (tool.name, tool.arguments, tool.outcome) == ("transfer", {"destination": "person"}, "done")
    assert [note.what for note in guest.all(Noted)][-2:] == ["transfer asked", "transferred"]
    assert all(said.samples == said.played for said in guest.all(AgentSaid)), "the agent finishes its sentence first"


async def test_who_finds_the_house_full_goes_on_in_the_dialplan_and_disturbs_nobody(house: House) -> None:
    talking, other = await asyncio.gather(calls(house), calls(house))
    await talking.says(QUESTION)
    surplus = rings(house)
    await house.until("the surplus caller has gone", surplus.phone.ended.is_set)
    assert surplus.phone.variables["AGENT_STATUS"] == "BUSY"
    assert Where("inbound", "1000", 2, "NoOp", "BUSY") in surplus.phone.path
    assert not surplus.phone.answered.is_set()
    assert surplus.records == []

    await talking.is_understood(QUESTION)
    await talking.is_told(ANSWER)
    await other.hangs_up()
    ended = await talking.hangs_up()
    assert (ended.underruns, ended.takeovers) == (0, 0)
    assert len(talking.all(CallerSaid)) == 1
    await house.nothing_is_left()
    await (await calls(house)).hangs_up()
    assert surplus.all(CallEnded) == []
