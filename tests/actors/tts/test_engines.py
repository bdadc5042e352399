import pytest

from actors import catalogue
from actors.tts import engines
from config.load import SHIPPED, load

CONFIG = load(SHIPPED)


def test_an_unknown_engine_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r'no tts engine "gramophone"; there are .*espeak'):
        engines.load("gramophone", CONFIG)


def test_a_missing_package_is_answered_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        raise ModuleNotFoundError("No module named 'absent'", name="absent")

    monkeypatch.setattr(catalogue, "import_module", missing)
    with pytest.raises(catalogue.Unusable, match=r'needs the package absent: pip install "ringmaster\[embedded\]"'):
        engines.load("espeak", CONFIG)
