"""Where speech begins and ends, and where a long text is cut: what needs no server."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from actors.gateway.answering import Rooms
from actors.gateway.endpointing import Endpointer
from actors.gateway.voicing import LONGEST_PIECE, pieces
from bench.voices import CallerVoice
from config.schema import Turns, Vad
from ipc.bus import Bus
from ipc.messages import Message, Release
from ipc.rings import FRAME_MS

FRAME = 320


def events(pcm: np.ndarray[tuple[int], np.dtype[np.int16]], turns: Turns | None = None) -> list[tuple[str, int]]:
    """What the endpointer says, and when in ms."""
    endpointer = Endpointer(8000, Vad(), turns or Turns())
    found = []
    data = pcm.astype("<i2").tobytes()
    for number, at in enumerate(range(0, len(data) - FRAME + 1, FRAME), start=1):
        if event := endpointer.hear(data[at : at + FRAME]):
            found.append((event, number * FRAME_MS))
    return found


@pytest.mark.parametrize("name", ["en-us", "en-us+f3", "en-gb+m5"])
def test_a_sentence_begins_and_ends_once(name: str) -> None:
    voice = CallerVoice(name)
    pcm = voice.say("what are your opening hours", before_ms=1000, after_ms=1500)
    (began, at), (ended, until) = events(pcm)
    assert (began, ended) == ("began", "ended")
    end_of_speech = len(pcm) // 8 - 1500
    assert 1000 <= at < 1400
    assert end_of_speech + 500 < until < end_of_speech + 1000, "a pause of 0.7 s after it"


def test_noise_and_silence_are_nothing() -> None:
    noise = np.random.default_rng(1).normal(0, 30, 8000 * 3).astype(np.int16)
    assert events(noise) == events(np.zeros(8000 * 3, dtype=np.int16)) == []


def test_one_who_never_pauses_is_cut() -> None:
    voice = CallerVoice("en-us")
    pcm = voice.say("one two three four five six seven eight nine ten eleven twelve thirteen fourteen")
    found = events(pcm, Turns(max_turn_s=1.0))
    assert [event for event, _ in found[:4]] == ["began", "ended", "began", "ended"]
    assert found[1][1] - found[0][1] == 1000


@pytest.mark.parametrize(
    "text",
    ["", "Hello.", "One two three. " * 50, "no end in sight " * 50, "x" * 1000, "a, b; c: " * 90, "Süß! " * 200],
)
def test_pieces_are_the_whole_text_and_none_is_too_long(text: str) -> None:
    cut = list(pieces(text))
    assert "".join(piece for _, piece in cut) == text
    assert all(len(piece) <= LONGEST_PIECE + 1 for _, piece in cut)
    assert all(text[start : start + len(piece)] == piece for start, piece in cut)


def test_pieces_end_with_sentences_where_they_can() -> None:
    cut = [piece for _, piece in pieces("We are here. " * 30 + "no more of it " * 40)]
    assert cut[0].endswith("here. ")
    assert all(piece.endswith(" ") for piece in cut)


class Ears:
    """In place of a bus: what is told to whom."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Message]] = []

    def tell(self, peer: str, note: Message) -> None:
        self.told.append((peer, note))


def test_room_that_a_gateway_had_when_it_died_is_given_back_by_its_successor(tmp_path: Path) -> None:
    bus = Ears()
    first = Rooms(tmp_path, cast(Bus, bus))
    first.give_back(["llm.1"])
    for call_id in ("lent~1", "lent~2", "lent~3", "lent~2"):
        first.hold(call_id)
    first.release("lent~2")
    first.release("never held")
    assert bus.told == []
    Rooms(tmp_path, cast(Bus, bus)).give_back(["llm.1", "llm.2"])
    assert bus.told == [
        (name, Release(call_id=call_id)) for call_id in ("lent~1", "lent~3") for name in ("llm.1", "llm.2")
    ]
    bus.told.clear()
    Rooms(tmp_path, cast(Bus, bus)).give_back(["llm.1"])
    assert bus.told == [], "once"
