"""What Asterisk's refusals mean for a call, and who holds which conversation."""

from collections import Counter

import pytest

from actors.call_control.ari import (
    AriError,
    Broken,
    Conflict,
    Invalid,
    NoReply,
    NotFound,
    Starting,
    Unreachable,
    WrongPassword,
)
from actors.call_control.commands import (
    Answer,
    Command,
    Continue,
    Join,
    Originate,
    RemoveBridge,
    RemoveMedia,
    SetVariables,
)
from actors.call_control.events import Why
from actors.call_control.hands import conversation_of, why

ANSWER, JOIN, CONTINUE = Answer("c"), Join("b", "c"), Continue("c", None)
ORIGINATE, REMOVE, STATUS = (
    Originate("1", "c", "u", 8000),
    RemoveMedia("c"),
    SetVariables("c", {"AGENT_STATUS": "BUSY"}),
)


@pytest.mark.parametrize(
    ("status", "error", "command", "meaning"),
    [
        ("nobody listens", Unreachable, ANSWER, Why.UNREACHABLE),
        ("503: still starting", Starting, ANSWER, Why.UNREACHABLE),
        ("no answer in time", NoReply, CONTINUE, Why.UNKNOWN),
        ("404", NotFound, ANSWER, Why.GONE),
        ("404", NotFound, CONTINUE, Why.GONE),
        ("404", NotFound, REMOVE, Why.GONE),
        ("404", NotFound, RemoveBridge("b"), Why.GONE),
        ("404: no such bridge", NotFound, JOIN, Why.NO_BRIDGE),
        ("400 Channel not found, 422 not in Stasis", Invalid, JOIN, Why.GONE),
        ("409: the channel records", Conflict, JOIN, Why.REFUSED),
        ("409: left Stasis", Conflict, ANSWER, Why.GONE),
        ("409: left Stasis", Conflict, CONTINUE, Why.GONE),
        ("409: left Stasis", Conflict, STATUS, Why.GONE),
        ("409: the id is taken", Conflict, ORIGINATE, Why.REFUSED),
        ("412: wrong state", Invalid, CONTINUE, Why.REFUSED),
        ("500: nobody listens at the AudioSocket port", Broken, ORIGINATE, Why.REFUSED),
        ("401", WrongPassword, ANSWER, Why.REFUSED),
    ],
)
def test_an_error_means_for_the_call(status: str, error: type[AriError], command: Command, meaning: Why) -> None:
    assert why(command, error(status)) is meaning


def test_calls_are_spread_over_the_conversation_actors_and_always_the_same_way() -> None:
    spread = Counter(conversation_of(f"1795348111.{n}", 4) for n in range(400))
    assert set(spread) == {f"conversation.{n}" for n in (1, 2, 3, 4)}
    assert min(spread.values()) > 50
    assert conversation_of("1795348111.4", 4) == conversation_of("1795348111.4", 4)
    assert conversation_of("1795348111.4", 1) == "conversation.1"
