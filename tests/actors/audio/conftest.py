"""The calls that the tests of media share."""

from collections.abc import Iterator

import pytest

from tests.actors.audio.line import Line
from tests.actors.audio.stage import House


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


@pytest.fixture(params=[8000, 16000])
def any_line(request: pytest.FixtureRequest) -> Iterator[Line]:
    line = Line(request.param)
    yield line
    line.close()


@pytest.fixture
def narrow() -> Iterator[Line]:
    """The kernel holds little of what the far end has not read."""
    line = Line(receive_buffer=2048)
    yield line
    line.close()


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()
