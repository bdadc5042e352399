"""What of the time until a call is set up is ours, and what Asterisk's."""

import asyncio

from bench.asterisk import Asterisk, Stasis
from bench.setup_time import Setup, Watch, covered


def test_time_in_which_asterisk_worked_on_two_things_counts_once() -> None:
    assert covered([(10, 20), (15, 30), (40, 50)], 0, 100) == 30


def test_time_outside_the_setup_does_not_count() -> None:
    assert covered([(-10, 5), (90, 200)], 0, 100) == 15


def test_what_asterisk_did_not_need_is_ours() -> None:
    setup = Setup(began=0, spans=[(1_000_000, 4_000_000)], joined=10_000_000)
    assert (setup.own_ms, setup.whole_ms) == (7.0, 10.0)


def test_a_channel_that_enters_is_a_call_that_begins() -> None:
    async def scene() -> None:
        async with Asterisk({"inbound": {"1": [Stasis("app")]}}) as asterisk:
            watch = Watch(asterisk)
            watch.entered("17.1", 1_000)
            watch.request("POST", "channels", {"appArgs": "media,17.1", "channelId": "media-x"}, 2_000, 3_000)
            watch.entered("media-x", 5_000)
            for channel in ("17.1", "media-x"):
                watch.request("POST", "bridges/call-17.1/addChannel", {"channel": channel}, 6_000, 7_000)
            setup = watch.setups["17.1"]
            assert (setup.began, setup.joined) == (1_000, 7_000)
            assert setup.spans == [(2_000, 3_000), (3_000, 5_000), (6_000, 7_000), (6_000, 7_000)]

    asyncio.run(scene())
