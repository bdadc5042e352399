"""A password goes to where it is needed and nowhere else."""

import pickle
from pathlib import Path

import msgspec
import pytest

from config.load import Config
from config.schema import Asterisk, Settings
from config.secret import Secret
from config.show import shown, shown_as_yaml

SETTINGS = Settings(asterisk=Asterisk(password=Secret("s3same")))


def test_it_can_be_had_by_asking_for_it() -> None:
    assert SETTINGS.asterisk.password.reveal() == "s3same"


def test_it_is_in_no_text_made_of_the_settings() -> None:
    config = Config(path=Path("ai-agent.yaml"), settings=SETTINGS, agents={})
    for text in (repr(SETTINGS), str(SETTINGS.asterisk), f"{SETTINGS.asterisk.password}", shown_as_yaml(config)):
        assert "s3same" not in text
        assert "***" in text


def test_an_empty_one_is_shown_to_be_empty() -> None:
    config = Config(path=Path("ai-agent.yaml"), settings=Settings(), agents={})
    assert "password: ''" in shown_as_yaml(config)
    assert not Settings().asterisk.password


def test_it_does_not_leave_its_process() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(SETTINGS)
    with pytest.raises(TypeError):
        pickle.dumps(SETTINGS.asterisk.password)


def test_what_is_shown_is_plain() -> None:
    config = Config(path=Path("ai-agent.yaml"), settings=SETTINGS, agents={})
    assert msgspec.json.decode(msgspec.json.encode(shown(config)))["settings"]["audiosocket"]["port"] == 8090
