"""What every provider has to keep to, whatever it does with the call (`actors.conversation.providers.provider`)."""

import random
from collections.abc import Iterator

import pytest

from actors.conversation.providers.providers import PROVIDERS
from ipc.ear import EarReader
from ipc.journal import DigitsPressed
from ipc.rings import EAR_SLOTS
from tests.actors.conversation.providers.booth import Booth


@pytest.fixture(params=[(name, rate) for name in PROVIDERS for rate in (8000, 16000)], ids=str)
def booth(request: pytest.FixtureRequest) -> Iterator[Booth]:
    name, rate = request.param
    with Booth(name, rate=rate) as entered:
        yield entered


def talk(booth: Booth, frames: int) -> list[bytes]:
    """The caller says so many frames, and listens."""
    heard = []
    for number in range(1, frames + 1):
        booth.caller(booth.say(number))
        if pcm := booth.tick():
            heard.append(pcm)
    return heard


def test_the_caller_hears_it_in_whole_frames_at_the_calls_rate(booth: Booth) -> None:
    heard = talk(booth, 300)
    assert len(heard) == 300
    assert {len(pcm) for pcm in heard} == {booth.rings.payload}
    assert booth.gauge.played(booth.gauge.generation).samples == 300 * booth.rings.payload // 2


def test_a_bell_that_rings_for_nothing_does_no_harm(booth: Booth) -> None:
    before = booth.ticks()
    booth.provider.hear()
    assert booth.ticks() == [] or before, "what is said of its own accord is said from the start"
    assert len(talk(booth, 10)) == 10


def test_a_pacer_that_takes_nothing_is_waited_for_without_blocking(booth: Booth) -> None:
    for number in range(1, 400):
        booth.caller(booth.say(number))
    booth.ticks()
    assert len(talk(booth, 100)) == 100


def test_an_ear_that_was_not_looked_at_for_longer_than_it_holds_is_gone_on_with(booth: Booth) -> None:
    booth.ticks()
    for number in range(1, EAR_SLOTS + 100):
        booth.caller(booth.say(number), rings=False)
    booth.provider.hear()
    assert booth.ticks()
    assert len(talk(booth, 100)) == 100


def test_gaps_and_whatever_the_caller_does_leave_it_in_order(booth: Booth) -> None:
    chance = random.Random(5)
    for number in range(1, 2000):
        booth.caller(booth.say(number), speech=chance.random() < 0.5, gap=chance.random() < 0.1)
        if chance.random() < 0.95:
            booth.tick()
    assert booth.pacer.corrupt == 0
    assert booth.given_up == []


def test_keys_get_into_the_journal(booth: Booth) -> None:
    booth.caller(digit="4")
    booth.caller(digit="#")
    pressed = [record.digits for record in booth.records if isinstance(record, DigitsPressed)]
    assert pressed == ["4", "#"]


def test_a_successor_goes_on_under_the_same_generation(booth: Booth) -> None:
    talk(booth, 50)
    audible = booth.gauge.generation
    waiting = booth.pacer.slot
    booth.provider = booth.opened(taken_over=True)
    assert booth.gauge.generation == audible, "what its predecessor has written is still to be heard"
    assert booth.pacer.slot == waiting
    assert len(talk(booth, 50)) == 50


def test_nothing_is_written_or_read_once_it_is_closed(booth: Booth) -> None:
    talk(booth, 50)
    figures = booth.close()
    booth.ticks()
    assert figures
    assert all(figure >= 0 for figure in figures.values())
    generation = booth.gauge.generation
    for number in range(1, 100):
        booth.caller(booth.say(number), rings=False)
    assert (booth.ticks(), booth.gauge.generation) == ([], generation)
    assert EarReader(booth.rings).position == 149


def test_it_can_be_closed_when_it_was_never_opened(booth: Booth) -> None:
    booth.provider = booth.made()
    assert all(figure >= 0 for figure in booth.close().values())
