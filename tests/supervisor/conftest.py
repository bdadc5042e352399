"""One running system for all tests that leave it running."""

from collections.abc import Iterator

import pytest

from tests.supervisor.stage import configuration
from tests.supervisor.system import System


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(configuration(tmp_path_factory.mktemp("system"))) as system:
        yield system
