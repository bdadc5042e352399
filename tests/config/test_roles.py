"""Which part of the system runs here, and what of the settings holds for it."""

import pytest

from config import roles
from config.load import SHIPPED, load
from config.problem import ConfigError
from config.schema import Pipeline, Settings


def test_without_a_word_it_is_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(roles.VARIABLE, raising=False)
    config = load(SHIPPED)
    assert config.role == "all"
    assert not config.settings.gateway.enabled
    assert config.settings.pipelines == Settings().pipelines


def test_the_engine_role_has_the_engines_of_a_gateway_in_every_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(roles.VARIABLE, "engine")
    config = load(SHIPPED)
    assert config.role == "engine"
    assert set(config.settings.pipelines) == set(Settings().pipelines)
    lent = Pipeline(stt="gateway", llm="gateway", tts="gateway")
    assert set(config.settings.pipelines.values()) == {lent}


def test_the_ai_server_lends_and_has_no_provider() -> None:
    settings = roles.applied(Settings(default_provider="speaker"), "ai-server")
    assert settings.gateway.enabled
    assert settings.default_provider == ""
    assert settings.pipelines == Settings().pipelines


def test_an_unknown_role_is_a_mistake_that_names_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(roles.VARIABLE, "server")
    with pytest.raises(ConfigError, match="it can be all, ai-server, engine"):
        load(SHIPPED)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1")),
        *((host, False) for host in ("0.0.0.0", "::", "10.0.0.7", "ai.example.com")),
    ],
)
def test_what_only_this_machine_can_reach(host: str, own: bool) -> None:
    assert roles.loopback(host) is own
