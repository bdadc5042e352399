"""Two looks at the sockets need not be a second apart here: nobody else's are looked at."""

import pytest

from supervisor.doctor import sockets


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "LOOK_AGAIN_S", 0.05)
