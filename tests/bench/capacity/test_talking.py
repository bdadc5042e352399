"""What the journal says of a turn."""

import pytest

from bench.capacity.talking import lag_ms
from config.schema import Turns
from ipc.journal import TurnTimed

MS = 1_000_000


def timed(decided_ms: int, heard_ms: int) -> TurnTimed:
    return TurnTimed(
        at_ns=1500 * MS,
        turn=1,
        last_speech_ns=0,
        decided_ns=decided_ms * MS,
        heard_ns=heard_ms * MS,
        first_token_ns=0,
        first_clause_ns=0,
        first_audio_ns=0,
        on_wire_ns=0,
        filler=False,
    )


@pytest.mark.parametrize(
    ("decided", "heard", "lag"),
    [
        (401, 406, 6.0),  # as it is with one call
        (401, 901, 501.0),  # the recogniser is behind
        (705, 710, 10.0),  # it had no word yet when the first silence was over: that is a rule
        (401, 0, 1100.0),  # the filler came first, after 1500 ms
        (560, 570, 170.0),  # the conversation heard the silence late
    ],
)
def test_a_turn_is_late_by_what_comes_after_the_silence_that_ends_it(decided: int, heard: int, lag: float) -> None:
    assert lag_ms(timed(decided, heard), Turns()) == pytest.approx(lag)
