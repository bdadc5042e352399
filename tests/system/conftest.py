"""One system for all scenes that leave it running, and one loop in which every scene is played."""

from collections.abc import Iterator

import pytest

from bench.system import Sections
from tests.system.house import FEW, House, started
from tests.system.loop import Loop

_loop = Loop()


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    yield _loop
    _loop.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    return _loop.play_test(pyfuncitem)


@pytest.fixture(scope="session")
def _house(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with loop.entered(started(tmp_path_factory.mktemp("house"))) as house:
        yield house


@pytest.fixture
def house(loop: Loop, _house: House) -> Iterator[House]:
    """Ready for calls. After the scene, whatever became of it, nobody calls any more, and nothing of a call is left."""
    yield from _tidy(loop, _house)


STRICT: Sections = {
    "audiosocket": {"direct_calls": False, "uuid_timeout_ms": 500},
    "actors": FEW,
}


@pytest.fixture(scope="session")
def _strict(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with loop.entered(started(tmp_path_factory.mktemp("strict"), STRICT, asterisk_runs=False)) as house:
        yield house


@pytest.fixture
def strict(loop: Loop, _strict: House) -> Iterator[House]:
    """Another system, which was started while there was no Asterisk, and takes only calls that it has asked for."""
    yield from _tidy(loop, _strict)


def _tidy(loop: Loop, house: House) -> Iterator[House]:
    assert house.system.process.returncode is None, f"the system has ended\n{house.last_words()}"
    if not house.asterisk_runs:
        loop.play(house.asterisk.start())
    loop.play(house.takes_calls())
    yield house
    loop.play(house.send_everybody_home())
    if house.system.process.returncode is None:
        loop.play(house.nothing_is_left())
