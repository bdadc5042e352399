"""One AI server for all scenes that leave it running, and one loop in which every scene is played."""

from collections.abc import Iterator

import pytest

from tests.actors.gateway.house import TWO, Server, serving
from tests.system.loop import Loop

_loop = Loop()


@pytest.fixture(scope="session")
def gateway_loop() -> Iterator[Loop]:
    yield _loop
    _loop.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    return _loop.play_test(pyfuncitem)


@pytest.fixture(scope="session")
def _server(gateway_loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    changes = {"actors": TWO, "gateway": {"idle_stt_ms": 1000}}
    with gateway_loop.entered(serving(tmp_path_factory.mktemp("server"), changes)) as server:
        yield server


@pytest.fixture
def server(gateway_loop: Loop, _server: Server) -> Iterator[Server]:
    """Ready, with two actors of each role, and no token. After the scene, nothing that it had is left."""
    yield _server
    gateway_loop.play(_server.no_session_is_left())
