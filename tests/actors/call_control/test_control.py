"""Call-control against a stand-in Asterisk: whole calls, and what can befall them. `house` holds the scenery."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bench.asterisk import Phone
from ipc.actions import SetResult
from ipc.bus import Refused
from ipc.messages import ActorChanged
from tests.actors.call_control.house import House


def play(tmp_path: Path, scene: Callable[[House], Awaitable[None]], **options: object) -> None:
    async def run() -> None:
        async with House(tmp_path, **options) as house:  # type: ignore[arg-type]
            await scene(house)

    asyncio.run(run())


async def call(house: House, extension: str = "1000") -> Phone:
    """A call that has come as far as talking."""
    await house.connected()
    phone = house.asterisk.dial(extension, caller_id="100", name="Ann")
    await house.until(lambda: house.talking(phone.id))
    return phone


def test_a_caller_is_admitted_answered_and_bridged_with_the_media_leg(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        assert phone.answered.is_set()
        assert house.asterisk.bridges == [f"call-{phone.id}"]
        started = house.conversation.started[phone.id]
        assert (started.segment, started.agent, started.caller_number, started.caller_name) == (
            f"segment-of-{phone.id}",
            "",
            "100",
            "Ann",
        )
        await house.until(lambda: house.supervisor.writers.get(phone.id))
        await house.until(lambda: "bridged" in house.conversation.notes)

    play(tmp_path, scene)


def test_the_dialplan_chooses_the_agent(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.connected()
        phone = house.asterisk.dial("1000")
        phone.variables["AI_AGENT"] = "night-desk"
        await house.until(lambda: house.talking(phone.id))
        assert house.conversation.started[phone.id].agent == "night-desk"

    play(tmp_path, scene)


def test_a_wideband_call_has_wideband_rings(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        assert house.supervisor.calls[phone.id].rate == 16000

    play(tmp_path, scene, format="slin16")


def test_when_the_caller_hangs_up_nothing_is_left(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        phone.hang_up()
        await house.until(house.nothing_left)
        assert [call_id for call_id, _ in house.conversation.ended] == house.supervisor.closed == [phone.id]
        assert house.asterisk.channels == []

    play(tmp_path, scene)


def test_when_the_agent_hangs_up_nothing_is_left(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        await house.conversation.hang_up(phone.id)
        await phone.ended.wait()
        await house.until(house.nothing_left)
        assert house.conversation.ended == [(phone.id, "hung up by the agent: goodbye")]

    play(tmp_path, scene)


def test_a_transfer_continues_in_the_dialplan(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        await house.conversation.transfer(phone.id, "sales")
        await phone.reaches("people", "6000")
        await house.until(house.nothing_left)
        assert house.conversation.ended == [(phone.id, "transferred to sales")]
        assert not phone.ended.is_set()

    play(tmp_path, scene)


def test_a_caller_whom_no_engine_can_serve_any_more_is_sent_on_as_failed(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        await house.conversation.transfer(phone.id, "")
        await phone.reaches("people", "0")
        assert phone.variables["AGENT_STATUS"] == "FAILED"
        await house.until(house.nothing_left)

    play(tmp_path, scene)


def test_a_transfer_to_nowhere_is_refused_with_the_names_there_are_and_the_call_goes_on(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        with pytest.raises(Refused, match=r"has no 'moon'; it has: sales"):
            await house.conversation.transfer(phone.id, "moon")
        assert house.talking(phone.id)
        with pytest.raises(Refused, match="is over"):
            await house.conversation.transfer("1.1", "sales")

    play(tmp_path, scene)


def test_what_the_agent_has_found_out_is_there_for_the_dialplan_when_the_caller_hangs_up(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        found = SetResult(call_id=phone.id, variables={"AGENT_OUTCOME": "booked"})
        await house.conversation.bus.ask("call-control", found, within=5)
        assert phone.variables["AGENT_OUTCOME"] == "booked"

    play(tmp_path, scene)


def test_a_caller_is_not_sent_to_a_place_that_the_dialplan_has_not_and_the_call_goes_on(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        del house.dialplan["people"]["6000"]
        with pytest.raises(Refused, match="6000@people is not in the dialplan"):
            await house.conversation.transfer(phone.id, "sales")
        assert house.talking(phone.id)
        del house.dialplan["people"]["0"]
        await house.conversation.transfer(phone.id, "")
        await phone.reaches("inbound", "1000", 2)
        await house.until(house.nothing_left)
        assert phone.variables["AGENT_STATUS"] == "FAILED"
        assert not phone.ended.is_set()

    play(tmp_path, scene)


@pytest.mark.parametrize("full", ["supervisor", "conversation"])
def test_a_full_system_sends_the_caller_on_unanswered_with_agent_status_busy(tmp_path: Path, full: str) -> None:
    async def scene(house: House) -> None:
        await house.connected()
        house.supervisor.full = full == "supervisor"
        house.conversation.refusals = 1 if full == "conversation" else 0
        phone = house.asterisk.dial("1000")
        await phone.reaches("inbound", "1000", 2)
        assert phone.variables["AGENT_STATUS"] == "BUSY"
        assert not phone.answered.is_set()
        await house.until(house.nothing_left)

    play(tmp_path, scene)


def test_a_media_leg_that_is_killed_is_originated_again_under_a_new_uuid(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        first = house.supervisor.calls[phone.id].media_uuid
        await house.until(lambda: house.supervisor.writers.get(phone.id))
        house.supervisor.drop_media(phone.id)
        await house.until(lambda: house.supervisor.calls[phone.id].media_uuid != first)
        await house.until(lambda: house.talking(phone.id) and "media restored" in house.conversation.notes)
        assert set(house.asterisk.channels) == {phone.id, f"media-{house.supervisor.calls[phone.id].media_uuid}"}
        phone.hang_up()
        await house.until(house.nothing_left)
        assert house.conversation.ended[0][0] == phone.id

    play(tmp_path, scene)


def test_a_media_server_that_takes_no_connection_any_more_sends_the_caller_to_the_fallback(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        await house.until(lambda: house.supervisor.writers.get(phone.id))
        await house.supervisor.stop()
        await phone.reaches("people", "0")
        assert phone.variables["AGENT_STATUS"] == "FAILED"
        await house.until(house.nothing_left)

    play(tmp_path, scene)


def test_a_conversation_actor_that_will_not_come_back_sends_its_callers_to_the_fallback(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        house.supervisor.bus.publish(
            ActorChanged(name="conversation.1", role="conversation", state="degraded", pid=1, reason="died 6 times")
        )
        await phone.reaches("people", "0")
        house.conversation.live.clear()  # it is dead
        await house.until(house.nothing_left)

    play(tmp_path, scene)


def test_a_digit_pressed_while_both_are_bridged_is_left_to_the_media_leg(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        await phone.press("5", duration_ms=20)
        phone.hang_up()
        await house.until(house.nothing_left)
        assert house.conversation.keys == ""

    play(tmp_path, scene)


def test_a_caller_whom_the_dialplan_brings_back_gets_a_new_call_under_the_same_id(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        house.conversation.refusals = 1
        phone = await call(house, "1002")
        assert house.supervisor.opened == [phone.id, phone.id]
        phone.hang_up()
        await house.until(house.nothing_left)

    play(tmp_path, scene)


# -- Asterisk cannot be reached ----------------------------------------------------------------------------------------


def test_a_wrong_password_is_one_clear_sentence_for_log_and_supervisor_and_never_the_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(house: House) -> None:
        await house.until(lambda: house.supervisor.problems)
        tries = house.control.stream
        await house.until(lambda: not len(tries.items))
        direct = house.asterisk.dial("1001")
        await house.until(lambda: house.conversation.started)  # direct calls need no password
        direct.hang_up()
        await house.until(house.nothing_left)
        assert len(house.supervisor.problems) == 1
        assert "password" in house.supervisor.problems[0]
        house.asterisk.password = "changed"

    with caplog.at_level(logging.DEBUG):
        play(tmp_path, scene, password="swordfish")
    assert [record.levelname for record in caplog.records if "password" in record.getMessage()] == ["ERROR"]
    assert "swordfish" not in caplog.text


def test_asterisk_restarts_its_calls_are_closed_and_the_next_one_is_served(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        await house.asterisk.stop_listening()
        await phone.ended.wait()
        await house.until(lambda: house.supervisor.problems[-1])
        await house.asterisk.start()
        await house.until(lambda: not house.supervisor.problems[-1])
        await house.until(house.nothing_left)
        assert [call_id for call_id, _ in house.conversation.ended] == [phone.id]
        await call(house)

    play(tmp_path, scene)


def test_a_dropped_events_connection_is_opened_again_and_the_call_notices_nothing(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        notes = list(house.conversation.notes)
        house.asterisk.drop_websockets()
        await house.until(lambda: any(house.supervisor.problems) and not house.supervisor.problems[-1])
        assert house.talking(phone.id)
        assert [note for note in house.conversation.notes if "lost" in note] == [n for n in notes if "lost" in n]
        phone.hang_up()
        await house.until(house.nothing_left)

    play(tmp_path, scene)


def test_a_caller_who_hangs_up_while_nobody_listens_is_missed_after_the_reconnect(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        house.asterisk.drop_websockets()
        phone.hang_up()
        await house.until(house.nothing_left)

    play(tmp_path, scene)


def test_a_second_program_with_the_same_application_name_is_not_fought(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        other = await house.control.ari.open_events()
        await house.until(lambda: any("another program" in problem for problem in house.supervisor.problems))
        assert house.control.stream.replaced
        assert house.talking(phone.id)
        await other.close()

    play(tmp_path, scene)


# -- a restart of call-control -----------------------------------------------------------------------------------------


def test_after_a_kill_the_call_is_adopted_and_goes_on(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        await house.kill_call_control()
        await house.start_call_control()
        await house.until(lambda: house.talking(phone.id))
        assert (len(house.supervisor.opened), len(house.conversation.started)) == (1, 1)
        await house.conversation.hang_up(phone.id)
        await phone.ended.wait()
        await house.until(house.nothing_left)

    play(tmp_path, scene)


def test_after_a_kill_a_call_whose_caller_has_gone_is_closed(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        await house.kill_call_control()
        phone.hang_up()
        await phone.ended.wait()
        await house.start_call_control()
        await house.until(house.nothing_left)
        assert house.conversation.ended == [(phone.id, "ended while call-control was away")]

    play(tmp_path, scene)


def test_after_a_kill_in_mid_setup_the_setup_goes_on_where_it_was(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.connected()
        house.conversation.hearing.clear()
        phone = house.asterisk.dial("1000")
        await house.until(lambda: phone.id in house.supervisor.calls)
        await house.kill_call_control()
        house.conversation.hearing.set()
        await house.start_call_control()
        await house.until(lambda: house.talking(phone.id))
        assert house.supervisor.opened == [phone.id]
        phone.hang_up()
        await house.until(house.nothing_left)

    play(tmp_path, scene)


def test_after_a_kill_a_media_leg_that_was_lost_meanwhile_is_replaced(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = await call(house)
        await house.until(lambda: house.supervisor.writers.get(phone.id))
        await house.kill_call_control()
        house.supervisor.drop_media(phone.id)
        await house.until(lambda: house.asterisk.channels == [phone.id])
        await house.start_call_control()
        await house.until(lambda: house.talking(phone.id) and len(house.asterisk.channels) == 2)

    play(tmp_path, scene)


# -- direct calls ------------------------------------------------------------------------------------------------------


async def direct_call(house: House) -> tuple[Phone, str]:
    phone = house.asterisk.dial("1001")
    await house.until(lambda: house.supervisor.writers)
    call_id = next(iter(house.supervisor.writers))
    await house.until(lambda: house.talking(call_id))
    return phone, call_id


def test_a_direct_call_is_served_at_8_khz_and_ends_with_its_caller(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone, call_id = await direct_call(house)
        assert call_id.startswith("direct-")
        assert house.supervisor.calls[call_id].rate == 8000
        phone.hang_up()
        await house.until(house.nothing_left)

    play(tmp_path, scene, format="slin16")


@pytest.mark.parametrize("how", ["hang up", "transfer"])
def test_when_the_agent_ends_a_direct_call_the_dialplan_goes_on(tmp_path: Path, how: str) -> None:
    async def scene(house: House) -> None:
        phone, call_id = await direct_call(house)
        if how == "transfer":
            await house.conversation.transfer(call_id, "sales")
        else:
            await house.conversation.hang_up(call_id)
        await phone.reaches("inbound", "1001", 3)
        await house.until(house.nothing_left)

    play(tmp_path, scene)


def test_direct_calls_that_are_switched_off_are_refused(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone = house.asterisk.dial("1001")
        await phone.reaches("inbound", "1001", 3)
        assert house.supervisor.opened == []

    play(tmp_path, scene, direct_calls=False)


def test_after_a_kill_a_direct_call_is_adopted(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        phone, call_id = await direct_call(house)
        await house.kill_call_control()
        await house.start_call_control()
        await house.until(lambda: house.talking(call_id))
        phone.hang_up()
        await house.until(house.nothing_left)

    play(tmp_path, scene)
