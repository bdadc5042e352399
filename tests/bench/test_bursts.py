"""The figures of bursts, as the command gives them."""

import json

import pytest

from bench import bursts


def test_the_table_has_every_provider_with_and_without_adaptation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench.bursts", "--json"])
    monkeypatch.setattr(bursts, "REPLIES", 6)
    assert bursts.main() == 0
    outcomes = {(outcome["provider"], outcome["adaptive"]): outcome for outcome in json.loads(capsys.readouterr().out)}
    assert len(outcomes) == 2 * len(bursts.PROVIDERS)
    for fast in ("fast", "big_bursts"):
        for adaptive in (False, True):
            assert (outcomes[fast, adaptive]["delivered"], outcomes[fast, adaptive]["start_delay_ms"]) == (1.0, 0)
    for late in ("late_bursts", "hiccups", "slow"):
        assert outcomes[late, True]["delivered"] > outcomes[late, False]["delivered"]
        assert outcomes[late, True]["holes_a_reply"] < outcomes[late, False]["holes_a_reply"]
