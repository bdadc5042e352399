"""Who holds a call, by what the call asks for and what is in service."""

import pytest

from actors.conversation.choosing import Choice, choose
from config.schema import Pipeline, Settings

PIPELINE = Pipeline(stt="pocketsphinx", llm="scripted", tts="espeak")
PIPED = Settings(pipelines={"embedded": PIPELINE, "again": PIPELINE})
PROVIDED = Settings(default_provider="loopback")


@pytest.mark.parametrize(
    ("settings", "wanted", "choice"),
    [
        (PIPED, "", Choice(pipeline="embedded")),
        (PIPED, "embedded", Choice(pipeline="embedded")),
        (PIPED, "again", Choice(pipeline="again")),
        (PIPED, "speaker", Choice(provider="speaker")),
        (PIPED, "x", Choice(pipeline="embedded", known=("loopback", "speaker", "again", "embedded"))),
        (PROVIDED, "", Choice(provider="loopback")),
        (PROVIDED, "speaker", Choice(provider="speaker")),
        (PROVIDED, "embedded", Choice(provider="loopback", known=("loopback", "speaker"))),
    ],
)
def test_it_is_chosen(settings: Settings, wanted: str, choice: Choice) -> None:
    assert choose(wanted, settings) == choice
