"""The reference says what the schema says, for every key."""

from pathlib import Path

import config
from config.reference import reference

PAGE = Path(config.__file__).parents[1] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python -m config.reference > docs/configuration.md"


def test_every_section_is_there() -> None:
    page = reference()
    for heading in ("`turns.barge_in`", "`pipelines.<name>`", "`actors.stt`, `actors.llm`, `actors.tts`", "`script`"):
        assert f"### {heading}\n" in page


def test_a_key_is_told_with_its_limits_and_default() -> None:
    assert "| `end_silence_ms` | a whole number from 100 to 5000 | `400` | Milliseconds of silence" in reference()
