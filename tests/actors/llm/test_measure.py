"""What `ringmaster models setup` is told of a language model's speed."""

from pathlib import Path

import msgspec
import pytest

from actors.llm import measure
from models.measured import Llm
from tests.actors.llm.test_contract import TINY


def test_it_says_what_it_measured_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure.main([str(TINY), "--json", "--threads", "1"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out, type=Llm)
    assert found.threads == found.batch_threads == 1
    assert found.tokens_per_s > 0 and found.prompt_tokens_per_s > 0 and found.batched_tokens_per_s > 0
    assert found.batch >= 16 and found.memory_mb > 1


def test_a_model_that_loads_passes_the_check_and_another_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure.main([str(TINY), "--check"]) == 0
    (tmp_path / "model.gguf").write_bytes(TINY.read_bytes()[:5000])
    assert measure.main([str(tmp_path / "model.gguf"), "--check"]) == 1
    assert "model.gguf cannot be used" in capsys.readouterr().err
