"""What Asterisk does to us: its events break off, it is started again. Calls that can go on do, and new ones work."""

from tests.system.guest import calls
from tests.system.house import House


async def test_a_call_goes_on_while_no_events_come(house: House) -> None:
    guest = await calls(house)
    house.asterisk.drop_websockets()
    ended = await guest.says_goodbye()
    assert ended.cause == "hung up by the agent: the agent hung up"
    assert guest.media().count("attached") == 1, "its media leg was left alone"


async def test_a_call_whose_end_was_not_told_is_over_all_the_same(house: House) -> None:
    guest = await calls(house)
    house.asterisk.drop_websockets()
    await guest.hangs_up()
    await house.nothing_is_left()


async def test_after_a_restart_of_asterisk_its_calls_are_over_and_new_ones_work(house: House) -> None:
    guest = await calls(house)
    await house.asterisk.stop_listening()
    assert guest.phone.ended.is_set()
    assert "is it running" in await house.problem("call-control: cannot reach Asterisk")
    await house.asterisk.start()
    await house.takes_calls()
    await guest.is_over()
    await house.nothing_is_left()
    await (await calls(house)).says_goodbye()
